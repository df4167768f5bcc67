"""Matrix product in which each thread keeps a 2 x 2 square of the result in a local array."""

import numpy as np

from llaisys_mini import cuda

TILE = 16


@cuda.jit
def register_tiles(a, b, out):
    tile_a = cuda.shared.array((16, 8), np.float32)
    tile_b = cuda.shared.array((8, 16), np.float32)
    sums = cuda.local.array((2, 2), np.float32)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    top, left = cuda.blockIdx.y * TILE, cuda.blockIdx.x * TILE
    for i in range(2):
        for j in range(2):
            sums[i, j] = np.float32(0)
    for start in range(0, a.shape[1], 8):
        for half in range(2):
            tile_a[y + 8 * half, x] = a[top + y + 8 * half, start + x]
            tile_b[y, x + 8 * half] = b[start + y, left + x + 8 * half]
        cuda.syncthreads()  # the tiles are complete
        for k in range(8):
            for i in range(2):
                for j in range(2):
                    sums[i, j] += tile_a[y + 8 * i, k] * tile_b[k, x + 8 * j]
        cuda.syncthreads()  # every thread has read them
    for i in range(2):
        for j in range(2):
            out[top + y + 8 * i, left + x + 8 * j] = sums[i, j]


def inputs(rng):
    a, b = rng.normal(size=(32, 24)).astype(np.float32), rng.normal(size=(24, 16)).astype(np.float32)
    return dict(a=a, b=b, out=np.full((32, 16), np.nan, np.float32))


def launch(a, b, out):
    register_tiles[(1, 2), (8, 8)](a, b, out)


def expected(a, b, out):
    return a @ b
