"""swiglu on CUDA, expert version: four neighbours per thread and load."""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.vectors import are_aligned, load4, store4

from .swiglu import swiglu as plain_swiglu

THREADS = 256
PER_THREAD = 4


@cuda.jit(device=True)
def gated(gate, up):
    return gate / (np.float32(1) + math.exp(-gate)) * up


@cuda.jit
def swiglu_kernel(gate, up, out):
    i = PER_THREAD * cuda.grid(1)
    if i + PER_THREAD <= out.size:
        g0, g1, g2, g3 = load4(gate, i)
        u0, u1, u2, u3 = load4(up, i)
        store4(out, i, gated(g0, u0), gated(g1, u1), gated(g2, u2), gated(g3, u3))
    else:
        for last in range(i, out.size):
            out[last] = gated(gate[last], up[last])


@kernel("swiglu", device="cuda", when=lambda dims: dims["..."] >= 1 << 18)
def swiglu(gate, up, out):
    if not are_aligned(gate, up, out):  # views that begin anywhere
        plain_swiglu(gate, up, out)
        return
    per_block = THREADS * PER_THREAD
    swiglu_kernel[(out.size + per_block - 1) // per_block, THREADS](gate, up, out)
