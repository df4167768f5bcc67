"""matmul on CUDA: tiles in shared memory.

A block computes a TILE x TILE square of the result. It walks along K; at each step it copies one tile of a and one of b
into shared memory, so that each number is read from global memory once per block instead of once per thread:
TILE times less traffic. Where a tile hangs over the edge it is filled with zeros, which add nothing.
"""

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
TILE = 16


@cuda.jit
def matmul_kernel(a, b, out):
    tile_a = cuda.shared.array((TILE, TILE), np.float32)
    tile_b = cuda.shared.array((TILE, TILE), np.float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    total = np.float32(0)
    for start in range(0, a.shape[1], TILE):
        tile_a[ty, tx] = np.float32(0)
        if row < a.shape[0] and start + tx < a.shape[1]:
            tile_a[ty, tx] = a[row, start + tx]
        tile_b[ty, tx] = np.float32(0)
        if start + ty < b.shape[0] and column < b.shape[1]:
            tile_b[ty, tx] = b[start + ty, column]
        cuda.syncthreads()  # the tiles are complete
        for k in range(TILE):
            total += tile_a[ty, k] * tile_b[k, tx]
        cuda.syncthreads()  # every thread has read them
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = total


### END SOLUTION
@kernel("matmul", device="cuda")
def matmul(a, b, out):
    ### BEGIN SOLUTION
    blocks = ((out.shape[1] + TILE - 1) // TILE, (out.shape[0] + TILE - 1) // TILE)
    matmul_kernel[blocks, (TILE, TILE)](a, b, out)
    ### END SOLUTION
