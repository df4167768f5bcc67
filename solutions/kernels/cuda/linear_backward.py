"""linear_backward on CUDA: one thread per gradient. In each sum, neighbouring threads read neighbouring numbers of one
factor and the same number of the other, so a warp reads whole sectors without any tile."""

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 128


@cuda.jit
def grad_x_kernel(grad_out, weight, grad_x):
    k, n = cuda.blockIdx.x * THREADS + cuda.threadIdx.x, cuda.blockIdx.y
    if k < grad_x.shape[1]:
        total = np.float32(0)
        for m in range(weight.shape[0]):
            total += grad_out[n, m] * weight[m, k]
        grad_x[n, k] = total


@cuda.jit
def grad_weight_kernel(grad_out, x, grad_weight):
    k, m = cuda.blockIdx.x * THREADS + cuda.threadIdx.x, cuda.blockIdx.y
    if k < grad_weight.shape[1]:
        total = np.float32(0)
        for n in range(x.shape[0]):
            total += grad_out[n, m] * x[n, k]
        grad_weight[m, k] = total


@cuda.jit
def grad_bias_kernel(grad_out, grad_bias):
    m = cuda.grid(1)
    if m < grad_bias.size:
        total = np.float32(0)
        for n in range(grad_out.shape[0]):
            total += grad_out[n, m]
        grad_bias[m] = total


### END SOLUTION
@kernel("linear_backward", device="cuda")
def linear_backward(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    ### BEGIN SOLUTION
    rows, inputs = x.shape
    outputs = weight.shape[0]
    blocks = (inputs + THREADS - 1) // THREADS
    grad_x_kernel[(blocks, rows), THREADS](grad_out, weight, grad_x)
    grad_weight_kernel[(blocks, outputs), THREADS](grad_out, x, grad_weight)
    grad_bias_kernel[(outputs + THREADS - 1) // THREADS, THREADS](grad_out, grad_bias)
    ### END SOLUTION
