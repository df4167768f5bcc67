"""swiglu on the CPU. The exp costs more than the memory traffic."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 13  # elements; below, starting the threads costs more than they save


@njit(fastmath={"contract"}, cache=True)
def swish(value):
    # exp(-value) may overflow to inf; value / inf is then the right answer: 0.
    return value / (np.float32(1) + math.exp(-value))


### END SOLUTION
@kernel("swiglu", device="cpu")
@njit(parallel=True, fastmath={"contract"}, cache=True)
def swiglu(gate, up, out):
    ### BEGIN SOLUTION
    if out.size < PARALLEL_FROM:
        for i in range(out.size):
            out[i] = swish(gate[i]) * up[i]
    else:
        for i in prange(out.size):
            out[i] = swish(gate[i]) * up[i]
    ### END SOLUTION
