"""silu on CUDA: one thread per element. exp(-x) may overflow to inf; x / inf is then the right answer: 0."""

import math

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 256


@cuda.jit
def silu_kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i] / (np.float32(1) + math.exp(-x[i]))


### END SOLUTION
@kernel("silu", device="cuda")
def silu(x, out):
    ### BEGIN SOLUTION
    blocks = (out.size + THREADS - 1) // THREADS
    silu_kernel[blocks, THREADS](x, out)
    ### END SOLUTION
