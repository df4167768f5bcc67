"""A matrix product whose factors are read where they lie: shared by expert kernels of backward passes.

In a backward pass each matrix is used in several ways, now by rows and now by columns, so packing it as gemm.py does
would cost more than it saves. A tile of ROWS x PANEL sums stays in registers; each step adds the outer product of ROWS
numbers of `a`, any stride apart, and one line of `b`, whose columns lie side by side.

Every sum runs over the steps in their order, whatever the sizes of the tiles, and is then added to what `out` holds.
"""

import numpy as np
from numba import njit

from llaisys_mini.cpu.simd import WIDTH, add_outer, add_tiles, fma, load_rows, store_rows, zeros

ROWS, COLUMNS = 6, 2
PANEL = COLUMNS * WIDTH


@njit(cache=True, forceinline=True)
def add_tile(zero, a, a_start, a_row, a_step, steps, b, b_start, b_step, out, out_start, out_row, rows):
    sums = zero
    for i in range(steps):
        sums = add_outer(sums, a, a_start + i * a_step, a_row, b, b_start + i * b_step)
    sums = add_tiles(sums, load_rows(zero, out, out_start, out_row, rows))
    store_rows(sums, out, out_start, out_row, rows)


@njit(cache=True)
def add_product(a, a_start, a_row, a_step, rows, steps, b, b_start, b_step, columns, out, out_start, out_row):
    """out[r, j] += sum_i a[r, i] * b[i, j] for r < rows, i < steps, j < columns. All arrays are flat.

    a[r, i] stands at a_start + r * a_row + i * a_step, b[i, j] at b_start + i * b_step + j, and out[r, j] at
    out_start + r * out_row + j.
    """
    high, wide = rows - rows % ROWS, columns - columns % PANEL
    for j in range(0, wide, PANEL):
        for r in range(0, high, ROWS):
            add_tile(
                zeros(ROWS, COLUMNS), a, a_start + r * a_row, a_row, a_step, steps, b, b_start + j, b_step,
                out, out_start + r * out_row + j, out_row, ROWS,
            )  # fmt: skip
        for r in range(high, rows):
            add_tile(
                zeros(1, COLUMNS), a, a_start + r * a_row, a_row, a_step, steps, b, b_start + j, b_step,
                out, out_start + r * out_row + j, out_row, 1,
            )  # fmt: skip
    for r in range(rows):
        for j in range(wide, columns):
            total = np.float32(0)
            for i in range(steps):
                total = fma(a[a_start + r * a_row + i * a_step], b[b_start + i * b_step + j], total)
            out[out_start + r * out_row + j] += total
