"""rope on CUDA: one thread per pair. Each works out its own sine and cosine: a GPU computes them faster than it would
fetch them from a table.

sinpi(x) is sin(pi x). Angles here reach thousands of turns, and taking whole turns off is exact when they are counted
in half turns; math.sin would need float64 for that.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 128


@cuda.jit
def rope_kernel(x, positions, theta, out):
    length, heads, width = x.shape
    half = width // 2
    task = cuda.grid(1)
    if task < length * heads * half:
        i = task % half
        head = task // half % heads
        row = task // (half * heads)
        frequency = math.pow(theta, -np.float32(2 * i) / np.float32(width))
        half_turns = np.float32(positions[row]) * frequency * np.float32(1 / math.pi)
        cos, sin = cuda.libdevice.cospif(half_turns), cuda.libdevice.sinpif(half_turns)
        first, second = x[row, head, i], x[row, head, i + half]
        out[row, head, i] = first * cos - second * sin
        out[row, head, i + half] = second * cos + first * sin


### END SOLUTION
@kernel("rope", device="cuda")
def rope(x, positions, theta, out):
    ### BEGIN SOLUTION
    blocks = (x.size // 2 + THREADS - 1) // THREADS
    rope_kernel[blocks, THREADS](x, positions, np.float32(theta), out)
    ### END SOLUTION
