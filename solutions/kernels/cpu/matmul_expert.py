"""matmul on the CPU, expert version: b is packed into panels on the way, and gemm multiplies them.

Each thread packs a stretch of some panels of b just before it needs them, so that they are still in a cache then.
Packing all of b first would write it to memory and read it back.
"""

import numpy as np
from numba import get_num_threads, njit, prange

from llaisys_mini import kernel

from .gemm import (
    LINE,
    PANEL,
    pack_row,
    panels_per_task,
    room,
    room_for_rows,
    rows_with_padding,
    steps_of_stretch,
    stretch_times_panels,
)


@njit(cache=True)
def pack_stretch(b, k, steps, first, panels, packed):
    """packed[panel, i, j] = b[k + i, (first + panel) * PANEL + j], zero past the end: whole rows of b are copied."""
    for i in range(steps):
        for panel in range(panels):
            line = b[k + i, (first + panel) * PANEL : (first + panel + 1) * PANEL]
            start = (panel * steps + i) * PANEL
            for j in range(line.size):
                packed[start + j] = line[j]
            for j in range(line.size, PANEL):
                packed[start + j] = np.float32(0)


@njit(cache=True)
def group_product(packed_x, b, first, panels, out):
    """Some panels of b, packed and multiplied stretch by stretch, into their columns of out."""
    rows, columns = out.shape
    length, flat_out = b.shape[0], out.reshape(-1)
    steps, padded = steps_of_stretch(length), rows_with_padding(rows)
    packed = room(panels * steps * PANEL, np.float32)
    for k in range(0, length, steps):
        here = min(steps, length - k)
        pack_stretch(b, k, here, first, panels, packed)
        stretch_times_panels(
            packed_x, k // steps * padded * LINE, rows, packed, 0, here * PANEL, panels, here,
            flat_out, columns, first * PANEL,
        )  # fmt: skip


@njit(parallel=True, cache=True)
def multiply(a, b, out, threads):
    """out [M, N] = a [M, K] @ b [K, N], shared out among `threads`."""
    rows, length = a.shape
    packed_a = room_for_rows(rows, length)
    for row in prange(rows_with_padding(rows)):
        pack_row(a, packed_a, row)
    panels = (b.shape[1] + PANEL - 1) // PANEL
    group = panels_per_task(panels, threads)
    for task in prange((panels + group - 1) // group):
        group_product(packed_a, b, task * group, min(group, panels - task * group), out)


@kernel("matmul", device="cpu", when=lambda dims: dims["K"] * dims["N"] >= 1 << 16)
def matmul(a, b, out):
    multiply(a, b, out, get_num_threads())
