"""Matrix product with tiles in shared memory."""

import numpy as np

from llaisys_mini import cuda

TILE = 8


@cuda.jit
def matmul(a, b, out):
    tile_a = cuda.shared.array((8, 8), np.float32)
    tile_b = cuda.shared.array((8, 8), np.float32)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    total = np.float32(0)
    for start in range(0, a.shape[1], TILE):
        tile_a[y, x] = np.float32(0)
        if row < a.shape[0] and start + x < a.shape[1]:
            tile_a[y, x] = a[row, start + x]
        tile_b[y, x] = np.float32(0)
        if start + y < b.shape[0] and column < b.shape[1]:
            tile_b[y, x] = b[start + y, column]
        cuda.syncthreads()  # the tiles are complete
        for k in range(TILE):
            total += tile_a[y, k] * tile_b[k, x]
        cuda.syncthreads()  # every thread has read them
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = total


def inputs(rng):
    a, b = rng.normal(size=(13, 20)).astype(np.float32), rng.normal(size=(20, 18)).astype(np.float32)
    return dict(a=a, b=b, out=np.full((13, 18), np.nan, np.float32))


def launch(a, b, out):
    matmul[(3, 2), (TILE, TILE)](a, b, out)


def expected(a, b, out):
    return a @ b
