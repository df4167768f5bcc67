"""sign on CUDA: one thread per element."""

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 256


@cuda.jit
def sign_kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = np.float32(1) if x[i] >= np.float32(0) else np.float32(-1)


### END SOLUTION
@kernel("sign", device="cuda")
def sign(x, out):
    ### BEGIN SOLUTION
    blocks = (out.size + THREADS - 1) // THREADS
    sign_kernel[blocks, THREADS](x, out)
    ### END SOLUTION
