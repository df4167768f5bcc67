"""add on the CPU. Memory-bound: two reads and a write for each addition."""

from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 16  # elements; below, starting the threads costs more than they save


### END SOLUTION
@kernel("add", device="cpu")
@njit(parallel=True, cache=True)
def add(x, y, out):
    ### BEGIN SOLUTION
    if out.size < PARALLEL_FROM:
        for i in range(out.size):
            out[i] = x[i] + y[i]
    else:
        for i in prange(out.size):
            out[i] = x[i] + y[i]
    ### END SOLUTION
