"""relu_backward on the CPU. Memory-bound, like relu."""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 16  # elements; below, starting the threads costs more than they save
ZERO = np.float32(0)


### END SOLUTION
@kernel("relu_backward", device="cpu")
@njit(parallel=True, cache=True)
def relu_backward(grad_out, x, out):
    ### BEGIN SOLUTION
    if out.size < PARALLEL_FROM:
        for i in range(out.size):
            out[i] = grad_out[i] if x[i] > 0 else ZERO
    else:
        for i in prange(out.size):
            out[i] = grad_out[i] if x[i] > 0 else ZERO
    ### END SOLUTION
