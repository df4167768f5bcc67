"""sign on the CPU. Memory-bound: one read and a write for each comparison."""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 16  # elements; below, starting the threads costs more than they save
ONE = np.float32(1)


### END SOLUTION
@kernel("sign", device="cpu")
@njit(parallel=True, cache=True)
def sign(x, out):
    ### BEGIN SOLUTION
    if out.size < PARALLEL_FROM:
        for i in range(out.size):
            out[i] = ONE if x[i] >= 0 else -ONE
    else:
        for i in prange(out.size):
            out[i] = ONE if x[i] >= 0 else -ONE
    ### END SOLUTION
