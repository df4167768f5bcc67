"""merge_softmax: both sums brought to the common maximum."""

import math

from llaisys_mini import answer


@answer("merge_softmax")
def merge_softmax(top_a, sum_a, top_b, sum_b):
    ### BEGIN SOLUTION
    top = max(top_a, top_b)
    if top == -math.inf:
        return top, 0.0
    return top, sum_a * math.exp(top_a - top) + sum_b * math.exp(top_b - top)
    ### END SOLUTION
