"""matmul on the CPU, expert version: b is packed into panels on the way, and gemm multiplies them.

Each thread packs a stretch of some panels of b just before it needs them, so that they are still in a cache then.
Packing all of b first would write it to memory and read it back.
"""

import numpy as np
from numba import get_num_threads, njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.simd import WIDTH, load, store

from .gemm import LINE, pack_row, panels_per_task, room_for_rows, rows_with_padding, stretch_times_panels
from .panels import PANEL, first_of_lanes, room, stretch, stretches_of


@njit(cache=True, forceinline=True)
def copy_line(b, k, column, packed, to):
    """packed[to + j] = b[k, column + j] for j < PANEL, zero past the end of the row."""
    columns = b.shape[1]
    if column + PANEL <= columns:
        for j in range(0, PANEL, WIDTH):
            store(packed, to + j, load(b, k * columns + column + j))
    else:
        for j in range(PANEL):
            packed[to + j] = b[k, column + j] if column + j < columns else np.float32(0)


@njit(cache=True)
def pack_stretch(b, number, first, panels, packed):
    """Stretch `number` of some panels of b, in the order of gemm.py: whole rows of b are copied, nearly as they lie."""
    position, groups, chains, steps = stretch(number, b.shape[0])
    lines = groups * chains * steps
    begin, stride = first_of_lanes(number, position, chains)
    for i in range(steps):
        for chain in range(chains):
            for group in range(groups):
                k, line = begin + i * stride + 4 * chain + group, (group * chains + chain) * steps + i
                for panel in range(panels):
                    copy_line(b, k, (first + panel) * PANEL, packed, (panel * lines + line) * PANEL)


@njit(cache=True)
def group_product(packed_x, b, first, panels, out):
    """Some panels of b, packed and multiplied stretch by stretch, into their columns of out."""
    rows, columns = out.shape
    length, flat_out = b.shape[0], out.reshape(-1)
    padded = rows_with_padding(rows)
    packed = room(panels * min(length, LINE) * PANEL, np.float32)
    for number in range(stretches_of(length)):
        _, groups, chains, steps = stretch(number, length)
        pack_stretch(b, number, first, panels, packed)
        stretch_times_panels(
            packed_x, number * padded * LINE, rows, packed, 0, groups * chains * steps * PANEL, panels, groups, chains,
            steps, flat_out, columns, first * PANEL,
        )  # fmt: skip


@njit(parallel=True, cache=True)
def multiply(a, b, out, threads):
    """out [M, N] = a [M, K] @ b [K, N], shared out among `threads`."""
    rows, length = a.shape
    packed_a = room_for_rows(rows, stretches_of(length))
    for row in prange(rows_with_padding(rows)):
        pack_row(a, packed_a, np.intp(row))  # prange counts without sign, and pack_row would be compiled once more
    panels = (b.shape[1] + PANEL - 1) // PANEL
    group = panels_per_task(panels, threads)
    for task in prange((panels + group - 1) // group):
        first = np.intp(task * group)
        group_product(packed_a, b, first, min(group, panels - first), out)


LARGE = 1 << 16  # numbers of b: 256 x 256


def answers(dims):
    """Whether this kernel answers instead of matmul.py: for a large b, however many rows a has.

    Both give the same bits; this one takes longer to compile.
    """
    return dims["K"] * dims["N"] >= LARGE


@kernel("matmul", device="cpu", when=answers)
def matmul(a, b, out):
    multiply(a, b, out, get_num_threads())
