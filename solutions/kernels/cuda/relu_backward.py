"""relu_backward on CUDA: one thread per element."""

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 256


@cuda.jit
def relu_backward_kernel(grad_out, x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = grad_out[i] if x[i] > 0 else np.float32(0)


### END SOLUTION
@kernel("relu_backward", device="cuda")
def relu_backward(grad_out, x, out):
    ### BEGIN SOLUTION
    blocks = (out.size + THREADS - 1) // THREADS
    relu_backward_kernel[blocks, THREADS](grad_out, x, out)
    ### END SOLUTION
