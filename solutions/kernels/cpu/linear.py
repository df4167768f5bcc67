"""linear on the CPU.

One row of x (decoding): every weight is read once and used once, so memory bandwidth decides. The outputs are shared
among the threads.

Many rows (prefill): each weight can be used for many rows, so arithmetic decides, if the numbers stay in registers.
A tile computes 3 x 4 outputs at once and keeps all twelve sums in registers: 7 loads for 12 multiply-adds.

                 4 rows of weight
                 w0  w1  w2  w3
    3 rows  x0   s00 s01 s02 s03
    of x    x1   s10 s11 s12 s13
            x2   s20 s21 s22 s23

Each sum is a vector of WIDTH lanes, and k advances by WIDTH numbers at a time. The order in which products are added is
written down here and depends on their number only, so that a row of `out` has the same bits in any company and on any
number of threads; `fastmath` would leave it to the compiler, which orders a row alone otherwise than a row of a tile.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.simd import WIDTH, add_products, fma, store_sums, zeros
from llaisys_mini.widen import widen

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 19  # multiply-adds; below, starting the threads costs more than they save
ROWS = 3  # of a tile
COLUMNS = 4
IN_CACHE = 6144  # numbers of x: three quarters of a small L1 cache; the rest is for the weights
SEGMENT = 1536  # products summed in lanes before the lanes are added up: shorter sums have smaller errors


@njit(cache=True)
def add_rest(x, x_start, weight, w_start, out, start, length, whole, m_rows, rows, columns):
    """The last products of a tile's sums, fewer than a vector, those from k = whole on."""
    for r in range(rows):
        for c in range(columns):
            rest = np.float32(0)
            for k in range(whole, length):
                rest = fma(x[x_start + r * length + k], widen(weight[w_start + c * length + k]), rest)
            position = start + r * m_rows + c
            out[position] = rest if whole == 0 else out[position] + rest


@njit(cache=True, forceinline=True)
def fill_tile(zero, x, weight, out, length, m_rows, n, rows, m, columns):
    """out[n : n + rows, m : m + columns], for a tile `zero` at least as large. All arrays are flat."""
    x_start, w_start, start = n * length, m * length, n * m_rows + m
    whole = length - length % WIDTH
    for first in range(0, whole, SEGMENT):
        sums = zero
        for k in range(first, min(first + SEGMENT, whole), WIDTH):
            sums = add_products(sums, x, x_start + k, length, rows, weight, w_start + k, length, columns)
        store_sums(sums, out, start, m_rows, rows, columns, first > 0)
    if whole < length:
        add_rest(x, x_start, weight, w_start, out, start, length, whole, m_rows, rows, columns)


@njit(cache=True)
def fill_columns(x, weight, out, n_rows, length, first_m, last_m, m_rows):
    """Outputs `first_m` to `last_m` (exclusive) of every row: a few rows at a time, which stay in the L1 cache while
    all these outputs are made of them."""
    block = max(1, IN_CACHE // (length * ROWS)) * ROWS
    for first in range(0, n_rows, block):
        last = min(first + block, n_rows)
        for m in range(first_m, last_m, COLUMNS):
            columns = min(COLUMNS, last_m - m)
            if n_rows == 1:
                fill_tile(zeros(1, COLUMNS), x, weight, out, length, m_rows, 0, 1, m, columns)
            else:
                for n in range(first, last, ROWS):
                    rows = min(ROWS, last - n)
                    fill_tile(zeros(ROWS, COLUMNS), x, weight, out, length, m_rows, n, rows, m, columns)


@njit(parallel=True, cache=True)
def product(x, weight, out):
    """out = x @ weight.T for x [N, K], weight [M, K], all contiguous."""
    n_rows, length = x.shape
    m_rows = weight.shape[0]
    flat_x, flat_weight, flat_out = x.reshape(-1), weight.reshape(-1), out.reshape(-1)
    if n_rows * m_rows * length < PARALLEL_FROM:
        fill_columns(flat_x, flat_weight, flat_out, n_rows, length, 0, m_rows, m_rows)
    else:
        blocks = (m_rows + 15) // 16
        for block in prange(blocks):
            first = np.intp(16 * block)  # prange counts without sign
            fill_columns(flat_x, flat_weight, flat_out, n_rows, length, first, min(first + 16, m_rows), m_rows)


@njit(cache=True)
def add_bias(out, bias):
    for n in range(out.shape[0]):
        for m in range(out.shape[1]):
            out[n, m] += widen(bias[m])


### END SOLUTION
@kernel("linear", device="cpu")
@njit(cache=True)
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    product(x, weight, out)
    if bias is not None:
        add_bias(out, bias)
    ### END SOLUTION
