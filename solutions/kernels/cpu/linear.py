"""linear on the CPU.

One row of x (decoding): every weight is read once and used once, so memory bandwidth decides. One dot product per
output, the outputs shared among the threads.

Many rows (prefill): each weight can be used for many rows, so arithmetic decides, if the numbers stay in registers.
A tile computes 3 x 4 outputs at once and keeps all twelve sums in registers: 7 loads for 12 multiply-adds.

                 4 rows of weight
                 w0  w1  w2  w3
    3 rows  x0   s00 s01 s02 s03
    of x    x1   s10 s11 s12 s13
            x2   s20 s21 s22 s23
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 19  # multiply-adds; below, starting the threads costs more than they save
ROWS, COLUMNS = 3, 4  # of a tile


@njit(fastmath=True, cache=True)
def dot(x, x_start, weight, w_start, length):
    """Sum of x[x_start + k] * weight[w_start + k]: flat arrays and unsigned indices spare the wraparound checks."""
    total = np.float32(0)
    for k in range(length):
        total += x[np.uintp(x_start + k)] * widen(weight[np.uintp(w_start + k)])
    return total


@njit(fastmath=True, cache=True)
def tile(x, x0, x1, x2, weight, w0, w1, w2, w3, length):
    """The twelve dot products of three rows of x and four rows of weight, which start at the given offsets."""
    s00 = s01 = s02 = s03 = np.float32(0)
    s10 = s11 = s12 = s13 = np.float32(0)
    s20 = s21 = s22 = s23 = np.float32(0)
    for k in range(length):
        a0, a1, a2 = x[np.uintp(x0 + k)], x[np.uintp(x1 + k)], x[np.uintp(x2 + k)]
        b = widen(weight[np.uintp(w0 + k)])
        s00 += a0 * b
        s10 += a1 * b
        s20 += a2 * b
        b = widen(weight[np.uintp(w1 + k)])
        s01 += a0 * b
        s11 += a1 * b
        s21 += a2 * b
        b = widen(weight[np.uintp(w2 + k)])
        s02 += a0 * b
        s12 += a1 * b
        s22 += a2 * b
        b = widen(weight[np.uintp(w3 + k)])
        s03 += a0 * b
        s13 += a1 * b
        s23 += a2 * b
    return (s00, s01, s02, s03), (s10, s11, s12, s13), (s20, s21, s22, s23)


@njit(cache=True)
def fill_columns(x, weight, out, n_rows, length, first_m, last_m, m_rows):
    """Outputs `first_m` to `last_m` (exclusive) of every row. At the edges a tile repeats its last row or column:
    the same number is computed and stored twice, and no second loop is needed."""
    for m in range(first_m, last_m, COLUMNS):
        m1, m2, m3 = min(m + 1, last_m - 1), min(m + 2, last_m - 1), min(m + 3, last_m - 1)
        for n in range(0, n_rows, ROWS):
            n1, n2 = min(n + 1, n_rows - 1), min(n + 2, n_rows - 1)
            sums = tile(
                x, n * length, n1 * length, n2 * length,
                weight, m * length, m1 * length, m2 * length, m3 * length, length,
            )  # fmt: skip
            for row, (r0, r1, r2, r3) in zip((n, n1, n2), sums):  # noqa: B905 - Numba knows no strict=
                out[np.uintp(row * m_rows + m)] = r0
                out[np.uintp(row * m_rows + m1)] = r1
                out[np.uintp(row * m_rows + m2)] = r2
                out[np.uintp(row * m_rows + m3)] = r3


@njit(parallel=True, cache=True)
def product(x, weight, out):
    """out = x @ weight.T for x [N, K], weight [M, K], all contiguous."""
    n_rows, length = x.shape
    m_rows = weight.shape[0]
    flat_x, flat_weight, flat_out = x.reshape(-1), weight.reshape(-1), out.reshape(-1)
    if n_rows == 1 and m_rows * length < PARALLEL_FROM:
        for m in range(m_rows):
            flat_out[m] = dot(flat_x, 0, flat_weight, m * length, length)
    elif n_rows == 1:
        for m in prange(m_rows):
            flat_out[m] = dot(flat_x, 0, flat_weight, m * length, length)
    elif n_rows * m_rows * length < PARALLEL_FROM:
        fill_columns(flat_x, flat_weight, flat_out, n_rows, length, 0, m_rows, m_rows)
    else:
        blocks = (m_rows + 15) // 16
        for block in prange(blocks):
            fill_columns(
                flat_x, flat_weight, flat_out, n_rows, length, 16 * block, min(16 * block + 16, m_rows), m_rows
            )


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
