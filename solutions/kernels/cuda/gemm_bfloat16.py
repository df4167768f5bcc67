"""x @ weight.T on tensor cores for bfloat16 weights: for the expert version of linear.

Tensor cores multiply bfloat16, which has 8 significant bits; x is float32 and has 24. So a first kernel writes x as two
planes of bfloat16, x = high + middle + rest, and the product is that of both planes with the weights, added in float32:
two products on tensor cores. A third plane for the rest would make it exact. It costs half as much again, and is not
needed: |rest| <= 2^-17 |x| (`tensor_cores.split`), so leaving it out adds at most 2^-17 sum |x| |weight| to the error.
The contract allows linear (K + 2) 2^-24 sum |x| |weight|, and from K = 256 on that is more than twice as much. For
shorter rows linear uses other kernels. To round x to bfloat16 alone, as is common, would add 2^-8 sum |x| |weight|.

A block of 256 threads computes 128 x 128 results; each of its 8 warps 64 x 32, as 4 x 4 tiles of 16 x 8. Per step
along K it needs 32 columns of 128 rows of both planes and of the weights: 24 KB. While it multiplies these, the next
ones are on their way into another 24 KB, by asynchronous copies that pass no registers.

A row of a tile has 64 bytes, four chunks of 16. Chunk c of row r lies in place c ^ (r // 2 % 4) of its row, so that the
eight rows that `load_matrices` reads at once lie on different banks, and so do the eight chunks that are written at
once.
"""

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.cuda.async_copies import commit_copies, copy_async, wait_copies
from llaisys_mini.cuda.tensor_cores import LOWEST_ARCHITECTURE, load_matrices, mma, split
from llaisys_mini.widen import widen

__all__ = ["LOWEST_ARCHITECTURE", "SHORTEST", "launch", "multiply", "split_rows"]

SHORTEST = 256  # K from which the error fits the contract
THREADS = 256
TILE = 128
STEP = 32  # along K
PART = TILE * STEP
STAGE = 3 * PART  # both planes of x, and the weights
SHARED = 2 * STAGE


@cuda.jit
def split_rows(x, planes):
    """x [n] -> planes [n] of words, two neighbours in each: the first half is high of all of x, the second middle."""
    i = cuda.grid(1)
    if 2 * i < x.size:
        planes[i], planes[x.size // 2 + i] = split(x[2 * i], x[2 * i + 1])


@cuda.jit(device=True, forceinline=True)
def fetch(matrix, first, rows, length, row_start, k_start, tile, offset):
    """Begin to copy 128 rows of 32 numbers of the matrix [rows, length] at matrix[first]; zero outside of it."""
    line, chunk = cuda.threadIdx.x // 4, cuda.threadIdx.x % 4
    k = k_start + 8 * chunk
    place = offset + line * STEP + 8 * (chunk ^ (line // 2 % 4))
    for part in range(2):
        row = row_start + line + 64 * part
        count = 8 if row < rows and k < length else 0  # length is a multiple of 8
        copy_async(tile, place + 64 * STEP * part, matrix, first + row * length + k, count)


@cuda.jit(device=True, forceinline=True)
def fetch_step(planes, weight, rows, columns, length, row_start, column_start, k_start, tile, offset):
    """Begin to copy what one step along K needs."""
    fetch(planes, 0, rows, length, row_start, k_start, tile, offset)
    fetch(planes, rows * length, rows, length, row_start, k_start, tile, offset + PART)
    fetch(weight, 0, columns, length, column_start, k_start, tile, offset + 2 * PART)
    commit_copies()


@cuda.jit(launch_bounds=(THREADS, 2))
def multiply(planes, weight, bias, out, rows, columns):
    """All flat: planes [2 * N * K] and weight [M * K] bfloat16 as uint16, out [N * M] float32; K a multiple of 8."""
    tile = cuda.shared.array(SHARED, np.uint16, alignment=16)
    sums = cuda.local.array((4, 4, 4), np.float32)
    b = cuda.local.array((2, 4), np.uint32)
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    warp_row, warp_column = 64 * (warp // 4), 32 * (warp % 4)
    length = weight.size // columns
    row_start, column_start = cuda.blockIdx.y * TILE, cuda.blockIdx.x * TILE
    # Which row and chunk of a 16 x 16 part this lane names to load_matrices: x in the order a0 ... a3 of mma, the
    # weights in the order b0, b1 of 8 columns and of the next 8. 16 rows further on the places are the same.
    of_x, chunk_of_x = (warp_row + lane % 16) * STEP, lane // 16
    of_w, chunk_of_w = 2 * PART + (warp_column + 8 * (lane // 16) + lane % 8) * STEP, lane // 8 % 2
    turn = lane // 2 % 4
    for i in range(4):
        for j in range(4):
            for c in range(4):
                sums[i, j, c] = np.float32(0)
    fetch_step(planes, weight, rows, columns, length, row_start, column_start, 0, tile, 0)
    for k_start in range(0, length, STEP):
        stage = k_start // STEP % 2 * STAGE
        wait_copies(0)
        cuda.syncthreads()  # the copies of all threads are there, and all have multiplied what the next ones replace
        if k_start + STEP < length:
            following = k_start + STEP
            fetch_step(planes, weight, rows, columns, length, row_start, column_start, following, tile, STAGE - stage)
        for half in range(2):
            for j in range(2):
                place = stage + of_w + 16 * j * STEP + 8 * ((2 * half + chunk_of_w) ^ turn)
                b[j, 0], b[j, 1], b[j, 2], b[j, 3] = load_matrices(tile, place)
            for plane in range(2):
                for i in range(4):
                    place = stage + plane * PART + of_x + 16 * i * STEP + 8 * ((2 * half + chunk_of_x) ^ turn)
                    a0, a1, a2, a3 = load_matrices(tile, place)
                    for j in range(4):
                        b0, b1 = b[j // 2, 2 * (j % 2)], b[j // 2, 2 * (j % 2) + 1]
                        c0, c1, c2, c3 = sums[i, j, 0], sums[i, j, 1], sums[i, j, 2], sums[i, j, 3]
                        c0, c1, c2, c3 = mma(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3)
                        sums[i, j, 0], sums[i, j, 1], sums[i, j, 2], sums[i, j, 3] = c0, c1, c2, c3
    group, quarter = lane // 4, lane % 4
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
    """out [N, M] = x [N, K] @ weight [M, K].T (+ bias); K a multiple of 8, and at least SHORTEST."""
    rows, columns = out.shape
    planes = cuda.device_array(x.size, np.uint32)
    split_rows[(x.size // 2 + THREADS - 1) // THREADS, THREADS](x.reshape(x.size), planes)
    blocks = ((columns + TILE - 1) // TILE, (rows + TILE - 1) // TILE)
    multiply[blocks, THREADS](
        planes.view(np.uint16), weight.reshape(weight.size), bias, out.reshape(out.size), rows, columns
    )
