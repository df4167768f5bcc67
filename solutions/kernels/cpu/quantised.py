"""Matrix product with quantised weights, as fast as the machine. Shared by linear_int8 and linear_int4.

The weight and its scales are packed into panels of PANEL outputs, as in gemm.py, with the same function:

    linear_int8    packed [panel][k][PANEL] int8        scales [panel][group][PANEL]
    linear_int4    packed [panel][byte][PANEL] uint8    scales [panel][group][PANEL]

One row of x (decoding): memory decides. The whole numbers become float32 in registers, for PANEL outputs side by side;
only when a group is done are its sums multiplied by a vector of scales. So a scale costs next to nothing.

Many rows (prefill): arithmetic decides. A panel is turned into real weights once, in a buffer that stays in the cache,
and gemm's tile goes over all rows with it.
"""

import numpy as np
from numba import njit, prange, types
from numba.extending import overload

from llaisys_mini.cpu.simd import (
    WIDTH,
    add_halves,
    add_outer,
    add_scaled,
    add_tiles,
    load,
    load_high,
    load_low,
    multiply,
    prefetch,
    store,
    store_rows,
    zeros,
)

from .gemm import (
    COLUMNS,
    PANEL,
    PARALLEL_FROM,
    copy_front,
    pack_row,
    room_for_rows,
    rows_times_panels,
    rows_with_padding,
)

HALF = 16  # bytes of a group of int4
STRETCH = 32  # lines of one panel before the other of a pair gets its turn
AHEAD = 4096  # bytes asked for in advance, so that a line is on its way from memory before it is needed


# ---- what differs between the two --------------------------------------------------------------------------------


def group_sums_int8(x, k, packed, start, length):
    """x[k : k + length] times the lines of a panel from `start`. Two tiles take turns, so that no addition waits."""
    even, odd = zeros(1, COLUMNS), zeros(1, COLUMNS)
    for i in range(0, length - 1, 2):
        prefetch(packed, start + i * PANEL + AHEAD)
        even = add_outer(even, x, k + i, 0, packed, start + i * PANEL)
        odd = add_outer(odd, x, k + i + 1, 0, packed, start + (i + 1) * PANEL)
    if length % 2:
        even = add_outer(even, x, k + length - 1, 0, packed, start + (length - 1) * PANEL)
    return add_tiles(even, odd)


def group_sums_int4(x, k, packed, start, length):
    """The same for a group of 32 in 16 bytes, whose halves belong to k and k + 16."""
    even, odd = zeros(1, COLUMNS), zeros(1, COLUMNS)
    for i in range(0, HALF, 2):
        prefetch(packed, start + i * PANEL + AHEAD)
        even = add_halves(even, x, k + i, k + i + HALF, packed, start + i * PANEL)
        odd = add_halves(odd, x, k + i + 1, k + i + 1 + HALF, packed, start + (i + 1) * PANEL)
    return add_tiles(even, odd)


def real_group_int8(packed, start, length, scale, real, real_start):
    """One group of one column of vectors as float32 weights."""
    for i in range(length):
        store(real, real_start + i * PANEL, multiply(load(packed, start + i * PANEL), scale))


def real_group_int4(packed, start, length, scale, real, real_start):
    for i in range(HALF):
        low, high = load_low(packed, start + i * PANEL), load_high(packed, start + i * PANEL)
        store(real, real_start + i * PANEL, multiply(low, scale))
        store(real, real_start + (i + HALF) * PANEL, multiply(high, scale))


def group_sums(x, k, packed, start, length):
    """The dtype of the packed weight says which of the two is meant: int8, or uint8 for pairs of int4."""
    raise NotImplementedError("for Numba code only")


def real_group(packed, start, length, scale, real, real_start):
    """As for group_sums."""
    raise NotImplementedError("for Numba code only")


INLINED = {"forceinline": True}  # a call would take as long as the work, and return its tile through memory


@overload(group_sums, jit_options=INLINED)
def _group_sums(x, k, packed, start, length):
    return group_sums_int4 if packed.dtype == types.uint8 else group_sums_int8


@overload(real_group, jit_options=INLINED)
def _real_group(packed, start, length, scale, real, real_start):
    return real_group_int4 if packed.dtype == types.uint8 else real_group_int8


# ---- one row -----------------------------------------------------------------------------------------------------


@njit(cache=True)
def pair_product(x, packed, scales, first, second, lines, groups, out):
    """One row of x times two panels of `lines` lines in `groups` groups, as gemm.pair_product. All arrays are flat."""
    length, lines_of_group = x.size // groups, lines // groups
    sums, other_sums = zeros(1, COLUMNS), zeros(1, COLUMNS)
    for g in range(groups):
        scale, other_scale = (first * groups + g) * PANEL, (second * groups + g) * PANEL
        for i in range(0, lines_of_group, STRETCH):
            count, line = min(STRETCH, lines_of_group - i), g * lines_of_group + i
            part = group_sums(x, g * length + i, packed, (first * lines + line) * PANEL, count)
            other = group_sums(x, g * length + i, packed, (second * lines + line) * PANEL, count)
            sums = add_scaled(sums, part, scales, scale)
            other_sums = add_scaled(other_sums, other, scales, other_scale)
    store_rows(sums, out, first * PANEL, 0, 1)
    store_rows(other_sums, out, second * PANEL, 0, 1)


@njit(parallel=True, cache=True)
def multiply_row(x, packed, scales, out):
    """out [1, M] for x [1, K]; packed and scales are panels, see the head of this file."""
    panels, lines, _ = packed.shape
    groups = scales.shape[1]
    flat_x, flat_packed, flat_scales, flat_out = x.reshape(-1), packed.reshape(-1), scales.reshape(-1), out.reshape(-1)
    whole = np.empty(panels * PANEL, np.float32)
    if x.size * out.size < PARALLEL_FROM:
        for pair in range((panels + 1) // 2):
            second = min(2 * pair + 1, panels - 1)  # where a last panel has no partner, it is its own
            pair_product(flat_x, flat_packed, flat_scales, 2 * pair, second, lines, groups, whole)
    else:
        for pair in prange((panels + 1) // 2):
            second = min(2 * pair + 1, panels - 1)
            pair_product(flat_x, flat_packed, flat_scales, 2 * pair, second, lines, groups, whole)
    copy_front(whole, flat_out)


# ---- many rows ---------------------------------------------------------------------------------------------------


@njit(cache=True)
def real_weights(packed, scales, panel, real):
    """Panel number `panel` as float32: real [K, PANEL]."""
    lines, groups = packed.shape[1], scales.shape[1]
    length, lines_of_group = real.shape[0] // groups, lines // groups
    for g in range(groups):
        start = (panel * lines + g * lines_of_group) * PANEL
        for column in range(0, PANEL, WIDTH):
            scale = load(scales.reshape(-1), (panel * groups + g) * PANEL + column)
            real_group(packed.reshape(-1), start + column, length, scale, real.reshape(-1), g * length * PANEL + column)


@njit(cache=True)
def rows_times_panel(packed_x, length, packed, scales, out, panel):
    """All rows of x, packed as gemm.pack_row does, times one panel, into the panel's columns of out."""
    rows, outputs = out.shape
    real = np.empty((length, PANEL), np.float32)
    real_weights(packed, scales, panel, real)
    rows_times_panels(packed_x, rows, real.reshape(-1), 0, 1, length, out.reshape(-1), outputs, panel * PANEL)


@njit(parallel=True, cache=True)
def multiply_rows(x, packed, scales, out):
    """out [N, M] for x [N, K]; packed and scales are panels, see the head of this file."""
    rows, length = x.shape
    packed_x = room_for_rows(rows, length)
    if x.size * out.shape[1] < PARALLEL_FROM:
        for row in range(rows_with_padding(rows)):
            pack_row(x, packed_x, row)
        for panel in range(packed.shape[0]):
            rows_times_panel(packed_x, length, packed, scales, out, panel)
    else:
        for row in prange(rows_with_padding(rows)):
            pack_row(x, packed_x, row)
        for panel in prange(packed.shape[0]):
            rows_times_panel(packed_x, length, packed, scales, out, panel)
