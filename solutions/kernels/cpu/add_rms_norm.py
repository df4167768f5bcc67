"""add_rms_norm on the CPU: the row is still in the L1 cache when it is read again for the result."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 15  # elements; below, starting the threads costs more than they save


@njit(fastmath=True, error_model="numpy", cache=True)  # NaN in x must give NaN, not "division by zero"
def add_and_normalise_row(x, residual, weight, eps, total, out, row):
    width = x.shape[1]
    for e in range(width):
        total[row, e] = x[row, e] + residual[row, e]
    # A loop of its own. If it stored as well, LLVM would make two of it, with vectors and without, which sum in
    # different orders, and choose between them by how close the arrays lie in memory.
    squares = np.float32(0)
    for e in range(width):
        squares += total[row, e] * total[row, e]
    scale = np.float32(1 / math.sqrt(squares / width + eps))
    for e in range(width):
        out[row, e] = total[row, e] * scale * widen(weight[e])


### END SOLUTION
@kernel("add_rms_norm", device="cpu")
@njit(parallel=True, cache=True)
def add_rms_norm(x, residual, weight, eps, total, out):
    ### BEGIN SOLUTION
    if x.size < PARALLEL_FROM:
        for row in range(x.shape[0]):
            add_and_normalise_row(x, residual, weight, eps, total, out, row)
    else:
        for row in prange(x.shape[0]):
            add_and_normalise_row(x, residual, weight, eps, total, out, row)
    ### END SOLUTION
