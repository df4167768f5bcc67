"""linear on CUDA, expert version.

Few rows: a warp per output as in the plain version, with 8 weights per lane and load: 16 bytes of bfloat16, 32 of
float32. Many rows: register tiles, on tensor cores where the weights are bfloat16 and the rows long enough. All need
rows of weights that start at a multiple of 16 bytes.
"""

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda import tensor_cores
from llaisys_mini.cuda.reductions import warp_sum
from llaisys_mini.cuda.vectors import load4, load8
from llaisys_mini.widen import widen

from . import gemm, gemm_bfloat16
from .linear import linear as plain_linear

WARPS = 8
FEW_ROWS = 8


@cuda.jit
def few_rows_kernel(x, weight, bias, out):
    """x [N * K], weight [M * K] flat; out [N, M]; K a multiple of 8."""
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    rows, columns = out.shape
    length = x.size // rows
    m, n = cuda.blockIdx.x * WARPS + warp, cuda.blockIdx.y
    if m < columns:
        total = np.float32(0)
        for k in range(8 * lane, length, 256):
            w0, w1, w2, w3, w4, w5, w6, w7 = load8(weight, m * length + k)
            x0, x1, x2, x3 = load4(x, n * length + k)
            x4, x5, x6, x7 = load4(x, n * length + k + 4)
            total += x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3 + x4 * w4 + x5 * w5 + x6 * w6 + x7 * w7
        total = warp_sum(total)
        if bias is not None:
            total += widen(bias[m])
        if lane == 0:
            out[n, m] = total


@kernel("linear", device="cuda", when=lambda dims: dims["M"] * dims["K"] >= 1 << 18)
def linear(x, weight, bias, out):
    rows, columns = out.shape
    length = x.shape[1]
    if length % 8:
        plain_linear(x, weight, bias, out)
    elif rows <= FEW_ROWS:
        blocks = ((columns + WARPS - 1) // WARPS, rows)
        few_rows_kernel[blocks, 32 * WARPS](x.reshape(x.size), weight.reshape(weight.size), bias, out)
    elif weight.dtype == np.uint16 and length >= gemm_bfloat16.SHORTEST and tensor_cores.are_available():
        gemm_bfloat16.launch(x, weight, bias, out)
    elif columns % 4 == 0:
        gemm.launch(gemm.multiply_transposed, x, weight, bias, out=out)
    else:
        plain_linear(x, weight, bias, out)
