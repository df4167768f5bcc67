"""softmax on CUDA, expert version: a row that the registers of a group hold is read once and written once.

The threads keep their exponentials, each relative to the largest number that the thread has seen. When the row's
largest is known, one factor a thread turns them into probabilities. A wider row is read twice: the first time for its
largest number and its sum, which the online form finds together; the plain version reads it three times.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.vectors import are_aligned

from .rows import KEPT, MOST_THREADS, STEPS, fetch, group_max, group_sum, groups, online, put, row_of_group
from .softmax import softmax as plain_softmax


@cuda.jit(launch_bounds=(MOST_THREADS, 1))
def softmax_kernel(x, rows, width, out):
    """x and out flat."""
    kept = cuda.local.array(KEPT, np.float32)
    row, stretch = row_of_group(), KEPT * cuda.blockDim.x
    if row >= rows:
        return
    low = row * width % 4
    begin, high = row * width - low, low + width
    nothing = np.float32(-math.inf)
    top, total = nothing, np.float32(0)
    for base in range(0, high, stretch):
        fetch(x, begin + base, low - base, high - base, nothing, STEPS, kept)
        top, total = online(kept, top, total)
    largest = group_max(top)
    own = math.exp(top - largest)  # of this thread's reference; 0 where it has none
    share = np.float32(1) / group_sum(total * own)
    for base in range(0, high, stretch):
        if high <= stretch:  # all of it is there
            for i in range(KEPT):
                kept[i] *= own * share
        else:
            fetch(x, begin + base, low - base, high - base, nothing, STEPS, kept)
            for i in range(KEPT):
                kept[i] = math.exp(kept[i] - largest) * share
        put(kept, out, begin + base, low - base, high - base, STEPS)


@kernel("softmax", device="cuda", when=lambda dims: dims["..."] * dims["C"] >= 1 << 18)
def softmax(x, out):
    if not are_aligned(x, out):  # views that begin anywhere
        plain_softmax(x, out)
        return
    rows, width = x.shape
    softmax_kernel[groups(rows, width)](x.reshape(x.size), rows, width, out.reshape(out.size))
