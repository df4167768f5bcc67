"""argmax on CUDA, expert version: a row of a vocabulary's width is searched by many blocks.

While decoding there is one row, and one block would leave all but one multiprocessor idle. Each block takes a stretch
of the row and writes its best; the plain kernel's rule, largest value and of equals the lowest index, then chooses.
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
def better(value, place, other_value, other_place):
    return other_value > value or (other_value == value and other_place < place)


@cuda.jit(device=True)
def best_of_block(value, place, values, places):
    """The best of the block's pairs, in thread 0. values, places: shared memory, one number per warp."""
    step = 16
    while step > 0:
        other = cuda.shfl_xor_sync(0xFFFFFFFF, value, step)
        other_place = cuda.shfl_xor_sync(0xFFFFFFFF, place, step)
        if better(value, place, other, other_place):
            value, place = other, other_place
        step //= 2
    if cuda.threadIdx.x % 32 == 0:
        values[cuda.threadIdx.x // 32] = value
        places[cuda.threadIdx.x // 32] = place
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        for warp in range(1, WARPS):
            if better(value, place, values[warp], places[warp]):
                value, place = values[warp], places[warp]
    return value, place


@cuda.jit
def search_kernel(x, part_values, part_places):
    """The best of each stretch of each row: part_values, part_places [rows, stretches]."""
    values = cuda.shared.array(WARPS, np.float32)
    places = cuda.shared.array(WARPS, np.int32)
    row, start = cuda.blockIdx.y, STRETCH * cuda.blockIdx.x
    width = x.shape[1]
    value, place = np.float32(-math.inf), np.int32(width)
    for v in range(start + cuda.threadIdx.x, min(start + STRETCH, width), THREADS):
        if x[row, v] > value or place == width:
            value, place = x[row, v], np.int32(v)
    value, place = best_of_block(value, place, values, places)
    if cuda.threadIdx.x == 0:
        part_values[row, cuda.blockIdx.x] = value
        part_places[row, cuda.blockIdx.x] = place


@cuda.jit
def choose_kernel(part_values, part_places, width, index, value):
    """The best of each row's stretches."""
    values = cuda.shared.array(WARPS, np.float32)
    places = cuda.shared.array(WARPS, np.int32)
    row = cuda.blockIdx.x
    best, place = np.float32(-math.inf), np.int32(width)
    for part in range(cuda.threadIdx.x, part_values.shape[1], THREADS):
        if place == width or better(best, place, part_values[row, part], part_places[row, part]):
            best, place = part_values[row, part], part_places[row, part]
    best, place = best_of_block(best, place, values, places)
    if cuda.threadIdx.x == 0:
        index[row] = place
        value[row] = best


@kernel("argmax", device="cuda", when=lambda dims: dims["V"] >= 1 << 14)
def argmax(x, index, value):
    rows, width = x.shape
    if width <= STRETCH or rows > MOST_ROWS:
        plain_argmax(x, index, value)
        return
    stretches = (width + STRETCH - 1) // STRETCH
    values = cuda.device_array((rows, stretches), np.float32)
    places = cuda.device_array((rows, stretches), np.int32)
    search_kernel[(stretches, rows), THREADS](x, values, places)
    choose_kernel[rows, THREADS](values, places, width, index, value)
