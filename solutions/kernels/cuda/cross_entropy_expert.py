"""cross_entropy on CUDA, expert version: one pass over each row, whatever its width.

The online form finds the largest logit and the sum of exponentials together, so nothing has to be kept.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.vectors import are_aligned

from .cross_entropy import cross_entropy as plain_cross_entropy
from .rows import KEPT, MOST_THREADS, STEPS, fetch, group_max, group_sum, groups, online, row_of_group


@cuda.jit(launch_bounds=(MOST_THREADS, 1))
def cross_entropy_kernel(logits, targets, width, out):
    """logits flat; targets, out [N]."""
    kept = cuda.local.array(KEPT, np.float32)
    row = row_of_group()
    if row >= out.size:
        return
    low = row * width % 4
    begin, high = row * width - low, low + width
    nothing = np.float32(-math.inf)
    top, total = nothing, np.float32(0)
    for base in range(0, high, KEPT * cuda.blockDim.x):
        fetch(logits, begin + base, low - base, high - base, nothing, STEPS, kept)
        top, total = online(kept, top, total)
    largest = group_max(top)
    total = group_sum(total * math.exp(top - largest))
    if cuda.threadIdx.x == 0:
        out[row] = math.log(total) + (largest - logits[row * width + targets[row]])


@kernel("cross_entropy", device="cuda", when=lambda dims: dims["N"] * dims["V"] >= 1 << 18)
def cross_entropy(logits, targets, out):
    if not are_aligned(logits):  # a view that begins anywhere
        plain_cross_entropy(logits, targets, out)
        return
    rows, width = logits.shape
    cross_entropy_kernel[groups(rows, width)](logits.reshape(logits.size), targets, width, out)
