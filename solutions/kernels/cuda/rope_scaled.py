"""rope_scaled on CUDA: one thread per pair, as in rope, with the frequencies read instead of computed."""

import math

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 128


@cuda.jit
def rope_scaled_kernel(x, positions, frequencies, factor, out):
    length, heads, width = x.shape
    half = width // 2
    task = cuda.grid(1)
    if task < length * heads * half:
        i = task % half
        head = task // half % heads
        row = task // (half * heads)
        half_turns = np.float32(positions[row]) * frequencies[i] * np.float32(1 / math.pi)
        cos, sin = factor * cuda.libdevice.cospif(half_turns), factor * cuda.libdevice.sinpif(half_turns)
        first, second = x[row, head, i], x[row, head, i + half]
        out[row, head, i] = first * cos - second * sin
        out[row, head, i + half] = second * cos + first * sin


### END SOLUTION
@kernel("rope_scaled", device="cuda")
def rope_scaled(x, positions, frequencies, factor, out):
    ### BEGIN SOLUTION
    blocks = (x.size // 2 + THREADS - 1) // THREADS
    rope_scaled_kernel[blocks, THREADS](x, positions, frequencies, np.float32(factor), out)
    ### END SOLUTION
