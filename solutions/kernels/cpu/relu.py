"""relu on the CPU. Memory-bound: one read and a write for each comparison."""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 16  # elements; below, starting the threads costs more than they save
ZERO = np.float32(0)


### END SOLUTION
@kernel("relu", device="cpu")
@njit(parallel=True, cache=True)
def relu(x, out):
    ### BEGIN SOLUTION
    if out.size < PARALLEL_FROM:
        for i in range(out.size):
            out[i] = x[i] if x[i] > 0 else ZERO
    else:
        for i in prange(out.size):
            out[i] = x[i] if x[i] > 0 else ZERO
    ### END SOLUTION
