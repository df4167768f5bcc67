"""gelu on the CPU. The erf costs more than the memory traffic."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 13  # elements; below, starting the threads costs more than they save


@njit(fastmath={"contract"}, cache=True)
def weighted_by_erf(value):
    # All constants in float32, or Numba computes in float64.
    return value * np.float32(0.5) * (np.float32(1) + math.erf(value * np.float32(0.7071067811865476)))


### END SOLUTION
@kernel("gelu", device="cpu")
@njit(parallel=True, fastmath={"contract"}, cache=True)
def gelu(x, out):
    ### BEGIN SOLUTION
    if out.size < PARALLEL_FROM:
        for i in range(out.size):
            out[i] = weighted_by_erf(x[i])
    else:
        for i in prange(out.size):
            out[i] = weighted_by_erf(x[i])
    ### END SOLUTION
