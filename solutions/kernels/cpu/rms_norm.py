"""rms_norm on the CPU: one pass for the sum of squares, one for the result."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 15  # elements; below, starting the threads costs more than they save


@njit(fastmath=True, error_model="numpy", cache=True)  # NaN in x must give NaN, not "division by zero"
def normalise_row(x, weight, eps, out, row):
    width = x.shape[1]
    squares = np.float32(0)
    for e in range(width):
        squares += x[row, e] * x[row, e]
    scale = np.float32(1 / math.sqrt(squares / width + eps))
    for e in range(width):
        out[row, e] = x[row, e] * scale * widen(weight[e])


### END SOLUTION
@kernel("rms_norm", device="cpu")
@njit(parallel=True, cache=True)
def rms_norm(x, weight, eps, out):
    ### BEGIN SOLUTION
    if x.size < PARALLEL_FROM:
        for row in range(x.shape[0]):
            normalise_row(x, weight, eps, out, row)
    else:
        for row in prange(x.shape[0]):
            normalise_row(x, weight, eps, out, row)
    ### END SOLUTION
