"""adamw on CUDA: one thread per number reads four and writes three of them. What all share is computed on the host."""

import math

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 256


@cuda.jit
def adamw_kernel(gradient, shrink, pace, b1, b2, rest1, rest2, correction, eps, weight, mean, square):
    i = cuda.grid(1)
    if i < weight.size:
        g = gradient[i]
        m, v = b1 * mean[i] + rest1 * g, b2 * square[i] + rest2 * g * g
        mean[i], square[i] = m, v
        weight[i] = shrink * weight[i] - pace * m / (math.sqrt(v * correction) + eps)


### END SOLUTION
@kernel("adamw", device="cuda")
def adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    ### BEGIN SOLUTION
    shrink, pace = np.float32(1 - rate * decay), np.float32(rate / (1 - b1**step))
    keep1, keep2, rest1, rest2 = np.float32(b1), np.float32(b2), np.float32(1 - b1), np.float32(1 - b2)
    correction, small = np.float32(1 / (1 - b2**step)), np.float32(eps)
    blocks = (weight.size + THREADS - 1) // THREADS
    adamw_kernel[blocks, THREADS](
        gradient, shrink, pace, keep1, keep2, rest1, rest2, correction, small, weight, mean, square
    )
    ### END SOLUTION
