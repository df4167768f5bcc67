"""argmax on CUDA, expert version: 16 bytes a load, four loads of a thread on their way, and many blocks for few rows.

While decoding there is one row, and one block would leave all but one multiprocessor idle. So each block takes a
stretch of the row and writes its winner; the plain kernel's rule, largest value and of equals the lowest index, then
chooses. Of many rows each has one block, and its winner is the result.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.vectors import are_aligned

from .argmax import argmax as plain_argmax
from .rows import KEPT, STEPS, fetch, place_of

THREADS = 256
WARPS = THREADS // 32
STRETCH = THREADS * KEPT  # places that a block looks at together
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


@cuda.jit(launch_bounds=(THREADS, 4))
def search_kernel(x, width, places, best_positions, best_values):
    """The winner of each part of each row. x flat; places: of a part; best_positions, best_values [rows, parts]."""
    values = cuda.shared.array(WARPS, np.float32)
    positions = cuda.shared.array(WARPS, np.int32)
    kept = cuda.local.array(KEPT, np.float32)
    row, first = cuda.blockIdx.x, places * cuda.blockIdx.y
    low = row * width % 4
    begin, last = row * width - low, min(first + places, low + width)
    nothing = np.float32(-math.inf)
    # A thread's first column is beaten only by a larger number: of a row of -inf column 0 wins.
    value, position = nothing, np.int32(min(max(first + place_of(0) - low, 0), width))
    for base in range(first, last, STRETCH):
        fetch(x, begin + base, low - base, last - base, nothing, STEPS, kept)
        place = np.int32(base + place_of(0) - low)
        for step in range(STEPS):
            for j in range(4):
                if kept[4 * step + j] > value:
                    value, position = kept[4 * step + j], place + np.int32(j)
            place += np.int32(4 * THREADS)
    value, position = best_of_block(value, position, values, positions)
    if cuda.threadIdx.x == 0:
        best_positions[row, cuda.blockIdx.y] = position
        best_values[row, cuda.blockIdx.y] = value


@cuda.jit
def choose_kernel(part_positions, part_values, width, index, value):
    """The winner among each row's parts."""
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
    if width <= STRETCH or not are_aligned(x):
        plain_argmax(x, index, value)
        return
    x = x.reshape(x.size)
    if rows > MOST_ROWS:
        search_kernel[rows, THREADS](x, width, width + 3, index.reshape(rows, 1), value.reshape(rows, 1))
        return
    parts = (width + 3 + STRETCH - 1) // STRETCH
    values = cuda.device_array((rows, parts), np.float32)
    positions = cuda.device_array((rows, parts), np.int32)
    search_kernel[(rows, parts), THREADS](x, width, STRETCH, positions, values)
    choose_kernel[rows, THREADS](positions, values, width, index, value)
