"""perceptron_update: move only when wrong, towards the point for label 1, away from it for -1."""

from llaisys_mini import answer


@answer("perceptron_update")
def perceptron_update(weights, bias, x, label):
    ### BEGIN SOLUTION
    said = 1 if weights @ x + bias >= 0 else -1
    if said == label:
        return weights, bias
    return weights + label * x, bias + label
    ### END SOLUTION
