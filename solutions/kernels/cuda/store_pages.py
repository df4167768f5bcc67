"""store_pages on CUDA: one block per row copies its keys and values; neighbouring threads copy neighbouring numbers.

Pages of 16 bits get rows that were rounded before, so that the copy itself knows nothing of storage.
"""

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.narrow import narrow

### BEGIN SOLUTION
THREADS = 128


@cuda.jit
def store_kernel(k, v, slots, key_pages, value_pages):
    row = cuda.blockIdx.x
    size, heads, width = key_pages.shape[1], key_pages.shape[2], key_pages.shape[3]
    page, place = slots[row] // size, slots[row] % size
    for i in range(cuda.threadIdx.x, heads * width, THREADS):
        key_pages[page, place, i // width, i % width] = k[row, i // width, i % width]
        value_pages[page, place, i // width, i % width] = v[row, i // width, i % width]


def rounded(rows, dtype):
    """The rows [T, K, D] in the storage `dtype`, as kernels see it."""
    if dtype == np.float32:
        return rows
    stored = cuda.device_array(rows.shape, dtype)
    narrow(rows.reshape(rows.size), stored.reshape(rows.size))
    return stored


### END SOLUTION
@kernel("store_pages", device="cuda")
def store_pages(k, v, slots, key_pages, value_pages):
    ### BEGIN SOLUTION
    k, v = rounded(k, key_pages.dtype), rounded(v, value_pages.dtype)
    store_kernel[slots.size, THREADS](k, v, slots, key_pages, value_pages)
    ### END SOLUTION
