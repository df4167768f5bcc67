"""rms_norm on CUDA: one block per row.

The sum of squares needs every thread of the block. It is taken in two steps:

    each warp    shuffles: lane i adds what lane i xor 16 holds, then xor 8, 4, 2, 1; now all 32 lanes hold the sum
    the block    one number per warp through shared memory
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
THREADS = 128
WARPS = THREADS // 32


@cuda.jit(device=True)
def block_sum(value):
    """The sum of `value` over the block, in every thread. All threads of the block must call it."""
    of_warps = cuda.shared.array(WARPS, np.float32)
    step = 16
    while step > 0:
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, step)
        step //= 2
    if cuda.threadIdx.x % 32 == 0:
        of_warps[cuda.threadIdx.x // 32] = value
    cuda.syncthreads()
    total = np.float32(0)
    for warp in range(WARPS):
        total += of_warps[warp]
    return total


@cuda.jit
def rms_norm_kernel(x, weight, eps, out):
    row, width = cuda.blockIdx.x, x.shape[1]
    squares = np.float32(0)
    for e in range(cuda.threadIdx.x, width, THREADS):
        squares += x[row, e] * x[row, e]
    scale = np.float32(1) / math.sqrt(block_sum(squares) / np.float32(width) + eps)
    for e in range(cuda.threadIdx.x, width, THREADS):
        out[row, e] = x[row, e] * scale * widen(weight[e])


### END SOLUTION
@kernel("rms_norm", device="cuda")
def rms_norm(x, weight, eps, out):
    ### BEGIN SOLUTION
    rms_norm_kernel[x.shape[0], THREADS](x, weight, np.float32(eps), out)
    ### END SOLUTION
