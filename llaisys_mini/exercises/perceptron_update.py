"""perceptron_update: learning from one point."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def perceptron_update(weights, bias, x, label):
    """The perceptron rule for one point x [K] with label 1 or -1. Returns (weights, bias).

    The neuron says 1 where weights . x + bias >= 0, else -1. When it is right, nothing changes. When it is wrong,
    weights + label * x and bias + label are returned; the given array stays as it is.
    Source: Rosenblatt 1958, doi:10.1037/h0042519.
    """
    said = 1 if weights @ x + bias >= 0 else -1
    if said == label:
        return weights, bias
    return weights + label * x, bias + label


@perceptron_update.cases
def cases(rng):
    def inputs(weights, bias, x, label):
        return dict(weights=np.array(weights, np.float32), bias=float(bias), x=np.array(x, np.float32), label=label)

    yield "right, label 1", inputs([1, 2], 0, [1, 1], 1)
    yield "right, label -1", inputs([1, 2], -5, [1, 1], -1)
    yield "wrong, label 1", inputs([1, -3], 0, [1, 2], 1)
    yield "wrong, label -1", inputs([1, 3], 0, [1, 2], -1)
    yield "exactly on the line, label 1", inputs([1, -1], 0, [2, 2], 1)
    yield "exactly on the line, label -1", inputs([1, -1], 0, [2, 2], -1)
    yield "the bias decides", inputs([0.5, 0.5], -3, [2, 2], 1)
    yield "at the beginning", inputs([0, 0, 0], 0, rng.normal(size=3), -1)
    for label in (1, -1):
        size = int(rng.integers(3, 20))
        yield f"some numbers, label {label}", inputs(rng.normal(size=size), rng.normal(), rng.normal(size=size), label)


@perceptron_update.use
def use(answer, weights, bias, x, label):
    new_weights, new_bias = answer(weights, bias, x, label)
    return {"weights": new_weights, "bias": new_bias}


perceptron_update.leaves_alone("weights")


@perceptron_update.mistake("it moves after every point, right or wrong")
def always(weights, bias, x, label):
    return weights + label * x, bias + label


@perceptron_update.mistake("the label is ignored: it always moves towards x")
def no_label(weights, bias, x, label):
    said = 1 if weights @ x + bias >= 0 else -1
    return (weights, bias) if said == label else (weights + x, bias + 1)


@perceptron_update.mistake("the bias is not moved")
def bias_still(weights, bias, x, label):
    return perceptron_update.reference(weights, bias, x, label)[0], bias


@perceptron_update.mistake("the bias is left out of the decision")
def bias_not_asked(weights, bias, x, label):
    said = 1 if weights @ x >= 0 else -1
    return (weights, bias) if said == label else (weights + label * x, bias + label)


@perceptron_update.mistake("a point exactly on the line counts as -1; it must count as 1")
def line_negative(weights, bias, x, label):
    said = 1 if weights @ x + bias > 0 else -1
    return (weights, bias) if said == label else (weights + label * x, bias + label)


@perceptron_update.mistake("the weights move away from the right side: the sign is wrong")
def wrong_way(weights, bias, x, label):
    said = 1 if weights @ x + bias >= 0 else -1
    return (weights, bias) if said == label else (weights - label * x, bias - label)


@perceptron_update.mistake("the given array is changed in place (weights += ...); return a new one")
def in_place(weights, bias, x, label):
    new_weights, bias = perceptron_update.reference(weights, bias, x, label)
    weights[:] = new_weights
    return weights, bias
