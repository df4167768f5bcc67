"""Sum and maximum over a warp or a block, for kernels: what lab 08 builds, ready to use in later ones.

Every thread gets the result, and every thread must call: under an `if` that some threads do not enter these wait for
them forever. Blocks have one dimension and a multiple of 32 threads, 1024 at most.
"""

import math

import numpy as np

from llaisys_mini import cuda

ALL_LANES = 0xFFFFFFFF
_MOST_WARPS = 32


@cuda.jit(device=True)
def warp_sum(value):
    """Sum of a float32 over the 32 lanes of a warp."""
    step = 16
    while step > 0:
        value += cuda.shfl_xor_sync(ALL_LANES, value, step)
        step //= 2
    return value


@cuda.jit(device=True)
def warp_max(value):
    """Largest float32 among the 32 lanes of a warp."""
    step = 16
    while step > 0:
        value = max(value, cuda.shfl_xor_sync(ALL_LANES, value, step))
        step //= 2
    return value


@cuda.jit(device=True)
def block_sum(value):
    """Sum of a float32 over the block."""
    of_warps = cuda.shared.array(_MOST_WARPS, np.float32)
    value = warp_sum(value)
    cuda.syncthreads()  # the numbers of an earlier call may still be read
    if cuda.threadIdx.x % 32 == 0:
        of_warps[cuda.threadIdx.x // 32] = value
    cuda.syncthreads()
    lane = cuda.threadIdx.x % 32
    return warp_sum(of_warps[lane] if lane < cuda.blockDim.x // 32 else np.float32(0))


@cuda.jit(device=True)
def block_max(value):
    """Largest float32 in the block."""
    of_warps = cuda.shared.array(_MOST_WARPS, np.float32)
    value = warp_max(value)
    cuda.syncthreads()
    if cuda.threadIdx.x % 32 == 0:
        of_warps[cuda.threadIdx.x // 32] = value
    cuda.syncthreads()
    lane = cuda.threadIdx.x % 32
    return warp_max(of_warps[lane] if lane < cuda.blockDim.x // 32 else np.float32(-math.inf))
