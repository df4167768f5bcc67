"""layers_by_hand: small networks whose weights are found with pencil and paper."""

import numpy as np

from llaisys_mini.exercise import exercise

ACTIVATIONS = {"xor": "step", "triangle": "step", "distance": "relu"}
"""The activation function of the hidden layer; the output layer of xor and triangle has a step too."""


@exercise
def layers_by_hand():
    """Weights of three networks with two inputs, one hidden layer and one output: {"xor": (w1, b1, w2, b2), ...} with
    the names xor, triangle, distance. w1 [H, 2], b1 [H], w2 [1, H], b2 [1] as lists; H is free.

    xor, triangle: hidden layer and output with step (1 where z >= 0, else 0). distance: hidden layer with relu, output
    as it is.
    """
    return {
        "xor": ([[1, 1], [-1, -1]], [-0.5, 1.5], [[1, 1]], [-1.5]),
        "triangle": ([[1, 0], [0, 1], [-1, -1]], [0, 0, 4], [[1, 1, 1]], [-2.5]),
        "distance": ([[1, -1], [-1, 1]], [0, 0], [[1, 1]], [0]),
    }


POINTS = {
    "xor": [(0, 0), (0, 1), (1, 0), (1, 1)],
    "triangle": [(1, 1), (0.5, 3), (3, 0.5), (-1, 1), (1, -1), (3, 3), (-1, -1), (5, -0.5), (-0.5, 5)],
    "distance": [(3, 1), (1, 3), (-2, 2), (2, 2), (-4, -1.5)],
}


@layers_by_hand.cases
def cases(rng):
    for name, points in POINTS.items():
        yield name, dict(name=name, points=points)


@layers_by_hand.use
def use(answer, name, points):
    networks = answer()
    if name not in networks:
        return _nothing(name, points, "missing: the dictionary has no entry of this name")
    w1, b1, w2, b2 = (np.asarray(a, dtype=np.float64) for a in networks[name])
    if w1.shape != (len(np.atleast_1d(b1)), 2) or w2.shape != (1, len(w1)) or b2.shape != (1,) or b1.ndim != 1:
        shapes = ", ".join(str(list(a.shape)) for a in (w1, b1, w2, b2))
        return _nothing(name, points, f"of shapes {shapes} instead of [H, 2], [H], [1, H], [1]")
    z = np.array(points, dtype=np.float64) @ w1.T + b1
    hidden = np.maximum(z, 0) if ACTIVATIONS[name] == "relu" else (z >= 0).astype(np.float64)
    out = (hidden @ w2.T + b2)[:, 0]
    answers = [float(v) for v in out] if name == "distance" else ["yes" if v >= 0 else "no" for v in out]
    return {WEIGHTS: "there"} | {f"{name} for {x1}, {x2}": said for (x1, x2), said in zip(points, answers, strict=True)}


WEIGHTS = "w1, b1, w2, b2"


def _nothing(name, points, why: str) -> dict[str, str]:
    """The entries of a network that cannot be computed."""
    return {WEIGHTS: why} | {f"{name} for {x1}, {x2}": "nothing" for x1, x2 in points}


def _changed(**networks):
    def mistaken():
        return layers_by_hand.reference() | networks

    return mistaken


layers_by_hand.mistake("xor says what `or` says: the hidden neuron for 'not both' is missing")(
    _changed(xor=([[1, 1], [1, 1]], [-0.5, -0.5], [[1, 1]], [-1.5]))
)
layers_by_hand.mistake("the output neuron of the triangle says yes where any hidden neuron does; all three must")(
    _changed(triangle=([[1, 0], [0, 1], [-1, -1]], [0, 0, 4], [[1, 1, 1]], [-0.5]))
)
layers_by_hand.mistake("the hidden neurons of the triangle say yes outside: their weights have the wrong sign")(
    _changed(triangle=([[-1, 0], [0, -1], [1, 1]], [0, 0, -4], [[1, 1, 1]], [-2.5]))
)
layers_by_hand.mistake(
    "the neuron of the triangle's sloping side says yes beyond it: its z has to be positive inside, where x1 + x2 < 4"
)(_changed(triangle=([[1, 0], [0, 1], [1, 1]], [0, 0, -4], [[1, 1, 1]], [-2.5])))
layers_by_hand.mistake("the distance is x1 - x2 where that is positive, else 0: one more hidden neuron is needed")(
    _changed(distance=([[1, -1]], [0], [[1]], [0]))
)
layers_by_hand.mistake("the two halves of the distance are subtracted: x1 - x2 comes out, with its sign")(
    _changed(distance=([[1, -1], [-1, 1]], [0, 0], [[1, -1]], [0]))
)
