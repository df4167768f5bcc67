"""cross_entropy on the CPU, expert version: `fast_exp` is plain arithmetic, of which LLVM makes vectors."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.fast_exp import fast_exp

from .rows import largest


@njit(fastmath={"reassoc", "contract"}, cache=True)
def sum_of_powers(row, top):
    total = np.float32(0)
    for v in range(row.size):
        total += fast_exp(row[v] - top)
    return total


@njit(cache=True)
def row_loss(row, target):
    top = largest(row)
    return top - row[target] + np.float32(math.log(sum_of_powers(row, top)))


LARGE = 1 << 8  # columns


def answers(dims):
    """Whether this kernel answers instead of cross_entropy.py: for wide rows, however many come."""
    return dims["V"] >= LARGE


@kernel("cross_entropy", device="cpu", when=answers)
@njit(parallel=True, cache=True)
def cross_entropy(logits, targets, out):
    for row in prange(logits.shape[0]):
        out[row] = row_loss(logits[row], targets[row])
