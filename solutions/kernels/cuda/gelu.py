"""gelu on CUDA: one thread per element. The constants are float32: a bare 0.5 would make the whole line float64."""

import math

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 256


@cuda.jit
def gelu_kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i] * (np.float32(1) + math.erf(x[i] * np.float32(math.sqrt(0.5)))) * np.float32(0.5)


### END SOLUTION
@kernel("gelu", device="cuda")
def gelu(x, out):
    ### BEGIN SOLUTION
    blocks = (out.size + THREADS - 1) // THREADS
    gelu_kernel[blocks, THREADS](x, out)
    ### END SOLUTION
