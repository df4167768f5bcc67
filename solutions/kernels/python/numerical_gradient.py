"""numerical_gradient: one element after the other is moved, and put back."""

import numpy as np

from llaisys_mini import answer


@answer("numerical_gradient")
def numerical_gradient(function, x, step):
    ### BEGIN SOLUTION
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        before = x[index]
        x[index] = before + step
        above = function(x)
        x[index] = before - step
        below = function(x)
        x[index] = before
        gradient[index] = (above - below) / (2 * step)
    return gradient
    ### END SOLUTION
