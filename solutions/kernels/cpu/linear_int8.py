"""linear_int8 on the CPU.

The members of a group share a scale, so it is taken out of their sum: one multiplication per group, not per weight.

    row of weight   [ q q q q q q q q | q q q q q q q q | ... ]
    row of x        [ x x x x x x x x | x x x x x x x x | ... ]
    out =           s0 * (sum of q * x)  +  s1 * (sum of q * x)  +  ...

The whole numbers become float32 in registers, on their way from memory: a byte is read per weight, and x keeps all its
digits. Each output is a dot product of its own; the outputs are shared among the threads.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 19  # multiply-adds; below, starting the threads costs more than they save


@njit(fastmath=True, cache=True)
def group_sum(x, x_start, weight, w_start, length):
    """Sum of x[x_start + i] * weight[w_start + i]: flat arrays and unsigned indices spare the wraparound checks."""
    total = np.float32(0)
    for i in range(length):
        total += x[np.uintp(x_start + i)] * np.float32(weight[np.uintp(w_start + i)])
    return total


@njit(cache=True)
def dot(x, n, weight, scales, m, width, groups):
    """Row n of x times row m of the real weights. All arrays are flat; a row has `width` weights in `groups` groups."""
    length = width // groups
    total = np.float32(0)
    for g in range(groups):
        part = group_sum(x, n * width + g * length, weight, m * width + g * length, length)
        total += widen(scales[m * groups + g]) * part
    return total


@njit(cache=True)
def fill_column(x, weight, scales, bias, out, m):
    """Output m of every row of x."""
    width, groups = weight.shape[1], scales.shape[1]
    for n in range(x.shape[0]):
        value = dot(x.reshape(-1), n, weight.reshape(-1), scales.reshape(-1), m, width, groups)
        if bias is not None:
            value += bias[m]
        out[n, m] = value


@njit(parallel=True, cache=True)
def fill_in_parallel(x, weight, scales, bias, out):
    for m in prange(weight.shape[0]):
        fill_column(x, weight, scales, bias, out, m)


### END SOLUTION
@kernel("linear_int8", device="cpu")
@njit(cache=True)
def linear_int8(x, weight, scales, bias, out):
    ### BEGIN SOLUTION
    if x.shape[0] * weight.size < PARALLEL_FROM:
        for m in range(weight.shape[0]):
            fill_column(x, weight, scales, bias, out, m)
    else:
        fill_in_parallel(x, weight, scales, bias, out)
    ### END SOLUTION
