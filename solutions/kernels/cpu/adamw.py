"""adamw on the CPU: one pass over four arrays, so that each number is read once and written once. In NumPy the same
formula takes a dozen passes, each with an array of its own."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
BLOCK = 1 << 13  # elements per thread at a time; fewer than two blocks are not worth starting the threads


# Without fastmath, which leaves open which of two products is rounded before they are added: the compiler may choose
# another one in the next process, and a training that goes on there would end in other weights.
@njit(error_model="numpy", cache=True)
def adamw_block(gradient, shrink, pace, b1, b2, rest1, rest2, correction, eps, weight, mean, square):
    for i in range(weight.size):
        mean[i] = b1 * mean[i] + rest1 * gradient[i]
        square[i] = b2 * square[i] + rest2 * gradient[i] * gradient[i]
        weight[i] = shrink * weight[i] - pace * mean[i] / (math.sqrt(square[i] * correction) + eps)


### END SOLUTION
@kernel("adamw", device="cpu")
@njit(parallel=True, cache=True)
def adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    ### BEGIN SOLUTION
    # What all elements share is computed once, in float64, and rounded once.
    shrink, pace = np.float32(1 - rate * decay), np.float32(rate / (1 - b1**step))
    keep1, keep2, rest1, rest2 = np.float32(b1), np.float32(b2), np.float32(1 - b1), np.float32(1 - b2)
    correction, small = np.float32(1 / (1 - b2**step)), np.float32(eps)
    blocks = weight.size // BLOCK
    if blocks < 2:
        adamw_block(gradient, shrink, pace, keep1, keep2, rest1, rest2, correction, small, weight, mean, square)
    else:
        for block in prange(blocks):
            a, b = weight.size * block // blocks, weight.size * (block + 1) // blocks
            adamw_block(
                gradient[a:b], shrink, pace, keep1, keep2, rest1, rest2, correction, small,
                weight[a:b], mean[a:b], square[a:b],
            )  # fmt: skip
    ### END SOLUTION
