"""linear_backward on the CPU: three sums of scaled rows. Every inner loop runs along contiguous rows."""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel


### BEGIN SOLUTION
@njit(fastmath=True, cache=True)
def add_scaled_row(out, row, factor, values, values_row):
    for k in range(out.shape[1]):
        out[row, k] += factor * values[values_row, k]


### END SOLUTION
@kernel("linear_backward", device="cpu")
@njit(parallel=True, cache=True)
def linear_backward(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    ### BEGIN SOLUTION
    samples, neurons = grad_out.shape
    for n in prange(samples):
        grad_x[n] = np.float32(0)
        for m in range(neurons):
            add_scaled_row(grad_x, n, grad_out[n, m], weight, m)
    for m in prange(neurons):
        grad_weight[m] = np.float32(0)
        bias = np.float32(0)
        for n in range(samples):
            add_scaled_row(grad_weight, m, grad_out[n, m], x, n)
            bias += grad_out[n, m]
        grad_bias[m] = bias
    ### END SOLUTION
