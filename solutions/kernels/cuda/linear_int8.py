"""linear_int8 on CUDA: one warp per output.

Each lane multiplies its weights by their group's scale as it goes: that arithmetic is free, since the kernel waits for
memory.
"""

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import warp_sum
from llaisys_mini.widen import widen

### BEGIN SOLUTION
WARPS = 4


@cuda.jit
def linear_int8_kernel(x, weight, scales, bias, out):
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    m, n = cuda.blockIdx.x * WARPS + warp, cuda.blockIdx.y
    group = x.shape[1] // scales.shape[1]
    if m < weight.shape[0]:
        total = np.float32(0)
        for k in range(lane, x.shape[1], 32):
            total += x[n, k] * (np.float32(weight[m, k]) * widen(scales[m, k // group]))
        total = warp_sum(total)
        if bias is not None:
            total += bias[m]
        if lane == 0:
            out[n, m] = total


### END SOLUTION
@kernel("linear_int8", device="cuda")
def linear_int8(x, weight, scales, bias, out):
    ### BEGIN SOLUTION
    rows, columns = out.shape
    linear_int8_kernel[((columns + WARPS - 1) // WARPS, rows), 32 * WARPS](x, weight, scales, bias, out)
    ### END SOLUTION
