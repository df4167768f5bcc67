"""argmax on CUDA, expert version: a row of a vocabulary's width is searched by many blocks.

While decoding there is one row, and one block would leave all but one multiprocessor idle. Each block takes a stretch
of the row and writes its winner; the plain kernel's rule, largest value and of equals the lowest index, then chooses.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel

from .argmax import argmax as plain_argmax

THREADS = 256
WARPS = THREADS // 32
STRETCH = 4096  # columns of a block
MOST_ROWS = 64  # with more, every row may have one block


@cuda.jit(device=True)
def better(value, position, other_value, other_position):
    return other_value > value or (other_value == value and other_position < position)


@cuda.jit(device=True)
def best_of_block(value, position, values, positions):
    """The winner among the block's pairs, in thread 0. values, positions: shared memory, one number per warp."""
    step = 16
    while step > 0:
        other = cuda.shfl_xor_sync(0xFFFFFFFF, value, step)
        other_position = cuda.shfl_xor_sync(0xFFFFFFFF, position, step)
        if better(value, position, other, other_position):
            value, position = other, other_position
        step //= 2
    if cuda.threadIdx.x % 32 == 0:
        values[cuda.threadIdx.x // 32] = value
        positions[cuda.threadIdx.x // 32] = position
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        for warp in range(1, WARPS):
            if better(value, position, values[warp], positions[warp]):
                value, position = values[warp], positions[warp]
    return value, position


@cuda.jit
def search_kernel(x, part_values, part_positions):
    """The winner of each stretch of each row: part_values, part_positions [rows, stretches]."""
    values = cuda.shared.array(WARPS, np.float32)
    positions = cuda.shared.array(WARPS, np.int32)
    row, start = cuda.blockIdx.y, STRETCH * cuda.blockIdx.x
    width = x.shape[1]
    value, position = np.float32(-math.inf), np.int32(width)
    for v in range(start + cuda.threadIdx.x, min(start + STRETCH, width), THREADS):
        if x[row, v] > value or position == width:
            value, position = x[row, v], np.int32(v)
    value, position = best_of_block(value, position, values, positions)
    if cuda.threadIdx.x == 0:
        part_values[row, cuda.blockIdx.x] = value
        part_positions[row, cuda.blockIdx.x] = position


@cuda.jit
def choose_kernel(part_values, part_positions, width, index, value):
    """The winner among each row's stretches."""
    values = cuda.shared.array(WARPS, np.float32)
    positions = cuda.shared.array(WARPS, np.int32)
    row = cuda.blockIdx.x
    best, position = np.float32(-math.inf), np.int32(width)
    for part in range(cuda.threadIdx.x, part_values.shape[1], THREADS):
        if position == width or better(best, position, part_values[row, part], part_positions[row, part]):
            best, position = part_values[row, part], part_positions[row, part]
    best, position = best_of_block(best, position, values, positions)
    if cuda.threadIdx.x == 0:
        index[row] = position
        value[row] = best


@kernel("argmax", device="cuda", when=lambda dims: dims["V"] >= 1 << 14)
def argmax(x, index, value):
    rows, width = x.shape
    if width <= STRETCH or rows > MOST_ROWS:
        plain_argmax(x, index, value)
        return
    stretches = (width + STRETCH - 1) // STRETCH
    values = cuda.device_array((rows, stretches), np.float32)
    positions = cuda.device_array((rows, stretches), np.int32)
    search_kernel[(stretches, rows), THREADS](x, values, positions)
    choose_kernel[rows, THREADS](values, positions, width, index, value)
