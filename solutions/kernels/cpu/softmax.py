"""softmax on the CPU: three passes over each row (maximum, powers and their sum, division)."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 12  # elements; exp is dear, so threads pay early


@njit(cache=True)
def largest(x, row):
    top = x[row, 0]
    for c in range(1, x.shape[1]):
        top = max(top, x[row, c])
    return top


@njit(
    error_model="numpy", cache=True
)  # without fastmath the sum has one order; exponentials cost more than waiting for it
def softmax_row(x, out, row):
    top = largest(x, row)
    total = np.float32(0)
    for c in range(x.shape[1]):
        power = math.exp(x[row, c] - top)
        out[row, c] = power
        total += power
    share = np.float32(1) / total
    for c in range(x.shape[1]):
        out[row, c] *= share


### END SOLUTION
@kernel("softmax", device="cpu")
@njit(parallel=True, cache=True)
def softmax(x, out):
    ### BEGIN SOLUTION
    if x.size < PARALLEL_FROM:
        for row in range(x.shape[0]):
            softmax_row(x, out, row)
    else:
        for row in prange(x.shape[0]):
            softmax_row(x, out, row)
    ### END SOLUTION
