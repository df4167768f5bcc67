"""x @ weight.T on tensor cores for bfloat16 weights, without rounding x: for the expert version of linear.

Tensor cores multiply bfloat16, which has 8 significant bits; x is float32 and has 24. Cut off bit by bit, it is the sum
of three bfloat16 numbers, exactly:

    x = high + middle + low        high: the upper 16 bits of x;  middle: those of x - high;  low: the rest

So three products on tensor cores, added in float32, give the product as precisely as float32 would, at a third of the
tensor cores' rate, which is several times that of float32.

A block of 256 threads computes 128 x 128 results; each of its 8 warps 64 x 32, as 4 x 4 tiles of 16 x 8. Shared memory
holds words of two bfloat16; 20 words from row to row put the 32 words that a warp reads at once on different banks.
"""

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.cuda.tensor_cores import LOWEST_ARCHITECTURE, mma
from llaisys_mini.cuda.vectors import load4, load_words
from llaisys_mini.widen import widen

__all__ = ["LOWEST_ARCHITECTURE", "launch", "multiply"]

THREADS = 256
TILE = 128
STEP = 32  # along K
WORDS = STEP // 2
PITCH = WORDS + 4
PLANE = TILE * PITCH
PLANES = 3 * PLANE


@cuda.jit(device=True, inline="always")
def fetch(x, weight, rows, columns, length, row_start, column_start, k_start, of_x, of_w):
    """16 neighbours of a row of x, and as many of a row of weight, for each thread; zero outside."""
    line, k = cuda.threadIdx.x // 2, k_start + 16 * (cuda.threadIdx.x % 2)
    for j in range(16):
        of_x[j] = np.float32(0)
    for j in range(8):
        of_w[j] = np.uint32(0)
    row, column = row_start + line, column_start + line
    for part in range(4):
        at = k + 4 * part
        if row < rows and at < length:
            j = 4 * part
            of_x[j], of_x[j + 1], of_x[j + 2], of_x[j + 3] = load4(x, row * length + at)
    for part in range(2):
        at = k + 8 * part
        if column < columns and at < length:
            j = 4 * part
            of_w[j], of_w[j + 1], of_w[j + 2], of_w[j + 3] = load_words(weight, column * length + at)


@cuda.jit(device=True)
def upper(value):
    """The number that the upper 16 bits of a float32 stand for: a bfloat16."""
    return np.uint32(value.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


@cuda.jit(device=True)
def pair(first, second):
    """Two bfloat16 numbers, given as float32, in one word."""
    return np.uint32((first.view(np.uint32) >> np.uint32(16)) | (second.view(np.uint32) & np.uint32(0xFFFF0000)))


@cuda.jit(device=True, inline="always")
def keep(of_x, of_w, tile_x, tile_w):
    """Put what `fetch` got into shared memory, x as its three parts."""
    offset = cuda.threadIdx.x // 2 * PITCH + 8 * (cuda.threadIdx.x % 2)
    for j in range(8):
        first, second = of_x[2 * j], of_x[2 * j + 1]
        first_high, second_high = upper(first), upper(second)
        first_middle, second_middle = upper(first - first_high), upper(second - second_high)
        tile_x[offset + j] = pair(first_high, second_high)
        tile_x[PLANE + offset + j] = pair(first_middle, second_middle)
        tile_x[2 * PLANE + offset + j] = pair(first - first_high - first_middle, second - second_high - second_middle)
        tile_w[offset + j] = of_w[j]


@cuda.jit(launch_bounds=(THREADS, 1))
def multiply(x, weight, bias, out, rows, columns):
    """All flat: x [N * K] float32, weight [M * K] bfloat16 as uint16, out [N * M]; K a multiple of 8."""
    tile_x = cuda.shared.array(PLANES, np.uint32)
    tile_w = cuda.shared.array(PLANE, np.uint32)
    sums = cuda.local.array((4, 4, 4), np.float32)
    of_x, of_w = cuda.local.array(16, np.float32), cuda.local.array(8, np.uint32)
    b0, b1 = cuda.local.array(4, np.uint32), cuda.local.array(4, np.uint32)
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    group, quarter = lane // 4, lane % 4
    warp_row, warp_column = 64 * (warp // 4), 32 * (warp % 4)
    length = x.size // rows
    row_start, column_start = cuda.blockIdx.y * TILE, cuda.blockIdx.x * TILE
    for i in range(4):
        for j in range(4):
            for c in range(4):
                sums[i, j, c] = np.float32(0)
    fetch(x, weight, rows, columns, length, row_start, column_start, 0, of_x, of_w)
    for k_start in range(0, length, STEP):
        keep(of_x, of_w, tile_x, tile_w)
        cuda.syncthreads()
        fetch(x, weight, rows, columns, length, row_start, column_start, k_start + STEP, of_x, of_w)
        for half in range(2):
            for j in range(4):
                offset = (warp_column + 8 * j + group) * PITCH + 8 * half + quarter
                b0[j] = tile_w[offset]
                b1[j] = tile_w[offset + 4]
            for i in range(4):
                for plane in range(3):
                    offset = plane * PLANE + (warp_row + 16 * i + group) * PITCH + 8 * half + quarter
                    a0, a1 = tile_x[offset], tile_x[offset + 8 * PITCH]
                    a2, a3 = tile_x[offset + 4], tile_x[offset + 8 * PITCH + 4]
                    for j in range(4):
                        c0, c1, c2, c3 = mma(
                            a0, a1, a2, a3, b0[j], b1[j], sums[i, j, 0], sums[i, j, 1], sums[i, j, 2], sums[i, j, 3]
                        )
                        sums[i, j, 0], sums[i, j, 1], sums[i, j, 2], sums[i, j, 3] = c0, c1, c2, c3
        cuda.syncthreads()
    for i in range(4):
        for j in range(4):
            for c in range(4):
                row = row_start + warp_row + 16 * i + group + 8 * (c // 2)
                column = column_start + warp_column + 8 * j + 2 * quarter + c % 2
                if row < rows and column < columns:
                    value = sums[i, j, c]
                    if bias is not None:
                        value += widen(bias[column])
                    out[row * columns + column] = value


def launch(x, weight, bias, out):
    """out [N, M] = x [N, K] @ weight [M, K].T (+ bias)."""
    rows, columns = out.shape
    blocks = ((columns + TILE - 1) // TILE, (rows + TILE - 1) // TILE)
    multiply[blocks, THREADS](
        x.reshape(x.size), weight.reshape(weight.size), bias, out.reshape(out.size), rows, columns
    )
