"""smooth: the size of an input against the size of its column."""

import numpy as np

from llaisys_mini import answer


@answer("smooth")
def smooth(largest_inputs, weight, alpha):
    ### BEGIN SOLUTION
    columns = np.abs(weight).max(axis=0)
    s = np.ones(len(columns))
    used = (largest_inputs > 0) & (columns > 0)
    s[used] = largest_inputs[used] ** alpha / columns[used] ** (1 - alpha)
    return s
    ### END SOLUTION
