"""matmul on the CPU, expert version: b is packed into panels on the way, then `gemm.multiply` does the work."""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

from .gemm import PANEL, multiply


@njit(cache=True)
def pack_columns_of_panel(b, packed, panel):
    """packed[panel, k, j] = b[k, panel * PANEL + j], zero past the end: whole rows of b are copied."""
    first = panel * PANEL
    count = min(PANEL, b.shape[1] - first)
    for k in range(b.shape[0]):
        for j in range(count):
            packed[panel, k, j] = b[k, first + j]
        for j in range(count, PANEL):
            packed[panel, k, j] = np.float32(0)


@njit(parallel=True, cache=True)
def pack_columns(b):
    """b [K, N] -> packed [panels, K, PANEL]."""
    packed = np.empty(((b.shape[1] + PANEL - 1) // PANEL, b.shape[0], PANEL), np.float32)
    for panel in prange(packed.shape[0]):
        pack_columns_of_panel(b, packed, panel)
    return packed


@kernel("matmul", device="cpu")
def matmul(a, b, out):
    multiply(a, pack_columns(b), out)
