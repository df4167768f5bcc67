"""rope on the CPU. Sine and cosine are dear, so they are computed once per position and used for every head."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 15  # elements; below, starting the threads costs more than they save


@njit(fastmath=True, cache=True)
def rotate_position(x, position, frequencies, factor, out, row):
    """Rotate all heads of one position. frequencies: float64 [D/2], radians per position."""
    _, heads, width = x.shape
    half = width // 2
    cos, sin = np.empty(half, np.float32), np.empty(half, np.float32)
    for i in range(half):
        angle = position * frequencies[i]
        cos[i], sin[i] = factor * math.cos(angle), factor * math.sin(angle)
    for h in range(heads):
        for i in range(half):
            first, second = x[row, h, i], x[row, h, i + half]
            out[row, h, i] = first * cos[i] - second * sin[i]
            out[row, h, i + half] = second * cos[i] + first * sin[i]


@njit(parallel=True, cache=True)
def rotate(x, positions, frequencies, factor, out):
    if x.size < PARALLEL_FROM:
        for row in range(x.shape[0]):
            rotate_position(x, positions[row], frequencies, factor, out, row)
    else:
        for row in prange(x.shape[0]):
            rotate_position(x, positions[row], frequencies, factor, out, row)


### END SOLUTION
@kernel("rope", device="cpu")
@njit(cache=True)
def rope(x, positions, theta, out):
    ### BEGIN SOLUTION
    width = x.shape[2]
    frequencies = np.empty(width // 2)
    for i in range(width // 2):
        frequencies[i] = theta ** (-2.0 * i / width)
    rotate(x, positions, frequencies, 1.0, out)
    ### END SOLUTION
