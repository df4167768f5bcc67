"""softmax on CUDA: one block per row; reductions for the maximum and for the sum of exponentials, then the division."""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import block_max, block_sum

### BEGIN SOLUTION
THREADS = 128


@cuda.jit
def softmax_kernel(x, out):
    row, width = cuda.blockIdx.x, x.shape[1]
    top = np.float32(-math.inf)
    for c in range(cuda.threadIdx.x, width, THREADS):
        top = max(top, x[row, c])
    top = block_max(top)
    total = np.float32(0)
    for c in range(cuda.threadIdx.x, width, THREADS):
        total += math.exp(x[row, c] - top)
    share = np.float32(1) / block_sum(total)
    for c in range(cuda.threadIdx.x, width, THREADS):
        out[row, c] = math.exp(x[row, c] - top) * share


### END SOLUTION
@kernel("softmax", device="cuda")
def softmax(x, out):
    ### BEGIN SOLUTION
    softmax_kernel[x.shape[0], THREADS](x, out)
    ### END SOLUTION
