"""sigmoid on the CPU. The exp costs more than the memory traffic."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 13  # elements; below, starting the threads costs more than they save


@njit(fastmath={"contract"}, cache=True)
def logistic(value):
    # For very negative values exp overflows to inf, and 1 / inf is the right answer: 0.
    return np.float32(1) / (np.float32(1) + math.exp(-value))


### END SOLUTION
@kernel("sigmoid", device="cpu")
@njit(parallel=True, fastmath={"contract"}, cache=True)
def sigmoid(x, out):
    ### BEGIN SOLUTION
    if out.size < PARALLEL_FROM:
        for i in range(out.size):
            out[i] = logistic(x[i])
    else:
        for i in prange(out.size):
            out[i] = logistic(x[i])
    ### END SOLUTION
