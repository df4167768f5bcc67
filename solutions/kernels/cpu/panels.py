"""Panels: a weight in the order in which gemm.py reads it, and the order of every sum.

    packed [panel][k][PANEL]        weight [M, K], cut into panels of PANEL outputs; k in the order below

The order of every sum. linear.py adds up a dot product in vectors along k: SEGMENT products at a time, each lane a sum
of its own, then the lanes in the order of simd.add_lanes. Here every lane of a tile is another output, so the same sums
are made one after the other. Of a segment of `count` products, lane i owns the `count / WIDTH` with k = i, i + WIDTH,
...; they are a chain, added by fused multiply-adds from zero. The finished chains of the lanes g, g + 4, g + 8, ... are
added in that order and make a group; the groups g = 0 .. 3 are added, in that order, to what came before.

    a segment, WIDTH 16          group 0: lanes 0 4 8 12 | group 1: lanes 1 5 9 13 | group 2: ... | group 3: ...
    the last K % WIDTH products  one chain, a group of its own

Which rows come together, and how many, has no part in it: a row of x has the same bits in any company.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini.cpu.simd import WIDTH

from .linear import SEGMENT

COLUMNS = 2
PANEL = COLUMNS * WIDTH
LANES_IN_GROUP = WIDTH // 4
DEPTH = 512  # steps of k of a stretch, at most: 64 KiB of a panel and 12 KiB of x


# ---- the order of k ----------------------------------------------------------------------------------------------


@njit(cache=True)
def stretches_of(length):
    """How many stretches k is cut into."""
    whole = length - length % WIDTH
    last = whole % SEGMENT
    return whole // SEGMENT * 4 + (4 if last > DEPTH else min(last, 1)) + (1 if whole < length else 0)


@njit(cache=True, forceinline=True)
def stretch(number, length):
    """(position, groups, chains, steps) of stretch `number`: where it begins in the order of packing; it has groups of
    chains of steps of k. A short segment is a single stretch of all four groups."""
    whole, first = length - length % WIDTH, number // 4 * SEGMENT
    count = min(SEGMENT, whole - first)
    if count > DEPTH:
        return first + number % 4 * (count // 4), 1, LANES_IN_GROUP, count // WIDTH
    if count > 0 and number % 4 == 0:
        return first, 4, LANES_IN_GROUP, count // WIDTH
    return whole, 1, 1, length - whole


@njit(cache=True, forceinline=True)
def first_of_lanes(number, position, chains):
    """(k, stride) of stretch `number`: chain c of its group g adds the products k + g + 4 * c, and so on by stride."""
    if chains == 1:
        return position, 1
    return number // 4 * SEGMENT + number % 4, WIDTH


@njit(cache=True, forceinline=True)
def place(k, length):
    """The position of k in the order of packing."""
    whole = length - length % WIDTH
    if k >= whole:
        return k
    first = k - k % SEGMENT
    return first + place_in_segment(k - first, min(SEGMENT, whole - first) // WIDTH)


@njit(cache=True, forceinline=True)
def place_in_segment(k, steps):
    """The position of number k of a segment of WIDTH lanes of `steps`: lane by lane, in the order of simd.add_lanes."""
    lane = k % WIDTH
    return (lane % 4 * LANES_IN_GROUP + lane // 4) * steps + k // WIDTH


# ---- the weight --------------------------------------------------------------------------------------------------


@njit(cache=True)
def room(size, dtype):
    """A flat array that begins with a cache line: else each second vector would lie across two of them."""
    lines = np.empty(size + 64, dtype)
    start = -lines.ctypes.data % 64 // lines.itemsize
    return lines[start : start + size]


@njit(cache=True)
def pack_panel(weight, packed, panel, in_turn):
    """Panel number `panel` of weight [M, K]: packed[panel, place(k), j] = weight[panel * PANEL + j, k], and zero past
    the last output. in_turn: with k in the place of place(k).

    WIDTH k at a time, so that each cache line of the weight is used whole.
    """
    outputs, length = weight.shape
    first = panel * PANEL
    lines = np.empty(WIDTH, np.intp)
    for k0 in range(0, length, WIDTH):
        count = min(WIDTH, length - k0)
        for i in range(count):
            lines[i] = k0 + i if in_turn else place(k0 + i, length)
        for j in range(PANEL):
            for i in range(count):
                packed[panel, lines[i], j] = weight[first + j, k0 + i] if first + j < outputs else 0


@njit(parallel=True, cache=True)
def pack_panels(weight, packed, in_turn):
    """packed [panels, K, PANEL] of weight [M, K], of the same dtype. in_turn: see pack_panel."""
    for panel in prange(packed.shape[0]):
        pack_panel(weight, packed, np.intp(panel), in_turn)  # prange counts without sign: it would be compiled again


def pack(weight, in_turn):
    """weight [M, K] -> packed [panels, K, PANEL].

    The room comes from NumPy, which asks for large pages of memory (on Linux, from 4 MiB on): with small ones the CPU
    looks up the address of each page of a large weight anew every time it comes by.
    """
    outputs, length = weight.shape
    panels = (outputs + PANEL - 1) // PANEL
    lines = np.empty(panels * length * PANEL + 64, weight.dtype)
    start = -lines.ctypes.data % 64 // lines.itemsize  # as in room
    packed = lines[start : start + panels * length * PANEL].reshape(panels, length, PANEL)
    pack_panels(weight, packed, in_turn)
    return packed


def pack_weight(weight):
    """The panels of a weight for gemm.py."""
    return pack(weight, False)


def pack_in_turn(weight):
    """The panels of a weight, or of its scales, for quantised.py: with k as it comes."""
    return pack(weight, True)


@njit(cache=True)
def copy_front(whole, out):
    """out = the first numbers of `whole`."""
    for i in range(out.size):
        out[i] = whole[i]
