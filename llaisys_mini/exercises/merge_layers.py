"""merge_layers: two linear layers in a row are one."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def merge_layers(w1, b1, w2, b2):
    """The one linear layer that computes what two in a row compute, without an activation function between them.

    w1 [H, K], b1 [H], w2 [M, H], b2 [M]. Returns (weight [M, K], bias [M]), so that for every x [N, K]
    x @ weight.T + bias == (x @ w1.T + b1) @ w2.T + b2.
    """
    return w2 @ w1, w2 @ b1 + b2


@merge_layers.cases
def cases(rng):
    def inputs(k, h, m):
        return dict(
            w1=rng.normal(size=(h, k)), b1=rng.normal(size=h), w2=rng.normal(size=(m, h)), b2=rng.normal(size=m)
        )

    yield "one neuron each", inputs(1, 1, 1)
    yield "no biases", {**inputs(3, 4, 2), "b1": np.zeros(4), "b2": np.zeros(2)}
    yield "wide in the middle", inputs(2, 50, 1)
    yield "narrow in the middle", inputs(5, 1, 4)
    yield "square", inputs(3, 3, 3)
    k, h, m = (int(i) for i in rng.integers(2, 9, size=3))
    yield "some sizes", inputs(k, h, m)


@merge_layers.use
def use(answer, **layers):
    weight, bias = answer(**layers)
    return {"weight": weight, "bias": bias}


merge_layers.leaves_alone("w1", "b1", "w2", "b2")


@merge_layers.mistake("the biases are added; the second layer multiplies the first layer's bias by its weights too")
def biases_added(w1, b1, w2, b2):
    return w2 @ w1, b2 + b1.sum() / len(b1)


@merge_layers.mistake("the bias of the first layer is lost")
def first_bias_lost(w1, b1, w2, b2):
    return w2 @ w1, b2 * 1


@merge_layers.mistake("the bias of the second layer is lost")
def second_bias_lost(w1, b1, w2, b2):
    return w2 @ w1, w2 @ b1


@merge_layers.mistake("weight is transposed: row m has to hold the weights of output m")
def transposed(w1, b1, w2, b2):
    return (w2 @ w1).T, w2 @ b1 + b2
