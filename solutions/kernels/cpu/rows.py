"""What expert kernels do with a row of numbers: its largest, and its exponentials. A row is a 1-D slice."""

import numpy as np
from numba import njit

from llaisys_mini.cpu.exp_vector import exp_vector
from llaisys_mini.cpu.fast_exp import fast_exp
from llaisys_mini.cpu.simd import WIDTH, add, fma, greatest, load, maximum, splat, store, total

LOWEST = np.float32(-3e38)  # where a running maximum starts: finite, since -inf - -inf is NaN
MINUS_INFINITY = np.float32(-np.inf)


@njit(cache=True)
def largest(row):
    """The largest number of a float32 row. LLVM makes no vectors of a maximum by itself, because of NaN."""
    tops = splat(MINUS_INFINITY)
    whole = row.size - row.size % WIDTH
    for i in range(0, whole, WIDTH):
        tops = maximum(tops, load(row, i))
    top = greatest(tops)
    for i in range(whole, row.size):
        top = max(top, row[i])
    return top


@njit(cache=True)
def exponentiate(row, scale, top, out):
    """out = exp(scale * row - top), where out may be row; returns the sum."""
    factor, shift, sums = splat(scale), splat(-top), splat(np.float32(0))
    whole = row.size - row.size % WIDTH
    for i in range(0, whole, WIDTH):
        powers = exp_vector(fma(load(row, i), factor, shift))
        store(out, i, powers)
        sums = add(sums, powers)
    total_of_row = total(sums)
    for i in range(whole, row.size):
        out[i] = fast_exp(row[i] * scale - top)
        total_of_row += out[i]
    return total_of_row


@njit(cache=True)
def first_place(row, value):
    """The first index at which `value` stands in the row, which has it. Whole blocks without it are passed over."""
    block = 64 * WIDTH
    start = 0
    while start + block <= row.size and largest(row[start : start + block]) != value:
        start += block
    for i in range(start, row.size):
        if row[i] == value:
            return i
    return 0
