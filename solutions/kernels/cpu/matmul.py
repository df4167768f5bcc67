"""matmul on the CPU: b is transposed once, so that both factors of every dot product lie contiguous in memory; then the
tiles of linear do the work. Transposing costs K * N moves against M * K * N multiply-adds."""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
from .linear import PARALLEL_FROM, product

BLOCK = 32  # columns and rows moved together, so that each cache line is used whole


@njit(cache=True)
def transpose_rows(b, transposed, first, last):
    for k0 in range(0, b.shape[0], BLOCK):
        for n in range(first, last):
            for k in range(k0, min(k0 + BLOCK, b.shape[0])):
                transposed[n, k] = b[k, n]


@njit(parallel=True, cache=True)
def transpose(b, transposed):
    blocks = (b.shape[1] + BLOCK - 1) // BLOCK
    if b.size < PARALLEL_FROM:
        transpose_rows(b, transposed, 0, b.shape[1])
    else:
        for block in prange(blocks):
            transpose_rows(b, transposed, block * BLOCK, min((block + 1) * BLOCK, b.shape[1]))


### END SOLUTION
@kernel("matmul", device="cpu")
@njit(cache=True)
def matmul(a, b, out):
    ### BEGIN SOLUTION
    transposed = np.empty((b.shape[1], b.shape[0]), np.float32)
    transpose(b, transposed)
    product(a, transposed, out)
    ### END SOLUTION
