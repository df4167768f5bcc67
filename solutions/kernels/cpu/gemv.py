"""One row times a weight that was packed for gemm.py: every weight is read once, so memory decides how long it takes.

The order of every sum is that of panels.py, so a row has the same bits here as among others.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini.cpu.simd import REGISTERS, add_outer, add_tiles, prefetch, store_rows, zeros

from .gemm import PARALLEL_FROM
from .panels import COLUMNS, PANEL, copy_front, first_of_lanes, stretch, stretches_of

AHEAD = 24 if REGISTERS == 32 else 12  # steps of k asked for in advance: that long memory takes


@njit(cache=True)
def order_row(x, length, ordered):
    """One row of x in the order of panels.py: as it lies each chain would come by all of it again, and between two
    chains the weights push it out of the L1 cache."""
    for number in range(stretches_of(length)):
        line, groups, chains, steps = stretch(number, length)
        begin, stride = first_of_lanes(number, line, chains)
        for group in range(groups):
            for c in range(chains):
                for i in range(steps):
                    ordered[line + i] = x[begin + group + 4 * c + i * stride]
                line += steps


@njit(cache=True)
def pair_product(x, packed, first, second, length, out):
    """One row of x, ordered, times two panels. All arrays are flat.

    Two panels, since memory delivers two streams faster than one, and an addition need not wait for the one before.
    """
    total, other_total = zeros(1, COLUMNS), zeros(1, COLUMNS)
    start, other_start = first * length * PANEL, second * length * PANEL
    for number in range(stretches_of(length)):
        line, groups, chains, steps = stretch(number, length)
        for _ in range(groups):
            part, other_part = zeros(1, COLUMNS), zeros(1, COLUMNS)
            for _ in range(chains):
                chain, other_chain = zeros(1, COLUMNS), zeros(1, COLUMNS)
                for i in range(line, line + steps):
                    prefetch(packed, start + (i + AHEAD) * PANEL)
                    prefetch(packed, other_start + (i + AHEAD) * PANEL)
                    chain = add_outer(chain, x, i, 0, packed, start + i * PANEL)
                    other_chain = add_outer(other_chain, x, i, 0, packed, other_start + i * PANEL)
                line += steps
                part, other_part = add_tiles(part, chain), add_tiles(other_part, other_chain)
            total, other_total = add_tiles(total, part), add_tiles(other_total, other_part)
    store_rows(total, out, first * PANEL, 0, 1)
    store_rows(other_total, out, second * PANEL, 0, 1)


@njit(parallel=True)  # not kept on disk: it lies within what calls it, see llaisys_mini.kernels.compiled
def multiply_row(x, packed, out):
    """out [1, M] = x [1, K] @ weight.T, where packed = pack_weight(weight)."""
    panels, length, _ = packed.shape
    flat_packed, flat_out, ordered = packed.reshape(-1), out.reshape(-1), np.empty(length, np.float32)
    order_row(x.reshape(-1), length, ordered)
    whole = np.empty(panels * PANEL, np.float32)  # the last panel may stick out of `out`
    half = (panels + 1) // 2  # of an odd number the middle one is computed twice
    if packed.size < PARALLEL_FROM:
        for panel in range(half):
            pair_product(ordered, flat_packed, panel, panels - half + panel, length, whole)
    else:
        for number in prange(half):
            panel = np.intp(number)  # prange counts without sign, and pair_product would be compiled once more for that
            pair_product(ordered, flat_packed, panel, panels - half + panel, length, whole)
    copy_front(whole, flat_out)
