"""neuron_by_hand: each line lies between the corners that it has to tell apart."""

from llaisys_mini import answer


@answer("neuron_by_hand")
def neuron_by_hand():
    ### BEGIN SOLUTION
    return {"and": (1, 1, -1.5), "or": (1, 1, -0.5), "first only": (1, -1, -0.5)}
    ### END SOLUTION
