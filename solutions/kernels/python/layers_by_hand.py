"""layers_by_hand: a half-plane for each hidden neuron; the output neuron counts them."""

from llaisys_mini import answer


@answer("layers_by_hand")
def layers_by_hand():
    ### BEGIN SOLUTION
    return {
        "xor": ([[1, 1], [-1, -1]], [-0.5, 1.5], [[1, 1]], [-1.5]),  # at least one; not both; and
        "triangle": ([[1, 0], [0, 1], [-1, -1]], [0, 0, 4], [[1, 1, 1]], [-2.5]),
        "distance": ([[1, -1], [-1, 1]], [0, 0], [[1, 1]], [0]),
    }
    ### END SOLUTION
