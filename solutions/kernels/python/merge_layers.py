"""merge_layers: the weights are multiplied; the first bias passes through the second layer."""

from llaisys_mini import answer


@answer("merge_layers")
def merge_layers(w1, b1, w2, b2):
    ### BEGIN SOLUTION
    return w2 @ w1, w2 @ b1 + b2
    ### END SOLUTION
