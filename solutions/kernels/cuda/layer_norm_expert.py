"""layer_norm on CUDA, expert version: a row that the registers of a group hold is read once and written once.

Each thread computes the mean of its own numbers and the sum of squared differences to that. Two such pairs are merged
without the cancellation of mean(x^2) - mean(x)^2, since all that is added up is positive:

    mean      of both, weighted with their counts
    squares   of both, and count * (own mean - common mean)^2 of each

So a row that is wider than the registers is read twice, where the plain version reads it three times.
Source: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance".
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.vectors import are_aligned
from llaisys_mini.widen import widen

from .layer_norm import layer_norm as plain_layer_norm
from .rows import KEPT, MOST_THREADS, STEPS, fetch, group_sum, groups, place_of, put, row_of_group


@cuda.jit(device=True, forceinline=True)
def merged(kept, low, high, count, mean, squares):
    """(count, mean, squares) with the numbers of `kept`, a thread's part of a stretch, of which [low, high) counts."""
    total, held = np.float32(0), np.float32(0)
    for step in range(STEPS):
        for j in range(4):
            if low <= place_of(step) + j and place_of(step) + j < high:
                total += kept[4 * step + j]
                held += np.float32(1)
    if held > np.float32(0):
        own = total / held
        for step in range(STEPS):
            for j in range(4):
                if low <= place_of(step) + j and place_of(step) + j < high:
                    squares += (kept[4 * step + j] - own) * (kept[4 * step + j] - own)
        share = held / (count + held)
        squares += (own - mean) * (own - mean) * count * share
        mean += (own - mean) * share
        count += held
    return count, mean, squares


@cuda.jit(device=True, forceinline=True)
def normalise(kept, weight, bias, low, high, mean, scale):
    """The numbers of `kept` become results. low may be negative: then this stretch is not the row's first."""
    for step in range(STEPS):
        for j in range(4):
            place = place_of(step) + j
            if low <= place and place < high:
                centred = kept[4 * step + j] - mean
                kept[4 * step + j] = centred * scale * widen(weight[place - low]) + widen(bias[place - low])


@cuda.jit(launch_bounds=(MOST_THREADS, 1))
def layer_norm_kernel(x, weight, bias, eps, rows, width, out):
    """x and out flat."""
    kept = cuda.local.array(KEPT, np.float32)
    row, stretch = row_of_group(), KEPT * cuda.blockDim.x
    if row >= rows:
        return
    low, nothing = row * width % 4, np.float32(0)
    begin, high = row * width - low, low + width
    count, own, squares = np.float32(0), np.float32(0), np.float32(0)
    for base in range(0, high, stretch):
        fetch(x, begin + base, low - base, high - base, nothing, STEPS, kept)
        count, own, squares = merged(kept, low - base, high - base, count, own, squares)
    mean = group_sum(count * own) / np.float32(width)
    squares = group_sum(squares + count * (own - mean) * (own - mean))
    scale = np.float32(1) / math.sqrt(squares / np.float32(width) + eps)
    for base in range(0, high, stretch):
        if high > stretch:
            fetch(x, begin + base, low - base, high - base, nothing, STEPS, kept)
        normalise(kept, weight, bias, low - base, high - base, mean, scale)
        put(kept, out, begin + base, low - base, high - base, STEPS)


@kernel("layer_norm", device="cuda", when=lambda dims: dims["..."] * dims["E"] >= 1 << 18)
def layer_norm(x, weight, bias, eps, out):
    if not are_aligned(x, out):  # views that begin anywhere
        plain_layer_norm(x, weight, bias, eps, out)
        return
    rows, width = x.shape
    layer_norm_kernel[groups(rows, width)](
        x.reshape(x.size), weight, bias, np.float32(eps), rows, width, out.reshape(out.size)
    )
