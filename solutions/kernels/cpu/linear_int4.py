"""linear_int4 on the CPU.

A group of 32 weights is 16 bytes, and byte i holds the numbers i (low half) and i + 16 (high half). So the bytes are
read in order, each is split by a mask and a shift, and its halves meet two stretches of x that are read in order too:

    bytes     [ b0  b1  ...  b15 ]
    low       times x[0 : 16]
    high      times x[16 : 32]

As in linear_int8 the scale is taken out of the group's sum, and WIDTH outputs are computed side by side, each in a lane
of a vector: a group, for these outputs, becomes float32 once, and every row of x is multiplied by it. A lane adds the
two products of a byte, then those of the next. That order does not depend on what else is computed, so a row of `out`
has the same bits in any company.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.simd import WIDTH, fma, load, splat, store
from llaisys_mini.widen import widen

### BEGIN SOLUTION
GROUP, HALF = 32, 16
PARALLEL_FROM = 1 << 19  # multiply-adds; below, starting the threads costs more than they save


@njit(cache=True)
def group_to_float(weight, first, row_bytes, count, low, high):
    """low[i, j] and high[i, j]: the halves of byte first + j * row_bytes + i, for `count` outputs j. All flat."""
    for j in range(count):
        for i in range(HALF):
            byte = np.int32(weight[np.uintp(first + j * row_bytes + i)])
            low[np.uintp(i * WIDTH + j)] = np.float32((byte & 15) - 8)
            high[np.uintp(i * WIDTH + j)] = np.float32((byte >> 4) - 8)


@njit(cache=True)
def add_group(x, first, width, rows, low, high, scales, sums):
    """sums[n] += scales * (sum of x * number over the group from x[first + n * width] on), a vector per row n."""
    for n in range(rows):
        part, start = splat(np.float32(0)), first + n * width
        for i in range(HALF):
            part = fma(splat(x[np.uintp(start + i)]), load(low, i * WIDTH), part)
            part = fma(splat(x[np.uintp(start + HALF + i)]), load(high, i * WIDTH), part)
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
    (rows, width), row_bytes = x.shape, weight.shape[1]
    m = block * WIDTH
    count = min(WIDTH, weight.shape[0] - m)
    low, high = np.zeros(HALF * WIDTH, np.float32), np.zeros(HALF * WIDTH, np.float32)
    sums, scales_here = np.zeros(rows * WIDTH, np.float32), np.zeros(WIDTH, np.float32)
    for g in range(width // GROUP):
        for j in range(count):
            scales_here[j] = widen(scales[m + j, g])
        group_to_float(weight.reshape(-1), m * row_bytes + g * HALF, row_bytes, count, low, high)
        add_group(x.reshape(-1), g * GROUP, width, rows, low, high, scales_here, sums)
    store_outputs(sums, bias, out, m, count)


@njit(parallel=True, cache=True)
def fill_in_parallel(x, weight, scales, bias, out):
    for block in prange((weight.shape[0] + WIDTH - 1) // WIDTH):
        fill_lanes(x, weight, scales, bias, out, np.intp(block))  # prange counts without sign


### END SOLUTION
@kernel("linear_int4", device="cpu")
@njit(cache=True)
def linear_int4(x, weight, scales, bias, out):
    ### BEGIN SOLUTION
    if x.size * weight.shape[0] < PARALLEL_FROM:
        for block in range((weight.shape[0] + WIDTH - 1) // WIDTH):
            fill_lanes(x, weight, scales, bias, out, block)
    else:
        fill_in_parallel(x, weight, scales, bias, out)
    ### END SOLUTION
