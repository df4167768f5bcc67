"""rms_norm on CUDA, expert version: a row is read once, 16 bytes at a time, and kept in registers until scaled."""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import block_sum
from llaisys_mini.cuda.vectors import load4, store4
from llaisys_mini.widen import widen

from .rms_norm import rms_norm as plain_rms_norm

STEPS = 4  # of four numbers, kept by each thread
KEPT = 4 * STEPS
MOST_THREADS = 512
WIDEST = MOST_THREADS * KEPT


@cuda.jit
def rms_norm_kernel(x, weight, eps, out, width):
    """x and out flat; width a multiple of 4, at most KEPT per thread."""
    kept = cuda.local.array(KEPT, np.float32)
    start, stride = cuda.blockIdx.x * width, 4 * cuda.blockDim.x
    squares = np.float32(0)
    for step in range(STEPS):
        e = 4 * cuda.threadIdx.x + step * stride
        if e < width:
            a, b, c, d = load4(x, start + e)
            squares += a * a + b * b + c * c + d * d
            kept[4 * step], kept[4 * step + 1], kept[4 * step + 2], kept[4 * step + 3] = a, b, c, d
    scale = np.float32(1) / math.sqrt(block_sum(squares) / np.float32(width) + eps)
    for step in range(STEPS):
        e = 4 * cuda.threadIdx.x + step * stride
        if e < width:
            store4(
                out,
                start + e,
                kept[4 * step] * scale * widen(weight[e]),
                kept[4 * step + 1] * scale * widen(weight[e + 1]),
                kept[4 * step + 2] * scale * widen(weight[e + 2]),
                kept[4 * step + 3] * scale * widen(weight[e + 3]),
            )


@kernel("rms_norm", device="cuda", when=lambda dims: dims["E"] >= 1 << 9)
def rms_norm(x, weight, eps, out):
    rows, width = x.shape
    if width % 4 or width > WIDEST:
        plain_rms_norm(x, weight, eps, out)
        return
    threads = (width + 32 * KEPT - 1) // (32 * KEPT) * 32  # whole warps that together hold the row
    rms_norm_kernel[rows, threads](x.reshape(x.size), weight, np.float32(eps), out.reshape(out.size), width)
