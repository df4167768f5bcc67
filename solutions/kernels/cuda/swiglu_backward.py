"""swiglu_backward on CUDA: one thread per element writes both gradients."""

import math

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 256


@cuda.jit
def swiglu_backward_kernel(grad_out, gate, up, grad_gate, grad_up):
    i = cuda.grid(1)
    if i < gate.size:
        one = np.float32(1)
        share = one / (one + math.exp(-gate[i]))
        grad_gate[i] = grad_out[i] * up[i] * share * (one + gate[i] * (one - share))
        grad_up[i] = grad_out[i] * gate[i] * share


### END SOLUTION
@kernel("swiglu_backward", device="cuda")
def swiglu_backward(grad_out, gate, up, grad_gate, grad_up):
    ### BEGIN SOLUTION
    blocks = (gate.size + THREADS - 1) // THREADS
    swiglu_backward_kernel[blocks, THREADS](grad_out, gate, up, grad_gate, grad_up)
    ### END SOLUTION
