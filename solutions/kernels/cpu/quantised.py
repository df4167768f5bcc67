"""Matrix product with quantised weights, as fast as the machine. Shared by linear_int8 and linear_int4.

The weight and its scales are packed into panels of PANEL outputs, as in gemm.py but with k as it comes:

    linear_int8    packed [panel][k][PANEL] int8        scales [panel][group][PANEL]
    linear_int4    packed [panel][byte][PANEL] uint8    scales [panel][group][PANEL]

One row of x (decoding): memory decides. The whole numbers become float32 in registers, for PANEL outputs side by side;
only when a group is done are its sums multiplied by a vector of scales. So a scale costs next to nothing.

Many rows (prefill): arithmetic decides. Some groups of a panel become float32 once, in a buffer that stays in the
cache, and a tile as in gemm.py goes over all rows with it.

The order of every sum, for one row and for many: a group is cut into pieces of at most PIECE numbers. The products of a
piece are added one after the other, by fused multiply-adds from zero. Then the sum of the piece times the scale is
added, by one more, to what the pieces before it gave.
"""

import numpy as np
from numba import njit, prange, types
from numba.extending import overload

from llaisys_mini.cpu.simd import (
    WIDTH,
    add_halves,
    add_outer,
    add_scaled,
    load,
    load_high,
    load_low,
    load_rows,
    prefetch,
    prefetch_rows,
    store,
    store_rows,
    zeros,
)

from .gemm import PARALLEL_FROM, ROWS, SHORT, rows_in_high_tiles, rows_with_padding
from .linear import add_bias
from .panels import COLUMNS, PANEL, copy_front, room

HALF = 16  # bytes of a group of int4
PIECE = 32  # numbers of a group that are summed before the scale is applied: a group of the usual size
PIECES = 32  # of a stretch of many rows, at most: 128 KiB of a panel as float32
LINE = PIECES * PIECE + 16  # numbers from a packed row of x to the next, as in gemm.py
AHEAD = 4096  # bytes asked for in advance, so that a line is on its way from memory before it is needed


# ---- what differs between the two --------------------------------------------------------------------------------


def piece_sums_int8(x, k, packed, start, length):
    """x[k : k + length] times the lines of a panel from `start`."""
    sums = zeros(1, COLUMNS)
    for i in range(length):
        prefetch(packed, start + i * PANEL + AHEAD)
        sums = add_outer(sums, x, k + i, 0, packed, start + i * PANEL)
    return sums


def piece_sums_int4(x, k, packed, start, length):
    """The same for a group of 32 in 16 bytes, whose halves belong to k and k + 16."""
    sums = zeros(1, COLUMNS)
    for i in range(HALF):
        prefetch(packed, start + i * PANEL + AHEAD)
        sums = add_halves(sums, x, k + i, k + i + HALF, packed, start + i * PANEL)
    return sums


def numbers_int8(packed, start, length, numbers, to):
    """One piece of one column of vectors as float32."""
    for i in range(length):
        store(numbers, to + i * PANEL, load(packed, start + i * PANEL))


def numbers_int4(packed, start, length, numbers, to):
    """The same, in the order of piece_sums_int4: both halves of a byte, then of the next."""
    for i in range(HALF):
        store(numbers, to + 2 * i * PANEL, load_low(packed, start + i * PANEL))
        store(numbers, to + (2 * i + 1) * PANEL, load_high(packed, start + i * PANEL))


def copy_piece_int8(x, k, length, packed, target):
    """x[k : k + length] in the order of the packed weight, to the front of target."""
    for i in range(length):
        target[i] = x[k + i]


def copy_piece_int4(x, k, length, packed, target):
    for i in range(HALF):
        target[2 * i], target[2 * i + 1] = x[k + i], x[k + i + HALF]


def piece_sums(x, k, packed, start, length):
    """The dtype of the packed weight says which of the two is meant: int8, or uint8 for pairs of int4."""
    raise NotImplementedError("for Numba code only")


def float_numbers(packed, start, length, numbers, to):
    """As for piece_sums."""
    raise NotImplementedError("for Numba code only")


def copy_piece(x, k, length, packed, target):
    """As for piece_sums."""
    raise NotImplementedError("for Numba code only")


INLINED = {"forceinline": True}  # a call would take as long as the work, and return its tile through memory


@overload(piece_sums, jit_options=INLINED)
def _piece_sums(x, k, packed, start, length):
    return piece_sums_int4 if packed.dtype == types.uint8 else piece_sums_int8


@overload(float_numbers, jit_options=INLINED)
def _float_numbers(packed, start, length, numbers, to):
    return numbers_int4 if packed.dtype == types.uint8 else numbers_int8


@overload(copy_piece, jit_options=INLINED)
def _copy_piece(x, k, length, packed, target):
    return copy_piece_int4 if packed.dtype == types.uint8 else copy_piece_int8


# ---- one row -----------------------------------------------------------------------------------------------------


@njit(cache=True)
def pair_product(x, packed, scales, first, second, lines, groups, out):
    """One row of x times two panels of `lines` lines in `groups` groups, as gemv.pair_product. All arrays are flat."""
    length, lines_of_group = x.size // groups, lines // groups
    sums, other_sums = zeros(1, COLUMNS), zeros(1, COLUMNS)
    for g in range(groups):
        scale, other_scale = (first * groups + g) * PANEL, (second * groups + g) * PANEL
        for i in range(0, lines_of_group, PIECE):
            count, line = min(PIECE, lines_of_group - i), g * lines_of_group + i
            part = piece_sums(x, g * length + i, packed, (first * lines + line) * PANEL, count)
            other = piece_sums(x, g * length + i, packed, (second * lines + line) * PANEL, count)
            sums = add_scaled(sums, part, scales, scale)
            other_sums = add_scaled(other_sums, other, scales, other_scale)
    store_rows(sums, out, first * PANEL, 0, 1)
    store_rows(other_sums, out, second * PANEL, 0, 1)


@njit(parallel=True)  # not kept on disk: it lies within what calls it, see llaisys_mini.kernels.compiled
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
        for number in prange((panels + 1) // 2):
            pair = np.intp(number)  # prange counts without sign, and pair_product would be compiled once more for that
            second = min(2 * pair + 1, panels - 1)
            pair_product(flat_x, flat_packed, flat_scales, 2 * pair, second, lines, groups, whole)
    copy_front(whole, flat_out)


# ---- many rows ---------------------------------------------------------------------------------------------------


@njit(cache=True, forceinline=True)
def piece(number, length):
    """(group, first, count) of piece `number`, where a group has `length` numbers: which of them it holds."""
    per_group = (length + PIECE - 1) // PIECE
    first = number % per_group * PIECE
    return number // per_group, first, min(PIECE, length - first)


@njit(cache=True)
def pack_row(x, packed, groups, packed_x, row):
    """Row number `row` of packed_x [stretch][row][LINE]. Past the end the last row of x is repeated."""
    rows, length = x.shape[0], x.shape[1] // groups
    padded, source = rows_with_padding(rows), x[min(row, rows - 1)]
    pieces = (length + PIECE - 1) // PIECE * groups
    for number in range(pieces):
        if number % PIECES == 0:
            position = (number // PIECES * padded + row) * LINE
        group, first, count = piece(number, length)
        copy_piece(source, group * length + first, count, packed, packed_x[position : position + count])
        position += count


@njit(cache=True, forceinline=True)
def tile_product(
    zero, packed_x, x_start, numbers, scales, scale, number, last, length, out, out_start, out_stride, rows
):  # fmt: skip
    """The pieces `number` to `last` (exclusive) of k, for the first `rows` rows of a tile times one panel, into out;
    added to what stands there unless number is 0. All arrays are flat.

    scale: where the panel's scales begin.
    """
    prefetch_rows(zero, out, out_start, out_stride, rows)
    sums, line = zero, 0
    if number > 0:
        sums = load_rows(zero, out, out_start, out_stride, rows)
    group, first, _ = piece(number, length)
    for _ in range(number, last):
        count, part = min(PIECE, length - first), zero
        for i in range(line, line + count):
            part = add_outer(part, packed_x, x_start + i, LINE, numbers, i * PANEL)
        line += count
        sums = add_scaled(sums, part, scales, scale + group * PANEL)
        first += PIECE
        if first >= length:
            group, first = group + 1, 0
    store_rows(sums, out, out_start, out_stride, rows)


@njit(cache=True)
def rows_times_panel(packed_x, packed, scales, length, out, panel):
    """All rows of x, packed by pack_row, times one panel, into the panel's columns of out. length: of a group."""
    rows, outputs = out.shape
    lines, groups = packed.shape[1], scales.shape[1]
    lines_of_group = lines // groups
    flat_packed, flat_scales, flat_out = packed.reshape(-1), scales.reshape(-1), out.reshape(-1)
    padded, high = rows_with_padding(rows), rows_in_high_tiles(rows)
    column, scale, pieces = panel * PANEL, panel * groups * PANEL, (length + PIECE - 1) // PIECE * groups
    sticks_out = column + PANEL > outputs
    target, target_column, stride = flat_out, column, outputs
    if sticks_out:  # the last panel: computed apart, then moved as far as out goes
        target, target_column, stride = np.empty(rows * PANEL, np.float32), 0, PANEL
    numbers = room(LINE * PANEL, np.float32)
    for number in range(0, pieces, PIECES):
        last = min(number + PIECES, pieces)
        to = 0
        for p in range(number, last):
            group, first, count = piece(p, length)
            start = (panel * lines + group * lines_of_group + first) * PANEL
            for j in range(0, PANEL, WIDTH):
                float_numbers(flat_packed, start + j, count, numbers, to + j)
            to += count * PANEL
        x_start = number // PIECES * padded * LINE
        for row in range(0, high, ROWS):
            tile_product(
                zeros(ROWS, COLUMNS), packed_x, x_start + row * LINE, numbers, flat_scales, scale, number, last, length,
                target, row * stride + target_column, stride, rows - row,
            )  # fmt: skip
        for row in range(high, rows, SHORT):
            tile_product(
                zeros(SHORT, COLUMNS), packed_x, x_start + row * LINE, numbers, flat_scales, scale, number, last,
                length, target, row * stride + target_column, stride, rows - row,
            )  # fmt: skip
    if sticks_out:
        for row in range(rows):
            for j in range(outputs - column):
                out[row, column + j] = target[row * PANEL + j]


@njit(parallel=True)  # not kept on disk: it lies within what calls it, see llaisys_mini.kernels.compiled
def multiply_rows(x, packed, scales, out):
    """out [N, M] for x [N, K]; packed and scales are panels, see the head of this file."""
    rows, groups = x.shape[0], scales.shape[1]
    length = x.shape[1] // groups
    pieces = (length + PIECE - 1) // PIECE * groups
    packed_x = room((pieces + PIECES - 1) // PIECES * rows_with_padding(rows) * LINE, np.float32)
    if x.size * out.shape[1] < PARALLEL_FROM:
        for row in range(rows_with_padding(rows)):
            pack_row(x, packed, groups, packed_x, row)
        for panel in range(packed.shape[0]):
            rows_times_panel(packed_x, packed, scales, length, out, panel)
    else:
        for row in prange(rows_with_padding(rows)):  # intp, here and below: as in multiply_row
            pack_row(x, packed, groups, packed_x, np.intp(row))
        for panel in prange(packed.shape[0]):
            rows_times_panel(packed_x, packed, scales, length, out, np.intp(panel))


# ---- the whole of linear_int8 and linear_int4 ------------------------------------------------------------------------


@njit(cache=True)
def one_row(x, weight, scales, bias, out):
    multiply_row(x, weight, scales, out)
    if bias is not None:
        add_bias(out, bias)


@njit(cache=True)
def many_rows(x, weight, scales, bias, out):
    multiply_rows(x, weight, scales, out)
    if bias is not None:
        add_bias(out, bias)


def whole(dims):
    """Each of the two is compiled only if it is needed."""
    return one_row if dims["N"] == 1 else many_rows
