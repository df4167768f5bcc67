"""awq_scale: ten exponents, and of each what the outputs lose."""

import numpy as np

from llaisys_mini import answer


@answer("awq_scale")
def awq_scale(weight, x, round_weight):
    ### BEGIN SOLUTION
    size = np.abs(x).mean(axis=0)
    size = np.maximum(size, 1e-4 * size.max())
    best, least = None, np.inf
    for step in range(10):
        s = size ** (step / 10)
        rounded = round_weight(weight * s) / s
        lost = ((x @ (weight - rounded).T) ** 2).sum()
        if lost < least:
            best, least = s, lost
    return best
    ### END SOLUTION
