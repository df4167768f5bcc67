"""linear_int8 on the CPU.

The members of a group share a scale, so it is taken out of their sum: one multiplication per group, not per weight.

    row of weight   [ q q q q q q q q | q q q q q q q q | ... ]
    row of x        [ x x x x x x x x | x x x x x x x x | ... ]
    out =           s0 * (sum of q * x)  +  s1 * (sum of q * x)  +  ...

WIDTH outputs are computed side by side, each in a lane of a vector. A piece of a group, for these outputs, becomes
float32 once and stays in the cache, [k, output]; then every row of x is multiplied by it. x keeps all its digits.

A lane adds the products of a piece in the order of k, and piece after piece times its scale. That order does not depend
on what else is computed, so a row of `out` has the same bits in any company.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.simd import WIDTH, fma, load, splat, store
from llaisys_mini.widen import widen

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 19  # multiply-adds; below, starting the threads costs more than they save
PIECE = 32  # numbers of a group that are summed before the scale is applied: a group of the usual size


@njit(cache=True)
def piece_to_float(weight, first, width, count, size, numbers):
    """numbers[i, j] = weight[first + j * width + i]: `size` members of a group for `count` outputs. All flat."""
    for j in range(count):
        for i in range(size):
            numbers[np.uintp(i * WIDTH + j)] = np.float32(weight[np.uintp(first + j * width + i)])


@njit(cache=True)
def add_piece(x, first, width, rows, numbers, size, scales, sums):
    """sums[n] += scales * (sum of x[first + n * width + i] * numbers[i] over the piece), a vector for each row n."""
    for n in range(rows):
        part = splat(np.float32(0))
        for i in range(size):
            part = fma(splat(x[np.uintp(first + n * width + i)]), load(numbers, i * WIDTH), part)
        store(sums, n * WIDTH, fma(part, load(scales, 0), load(sums, n * WIDTH)))


@njit(cache=True)
def store_outputs(sums, bias, out, m, count):
    for n in range(out.shape[0]):
        for j in range(count):
            out[n, m + j] = sums[n * WIDTH + j]
            if bias is not None:
                out[n, m + j] += bias[m + j]


@njit(cache=True)
def fill_lanes(x, weight, scales, bias, out, block):
    """WIDTH outputs, or those that are left, of every row of x."""
    (rows, width), groups = x.shape, scales.shape[1]
    m, length = block * WIDTH, width // groups
    count = min(WIDTH, weight.shape[0] - m)
    numbers, scales_here = np.zeros(PIECE * WIDTH, np.float32), np.zeros(WIDTH, np.float32)
    sums = np.zeros(rows * WIDTH, np.float32)
    for g in range(groups):
        for j in range(count):
            scales_here[j] = widen(scales[m + j, g])
        for i in range(0, length, PIECE):
            k, size = g * length + i, min(PIECE, length - i)
            piece_to_float(weight.reshape(-1), m * width + k, width, count, size, numbers)
            add_piece(x.reshape(-1), k, width, rows, numbers, size, scales_here, sums)
    store_outputs(sums, bias, out, m, count)


@njit(parallel=True, cache=True)
def fill_in_parallel(x, weight, scales, bias, out):
    for block in prange((weight.shape[0] + WIDTH - 1) // WIDTH):
        fill_lanes(x, weight, scales, bias, out, np.intp(block))  # prange counts without sign


### END SOLUTION
@kernel("linear_int8", device="cpu")
@njit(cache=True)
def linear_int8(x, weight, scales, bias, out):
    ### BEGIN SOLUTION
    if x.shape[0] * weight.size < PARALLEL_FROM:
        for block in range((weight.shape[0] + WIDTH - 1) // WIDTH):
            fill_lanes(x, weight, scales, bias, out, block)
    else:
        fill_in_parallel(x, weight, scales, bias, out)
    ### END SOLUTION
