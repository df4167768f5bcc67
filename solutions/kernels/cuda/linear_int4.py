"""linear_int4 on CUDA: one warp per output.

A group of 32 weights is 16 bytes, so a warp reads two groups at a time: lane i takes one byte, and with it the numbers
i % 16 (low half) and i % 16 + 16 (high half) of its group.
"""

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import warp_sum
from llaisys_mini.widen import widen

### BEGIN SOLUTION
WARPS = 4
GROUP, HALF = 32, 16


@cuda.jit
def linear_int4_kernel(x, weight, scales, bias, out):
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    m, n = cuda.blockIdx.x * WARPS + warp, cuda.blockIdx.y
    if m < weight.shape[0]:
        total = np.float32(0)
        for byte in range(lane, weight.shape[1], 32):
            both = np.int32(weight[m, byte])
            low, high = np.float32((both & 15) - 8), np.float32((both >> 4) - 8)
            group = byte // HALF
            k = GROUP * group + byte % HALF
            total += (x[n, k] * low + x[n, k + HALF] * high) * widen(scales[m, group])
        total = warp_sum(total)
        if bias is not None:
            total += bias[m]
        if lane == 0:
            out[n, m] = total


### END SOLUTION
@kernel("linear_int4", device="cuda")
def linear_int4(x, weight, scales, bias, out):
    ### BEGIN SOLUTION
    rows, columns = out.shape
    linear_int4_kernel[((columns + WARPS - 1) // WARPS, rows), 32 * WARPS](x, weight, scales, bias, out)
    ### END SOLUTION
