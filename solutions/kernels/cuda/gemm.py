"""Matrix products in float32 from register tiles, for the expert versions of matmul and linear.

A block of 256 threads computes 128 x 128 results, each thread 8 x 8 of them in registers. Per step over K it copies 128
x 16 numbers of each factor into shared memory, both with K as the slow dimension. Then for each of the 16 columns a
thread reads 8 + 8 numbers in four loads and does 64 multiply-adds: the ratio at which arithmetic is the limit.

    thread (ty, tx) owns rows    4 ty ... 4 ty + 3   and   64 + 4 ty ... 64 + 4 ty + 3
                      columns 4 tx ... 4 tx + 3   and   64 + 4 tx ... 64 + 4 tx + 3

so that the 16 bytes that neighbouring threads read lie side by side. The next step's numbers are on their way from
global memory, into registers, while this step's are multiplied.
"""

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.cuda.vectors import load4, load4_shared, load8, store4, store4_shared
from llaisys_mini.widen import widen

THREADS = 256
TILE = 128
STEP = 16
PITCH = TILE + 4  # floats from one k to the next: keeps 16-byte alignment
SHARED = STEP * PITCH


@cuda.jit(device=True, forceinline=True)
def clear(sums):
    for i in range(8):
        for j in range(8):
            sums[i, j] = np.float32(0)


@cuda.jit(device=True, forceinline=True)
def multiply_add(tile_a, tile_b, a, b, sums):
    """sums += the thread's 8 x 8 part of the tiles' product. a, b: local arrays of 8."""
    first_row, first_column = 4 * (cuda.threadIdx.x // 16), 4 * (cuda.threadIdx.x % 16)
    for k in range(STEP):
        a[0], a[1], a[2], a[3] = load4_shared(tile_a, k * PITCH + first_row)
        a[4], a[5], a[6], a[7] = load4_shared(tile_a, k * PITCH + first_row + 64)
        b[0], b[1], b[2], b[3] = load4_shared(tile_b, k * PITCH + first_column)
        b[4], b[5], b[6], b[7] = load4_shared(tile_b, k * PITCH + first_column + 64)
        for i in range(8):
            for j in range(8):
                sums[i, j] += a[i] * b[j]


@cuda.jit(device=True, forceinline=True)
def store_tile(sums, bias, out, rows, columns, row_start, column_start):
    """Write the thread's 8 x 8 results. out: flat, of `rows` x `columns`."""
    for i in range(8):
        row = row_start + 4 * (cuda.threadIdx.x // 16) + 64 * (i // 4) + i % 4
        for half in range(2):
            column = column_start + 4 * (cuda.threadIdx.x % 16) + 64 * half
            j = 4 * half
            if row < rows and column < columns:  # columns is a multiple of 4: all four are inside
                if bias is None:
                    store4(out, row * columns + column, sums[i, j], sums[i, j + 1], sums[i, j + 2], sums[i, j + 3])
                else:
                    store4(
                        out,
                        row * columns + column,
                        sums[i, j] + widen(bias[column]),
                        sums[i, j + 1] + widen(bias[column + 1]),
                        sums[i, j + 2] + widen(bias[column + 2]),
                        sums[i, j + 3] + widen(bias[column + 3]),
                    )


@cuda.jit(device=True, forceinline=True)
def fetch_rows(matrix, rows, length, row_start, k_start, kept):
    """The thread's 8 neighbours of a tile of 128 rows: row t % 128, numbers 8 (t // 128) and on. Zero outside."""
    row, k = row_start + cuda.threadIdx.x % TILE, k_start + 8 * (cuda.threadIdx.x // TILE)
    for j in range(8):
        kept[j] = np.float32(0)
    if row < rows and k < length:  # length is a multiple of 8: all eight are inside
        kept[0], kept[1], kept[2], kept[3], kept[4], kept[5], kept[6], kept[7] = load8(matrix, row * length + k)


@cuda.jit(device=True, forceinline=True)
def keep_rows(kept, tile):
    """Put what fetch_rows got into shared memory, K as the slow dimension."""
    for j in range(8):
        tile[(8 * (cuda.threadIdx.x // TILE) + j) * PITCH + cuda.threadIdx.x % TILE] = kept[j]


@cuda.jit(launch_bounds=(THREADS, 2))
def multiply_transposed(x, weight, bias, out, rows, columns):
    """out = x @ weight.T (+ bias), all flat: x [N * K], weight [M * K], out [N * M]; K a multiple of 8, M of 4."""
    tile_x = cuda.shared.array(SHARED, np.float32, alignment=16)
    tile_w = cuda.shared.array(SHARED, np.float32, alignment=16)
    sums = cuda.local.array((8, 8), np.float32)
    of_x, of_w = cuda.local.array(8, np.float32), cuda.local.array(8, np.float32)
    a, b = cuda.local.array(8, np.float32), cuda.local.array(8, np.float32)
    length = x.size // rows
    row_start, column_start = cuda.blockIdx.y * TILE, cuda.blockIdx.x * TILE
    clear(sums)
    fetch_rows(x, rows, length, row_start, 0, of_x)
    fetch_rows(weight, columns, length, column_start, 0, of_w)
    for k_start in range(0, length, STEP):
        keep_rows(of_x, tile_x)
        keep_rows(of_w, tile_w)
        cuda.syncthreads()
        fetch_rows(x, rows, length, row_start, k_start + STEP, of_x)
        fetch_rows(weight, columns, length, column_start, k_start + STEP, of_w)
        multiply_add(tile_x, tile_w, a, b, sums)
        cuda.syncthreads()
    store_tile(sums, bias, out, rows, columns, row_start, column_start)


@cuda.jit(device=True, forceinline=True)
def fetch_columns(matrix, length, columns, k_start, column_start, kept):
    """The thread's 2 x 4 numbers of a tile of 16 rows: rows t // 32 and 8 further down, columns 4 (t % 32) and on."""
    column = column_start + 4 * (cuda.threadIdx.x % 32)
    for j in range(8):
        kept[j] = np.float32(0)
    k = k_start + cuda.threadIdx.x // 32
    if k < length and column < columns:
        kept[0], kept[1], kept[2], kept[3] = load4(matrix, k * columns + column)
    if k + 8 < length and column < columns:
        kept[4], kept[5], kept[6], kept[7] = load4(matrix, (k + 8) * columns + column)


@cuda.jit(device=True, forceinline=True)
def keep_columns(kept, tile):
    offset = cuda.threadIdx.x // 32 * PITCH + 4 * (cuda.threadIdx.x % 32)
    store4_shared(tile, offset, kept[0], kept[1], kept[2], kept[3])
    store4_shared(tile, offset + 8 * PITCH, kept[4], kept[5], kept[6], kept[7])


@cuda.jit(launch_bounds=(THREADS, 2))
def multiply(a_matrix, b_matrix, out, rows, columns):
    """out = a @ b, all flat: a [M * K], b [K * N], out [M * N]; K a multiple of 8, N of 4."""
    tile_a = cuda.shared.array(SHARED, np.float32, alignment=16)
    tile_b = cuda.shared.array(SHARED, np.float32, alignment=16)
    sums = cuda.local.array((8, 8), np.float32)
    of_a, of_b = cuda.local.array(8, np.float32), cuda.local.array(8, np.float32)
    a, b = cuda.local.array(8, np.float32), cuda.local.array(8, np.float32)
    length = a_matrix.size // rows
    row_start, column_start = cuda.blockIdx.y * TILE, cuda.blockIdx.x * TILE
    clear(sums)
    fetch_rows(a_matrix, rows, length, row_start, 0, of_a)
    fetch_columns(b_matrix, length, columns, 0, column_start, of_b)
    for k_start in range(0, length, STEP):
        keep_rows(of_a, tile_a)
        keep_columns(of_b, tile_b)
        cuda.syncthreads()
        fetch_rows(a_matrix, rows, length, row_start, k_start + STEP, of_a)
        fetch_columns(b_matrix, length, columns, k_start + STEP, column_start, of_b)
        multiply_add(tile_a, tile_b, a, b, sums)
        cuda.syncthreads()
    store_tile(sums, None, out, rows, columns, row_start, column_start)


def launch(kernel, first, second, *bias, out):
    """Start `multiply` or `multiply_transposed` for out [rows, columns]."""
    rows, columns = out.shape
    blocks = ((columns + TILE - 1) // TILE, (rows + TILE - 1) // TILE)
    flat = first.reshape(first.size), second.reshape(second.size)
    kernel[blocks, THREADS](*flat, *bias, out.reshape(out.size), rows, columns)
