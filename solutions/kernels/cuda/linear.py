"""linear on CUDA.

A few rows of x (decoding): every weight is read for a few multiply-adds only, so memory bandwidth limits. One warp per
output: its lanes read neighbouring weights of the row, and a shuffle reduction adds their sums.

Many rows (prefill): tiles of x and weight in shared memory, as in matmul. Both are read along K, which is how they lie
in memory; a column more in each tile keeps the threads of a warp on different memory banks.
"""

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import warp_sum
from llaisys_mini.widen import widen

### BEGIN SOLUTION
TILE = 16
PADDED = TILE + 1
WARPS = 4  # per block of the kernel for few rows
FEW_ROWS = 4


@cuda.jit
def few_rows_kernel(x, weight, bias, out):
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    m, n = cuda.blockIdx.x * WARPS + warp, cuda.blockIdx.y
    if m < weight.shape[0]:
        total = np.float32(0)
        for k in range(lane, x.shape[1], 32):
            total += x[n, k] * widen(weight[m, k])
        total = warp_sum(total)
        if bias is not None:
            total += widen(bias[m])
        if lane == 0:
            out[n, m] = total


@cuda.jit
def tiled_kernel(x, weight, bias, out):
    tile_x = cuda.shared.array((TILE, PADDED), np.float32)
    tile_w = cuda.shared.array((TILE, PADDED), np.float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    m, n = cuda.grid(2)
    first_m = cuda.blockIdx.x * TILE
    total = np.float32(0)
    for start in range(0, x.shape[1], TILE):
        inside = start + tx < x.shape[1]
        tile_x[ty, tx] = np.float32(0)
        if inside and n < x.shape[0]:
            tile_x[ty, tx] = x[n, start + tx]
        tile_w[ty, tx] = np.float32(0)
        if inside and first_m + ty < weight.shape[0]:
            tile_w[ty, tx] = widen(weight[first_m + ty, start + tx])
        cuda.syncthreads()
        for k in range(TILE):
            total += tile_x[ty, k] * tile_w[tx, k]
        cuda.syncthreads()
    if n < out.shape[0] and m < out.shape[1]:
        if bias is not None:
            total += widen(bias[m])
        out[n, m] = total


### END SOLUTION
@kernel("linear", device="cuda")
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    rows, columns = out.shape
    if rows <= FEW_ROWS:
        few_rows_kernel[((columns + WARPS - 1) // WARPS, rows), 32 * WARPS](x, weight, bias, out)
    else:
        blocks = ((columns + TILE - 1) // TILE, (rows + TILE - 1) // TILE)
        tiled_kernel[blocks, (TILE, TILE)](x, weight, bias, out)
    ### END SOLUTION
