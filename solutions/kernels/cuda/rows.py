"""Rows that a group of threads holds in registers: for the expert kernels that read each number of a row once.

A group is a warp for rows of up to about 500 numbers, and a block for wider ones. Each of its threads holds 16 numbers
of a row, which it has asked for before it uses the first. What a group holds is a stretch; a row that is wider than the
largest group holds is walked over stretch by stretch.

A thread holds four neighbours, which are one load of 16 bytes, then those that lie a whole group of such loads further
on. Where a row does not begin at a multiple of 16 bytes, its first stretch begins up to three places before it, and
what lies there is not loaded. So the places of a stretch that count are those from `low` on, where the row begins, and
below `high`, where it ends. Arrays themselves begin at a multiple of 16 bytes.
"""

import math

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.cuda.reductions import block_max, block_sum, warp_max, warp_sum
from llaisys_mini.cuda.vectors import load4, store4

STEPS = 4  # loads of four numbers that a thread has on their way
KEPT = 4 * STEPS
WARP_HOLDS = 32 * KEPT
ROWS_OF_BLOCK = 4  # where a group is a warp
MOST_THREADS = 1024
BLOCK_HOLDS = MOST_THREADS * KEPT  # a quarter of the registers of a multiprocessor
WALKING_THREADS = 512  # of a block that walks: two such blocks fit, and one loads while the other reduces


def groups(rows: int, width: int) -> tuple[int, tuple[int, int]]:
    """(blocks, threads) of a launch over this many rows: threads [threads of a group, groups of a block]."""
    places = width if width % 4 == 0 else width + 3  # however a row begins
    if places <= WARP_HOLDS:
        return (rows + ROWS_OF_BLOCK - 1) // ROWS_OF_BLOCK, (32, ROWS_OF_BLOCK)
    if places <= BLOCK_HOLDS:
        return rows, ((places + WARP_HOLDS - 1) // WARP_HOLDS * 32, 1)  # whole warps that together hold the row
    return rows, (WALKING_THREADS, 1)


@cuda.jit(device=True)
def row_of_group():
    """Which row is this group's; beyond the last one in the last block."""
    return cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y


@cuda.jit(device=True)
def place_of(step):
    """Where in a stretch the first of the four numbers of a thread's step lies."""
    return 4 * (step * cuda.blockDim.x + cuda.threadIdx.x)


@cuda.jit(device=True, forceinline=True)
def fetch(x, begin, low, high, filler, steps, kept):
    """kept: a thread's part of the stretch of x, flat, that begins at `begin`, a multiple of 4; `filler` at places that
    do not count. steps: of four numbers, a constant."""
    for step in range(steps):
        place = place_of(step)
        for j in range(4):
            kept[4 * step + j] = filler
        if place >= low and place + 4 <= high:
            a, b, c, d = load4(x, begin + place)
            kept[4 * step], kept[4 * step + 1], kept[4 * step + 2], kept[4 * step + 3] = a, b, c, d
        else:  # the row's ends
            for j in range(4):
                if low <= place + j and place + j < high:
                    kept[4 * step + j] = x[begin + place + j]


@cuda.jit(device=True, forceinline=True)
def put(kept, out, begin, low, high, steps):
    """The other way: what `fetch` would have kept of it."""
    for step in range(steps):
        place = place_of(step)
        if place >= low and place + 4 <= high:
            store4(out, begin + place, kept[4 * step], kept[4 * step + 1], kept[4 * step + 2], kept[4 * step + 3])
        else:
            for j in range(4):
                if low <= place + j and place + j < high:
                    out[begin + place + j] = kept[4 * step + j]


@cuda.jit(device=True)
def group_sum(value):
    """Sum of a float32 over the group, in each of its threads."""
    if cuda.blockDim.x > 32:
        total = block_sum(value)
    else:
        total = warp_sum(value)
    return total


@cuda.jit(device=True)
def group_max(value):
    """Largest float32 of the group, in each of its threads."""
    if cuda.blockDim.x > 32:
        largest = block_max(value)
    else:
        largest = warp_max(value)
    return largest


@cuda.jit(device=True, forceinline=True)
def online(kept, top, total):
    """An online softmax goes on: (largest number so far, sum of exp(number - largest)) after those in `kept`, each of
    which becomes its exponential. A largest of -inf stands for no number; exp(-inf - 0) is 0 then, not NaN.

    Source: Milakov and Gimelshein 2018 (arXiv:1805.02867).
    """
    largest = top
    for i in range(KEPT):
        largest = max(largest, kept[i])
    reference = largest if largest > np.float32(-math.inf) else np.float32(0)
    total *= math.exp(top - reference)
    for i in range(KEPT):
        kept[i] = math.exp(kept[i] - reference)
        total += kept[i]
    return largest, total
