"""relu on CUDA: one thread per element."""

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 256


@cuda.jit
def relu_kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = max(x[i], np.float32(0))


### END SOLUTION
@kernel("relu", device="cuda")
def relu(x, out):
    ### BEGIN SOLUTION
    blocks = (out.size + THREADS - 1) // THREADS
    relu_kernel[blocks, THREADS](x, out)
    ### END SOLUTION
