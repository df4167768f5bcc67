"""least_squares_descent: the residuals, the gradient, the step, again and again."""

import numpy as np

from llaisys_mini import answer


@answer("least_squares_descent")
def least_squares_descent(A, h, rate, steps):
    ### BEGIN SOLUTION
    c = np.zeros(A.shape[1])
    for _ in range(steps):
        residuals = A @ c - h
        c = c - rate * 2 / len(h) * (A.T @ residuals)
    return c
    ### END SOLUTION
