"""linear_int4 on the CPU.

A group of 32 weights is 16 bytes, and byte i holds the numbers i (low half) and i + 16 (high half). So the bytes are
read in order, each is split by a mask and a shift, and its halves meet two stretches of x that are read in order too:

    bytes     [ b0  b1  ...  b15 ]
    low       times x[0 : 16]
    high      times x[16 : 32]

As in linear_int8 the scale is taken out of the group's sum. Each output is a dot product of its own; the outputs are
shared among the threads.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
GROUP, HALF = 32, 16
PARALLEL_FROM = 1 << 19  # multiply-adds; below, starting the threads costs more than they save


@njit(fastmath=True, cache=True)
def group_sum(x, x_start, weight, w_start):
    """Sum over one group of x * (number - 8): flat arrays and unsigned indices spare the wraparound checks."""
    total = np.float32(0)
    for i in range(HALF):
        byte = np.int32(weight[np.uintp(w_start + i)])
        low, high = np.float32((byte & 15) - 8), np.float32((byte >> 4) - 8)
        total += x[np.uintp(x_start + i)] * low + x[np.uintp(x_start + HALF + i)] * high
    return total


@njit(cache=True)
def dot(x, n, weight, scales, m, width):
    """Row n of x times row m of the real weights. All arrays are flat; a row has `width` weights."""
    groups = width // GROUP
    total = np.float32(0)
    for g in range(groups):
        part = group_sum(x, n * width + g * GROUP, weight, (m * groups + g) * HALF)
        total += widen(scales[m * groups + g]) * part
    return total


@njit(cache=True)
def fill_column(x, weight, scales, bias, out, m):
    """Output m of every row of x."""
    for n in range(x.shape[0]):
        value = dot(x.reshape(-1), n, weight.reshape(-1), scales.reshape(-1), m, x.shape[1])
        if bias is not None:
            value += bias[m]
        out[n, m] = value


@njit(parallel=True, cache=True)
def fill_in_parallel(x, weight, scales, bias, out):
    for m in prange(weight.shape[0]):
        fill_column(x, weight, scales, bias, out, m)


### END SOLUTION
@kernel("linear_int4", device="cpu")
@njit(cache=True)
def linear_int4(x, weight, scales, bias, out):
    ### BEGIN SOLUTION
    if x.size * weight.shape[0] < PARALLEL_FROM:
        for m in range(weight.shape[0]):
            fill_column(x, weight, scales, bias, out, m)
    else:
        fill_in_parallel(x, weight, scales, bias, out)
    ### END SOLUTION
