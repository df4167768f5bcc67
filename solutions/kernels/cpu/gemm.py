"""Matrix product as fast as the machine: packed panels, register tiles, threads. Shared by linear and matmul.

    out [N, M] = x [N, K] @ weight.T            weight [M, K]

1. Pack. The weight is cut into panels of PANEL outputs, and each panel is stored k by k, so that the inner loop reads
   memory in a straight line:    packed [panel][k][PANEL]
   k is cut into stretches of at most DEPTH steps, and the rows of x are copied stretch by stretch, so that a block of
   rows stays in a cache:        packed_x [stretch][row][LINE]
2. Tile. A tile of ROWS rows and one panel stays in registers while k runs. Each step loads one line of the panel and
   ROWS numbers of x, and does ROWS * PANEL multiply-adds:

                     panel, step k
                     [ w w w w | w w w w ]        COLUMNS vectors
        x[row 0, k]  [   tile row 0      ] += x * w
        x[row 1, k]  [   tile row 1      ] += x * w
          ...

3. Threads. Panels are shared out; nobody writes to another's columns.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini.cpu.simd import (
    REGISTERS,
    WIDTH,
    add_outer,
    add_tiles,
    load_rows,
    prefetch,
    prefetch_rows,
    store_rows,
    zeros,
)

COLUMNS = 2
PANEL = COLUMNS * WIDTH
ROWS = 12 if REGISTERS == 32 else 6  # ROWS * COLUMNS sums, COLUMNS weights and one x fit the registers
SHORT = 8 if REGISTERS == 32 else 4  # rows of a lower tile, for the last ones: 64 rows are 4 * 12 + 2 * 8
DEPTH = 320  # steps of k between loading a tile and storing it: 40 KiB of a panel and 15 KiB of x
LINE = DEPTH + 16  # numbers from a packed row of x to the next; not a power of two, or rows crowd the same cache sets
BLOCK_ROWS = 10 * ROWS  # rows of x whose stretch stays in the L2 cache while all panels go by: 158 KiB
GROUP = 16  # panels that a thread takes at a time, at most
PARALLEL_FROM = 1 << 19  # multiply-adds; below, starting the threads costs more than they save
AHEAD = 32  # steps of k asked for in advance, so that a line is on its way from memory before it is needed


# ---- the weight --------------------------------------------------------------------------------------------------


@njit(cache=True)
def room(size, dtype):
    """A flat array that begins with a cache line: else each second vector would lie across two of them."""
    lines = np.empty(size + 64, dtype)
    start = -lines.ctypes.data % 64 // lines.itemsize
    return lines[start : start + size]


@njit(cache=True)
def pack_panel(weight, packed, panel):
    """Panel number `panel` of weight [M, K]: packed[panel, k, j] = weight[panel * PANEL + j, k], zero past the end."""
    outputs, length = weight.shape
    first = panel * PANEL
    for k0 in range(0, length, 16):  # 16 k at a time, so that each cache line of the weight is used whole
        for j in range(PANEL):
            for k in range(k0, min(k0 + 16, length)):
                packed[panel, k, j] = weight[first + j, k] if first + j < outputs else 0


@njit(parallel=True, cache=True)
def pack_weight(weight):
    """weight [M, K] -> packed [panels, K, PANEL], of the same dtype."""
    outputs, length = weight.shape
    panels = (outputs + PANEL - 1) // PANEL
    packed = room(panels * length * PANEL, weight.dtype).reshape(panels, length, PANEL)
    for panel in prange(packed.shape[0]):
        pack_panel(weight, packed, panel)
    return packed


# ---- one row -----------------------------------------------------------------------------------------------------


@njit(cache=True)
def pair_product(x, packed, first, second, length, out):
    """One row of x times two panels. All arrays are flat.

    Two panels, since memory delivers two streams faster than one; and two tiles for each, that take turns, so that an
    addition need not wait for the one before.
    """
    even, odd = zeros(1, COLUMNS), zeros(1, COLUMNS)
    other_even, other_odd = zeros(1, COLUMNS), zeros(1, COLUMNS)
    start, other = first * length * PANEL, second * length * PANEL
    for k in range(0, length - 1, 2):
        for position in (start, other):
            prefetch(packed, position + (k + AHEAD) * PANEL)
            prefetch(packed, position + (k + AHEAD + 1) * PANEL)
        even = add_outer(even, x, k, 0, packed, start + k * PANEL)
        odd = add_outer(odd, x, k + 1, 0, packed, start + (k + 1) * PANEL)
        other_even = add_outer(other_even, x, k, 0, packed, other + k * PANEL)
        other_odd = add_outer(other_odd, x, k + 1, 0, packed, other + (k + 1) * PANEL)
    if length % 2:
        even = add_outer(even, x, length - 1, 0, packed, start + (length - 1) * PANEL)
        other_even = add_outer(other_even, x, length - 1, 0, packed, other + (length - 1) * PANEL)
    store_rows(add_tiles(even, odd), out, first * PANEL, 0, 1)
    store_rows(add_tiles(other_even, other_odd), out, second * PANEL, 0, 1)


@njit(cache=True)
def copy_front(whole, out):
    """out = the first numbers of `whole`."""
    for i in range(out.size):
        out[i] = whole[i]


@njit(parallel=True, cache=True)
def multiply_row(x, packed, out):
    """out [1, M] = x [1, K] @ weight.T, where packed = pack_weight(weight)."""
    panels, length, _ = packed.shape
    flat_x, flat_packed, flat_out = x.reshape(-1), packed.reshape(-1), out.reshape(-1)
    whole = np.empty(panels * PANEL, np.float32)  # the last panel may stick out of `out`
    half = (panels + 1) // 2  # of an odd number the middle one is computed twice
    if packed.size < PARALLEL_FROM:
        for panel in range(half):
            pair_product(flat_x, flat_packed, panel, panels - half + panel, length, whole)
    else:
        for panel in prange(half):
            pair_product(flat_x, flat_packed, panel, panels - half + panel, length, whole)
    copy_front(whole, flat_out)


# ---- many rows ---------------------------------------------------------------------------------------------------


@njit(cache=True)
def steps_of_stretch(length):
    """k is cut into stretches of this many steps: as few as DEPTH allows, all alike but the last."""
    stretches = (length + DEPTH - 1) // DEPTH
    return min(DEPTH, ((length + stretches - 1) // stretches + 15) // 16 * 16)


@njit(cache=True)
def rows_in_high_tiles(rows):
    """How many of the rows are for tiles of ROWS; those after them are for tiles of SHORT, so that few lie idle."""
    tiles = (rows + ROWS - 1) // ROWS
    return (tiles - min(tiles, (tiles * ROWS - rows) // (ROWS - SHORT))) * ROWS


@njit(cache=True)
def rows_with_padding(rows):
    """Rows that tiles may read, whichever they are."""
    return max(rows_in_high_tiles(rows), (rows + SHORT - 1) // SHORT * SHORT)


@njit(cache=True)
def room_for_rows(rows, length):
    """An array for packed_x [stretch][row][LINE], flat."""
    steps = steps_of_stretch(length)
    return room((length + steps - 1) // steps * rows_with_padding(rows) * LINE, np.float32)


@njit(cache=True)
def pack_row(x, packed_x, row):
    """Row number `row` of packed_x. Past the end the last row of x is repeated; store_rows leaves it out.

    intp: prange counts in unsigned numbers, and of those and signed ones Numba makes float64.
    """
    rows, length = x.shape
    steps, padded = steps_of_stretch(length), rows_with_padding(rows)
    for k in range(0, length, steps):
        start = (k // steps * padded + row) * LINE
        source = x[min(np.intp(row), rows - 1), k : min(k + steps, length)]
        line = packed_x[start : start + source.size]
        for i in range(line.size):
            line[i] = source[i]


@njit(cache=True, forceinline=True)
def tile_product(tile, packed_x, x_start, packed, start, steps, begun, out, out_start, out_stride, count):
    """Rows of x times one panel, for the first `count` rows of a tile that comes in as zeros, into out; added to what
    stands there if the sums have begun in a stretch before. All arrays are flat."""
    prefetch_rows(tile, out, out_start, out_stride, count)
    for k in range(steps):
        tile = add_outer(tile, packed_x, x_start + k, LINE, packed, start + k * PANEL)
    if begun:
        tile = add_tiles(tile, load_rows(tile, out, out_start, out_stride, count))
    store_rows(tile, out, out_start, out_stride, count)


@njit(cache=True)
def move_edge(edge, out, first_row, count, first_column, outputs, begun):
    """A panel that sticks out of `out` was computed into edge [SHORT, PANEL]: move it as far as out goes. Both flat."""
    for r in range(count):
        for j in range(outputs - first_column):
            position = (first_row + r) * outputs + first_column + j
            out[position] = edge[r * PANEL + j] + (out[position] if begun else np.float32(0))


@njit(cache=True)
def stretch_times_panels(packed_x, x_start, rows, packed, start, panel_step, panels, steps, out, outputs, first_column):
    """One stretch of k: all rows of x, from packed_x[x_start], times `panels` panels, from packed[start], into out from
    first_column on; added to what stands there unless x_start is 0, the first stretch. All flat.

        for a block of rows           its part of x stays in L2
          for a panel                 its part stays in L1 ...
            for a tile of rows        ... while all tiles of the block go by
    """
    begun = x_start > 0
    high = rows_in_high_tiles(rows)
    whole = min(panels, (outputs - first_column) // PANEL)
    for block in range(0, max(high, 1), BLOCK_ROWS):
        end = min(block + BLOCK_ROWS, high)
        for panel in range(whole):
            weights, column = start + panel * panel_step, first_column + panel * PANEL
            for row in range(block, end, ROWS):
                tile_product(
                    zeros(ROWS, COLUMNS), packed_x, x_start + row * LINE, packed, weights, steps, begun,
                    out, row * outputs + column, outputs, rows - row,
                )  # fmt: skip
            if end == high:
                for row in range(high, rows, SHORT):
                    tile_product(
                        zeros(SHORT, COLUMNS), packed_x, x_start + row * LINE, packed, weights, steps, begun,
                        out, row * outputs + column, outputs, rows - row,
                    )  # fmt: skip
    if whole < panels:  # the last panel sticks out of `out`
        edge = np.empty(SHORT * PANEL, np.float32)
        weights, column = start + whole * panel_step, first_column + whole * PANEL
        for row in range(0, rows, SHORT):
            count = min(SHORT, rows - row)
            tile_product(
                zeros(SHORT, COLUMNS), packed_x, x_start + row * LINE, packed, weights, steps, False,
                edge, 0, PANEL, count,
            )  # fmt: skip
            move_edge(edge, out, row, count, column, outputs, begun)


@njit(cache=True)
def rows_times_panels(packed_x, rows, packed, start, panels, length, out, outputs, first_column):
    """All rows of x times `panels` panels of all k, from packed[start], into out from first_column on. All flat."""
    steps, padded = steps_of_stretch(length), rows_with_padding(rows)
    for k in range(0, length, steps):
        stretch_times_panels(
            packed_x, k // steps * padded * LINE, rows, packed, start + k * PANEL, length * PANEL, panels,
            min(steps, length - k), out, outputs, first_column,
        )  # fmt: skip


@njit(cache=True)
def group_product(packed_x, packed, first, last, out):
    """The panels first .. last of multiply."""
    rows, outputs = out.shape
    length = packed.shape[1]
    rows_times_panels(
        packed_x, rows, packed.reshape(-1), first * length * PANEL, last - first, length,
        out.reshape(-1), outputs, first * PANEL,
    )  # fmt: skip


@njit(cache=True)
def panels_per_task(panels, threads):
    """GROUP, or less, so that every thread gets the same number of tasks."""
    tasks = threads * ((panels + threads * GROUP - 1) // (threads * GROUP))
    return (panels + tasks - 1) // tasks


@njit(parallel=True, cache=True)
def multiply(x, packed, out, threads):
    """out [N, M] = x [N, K] @ weight.T, where packed = pack_weight(weight), shared out among `threads`."""
    rows, length = x.shape
    panels = packed.shape[0]
    packed_x = room_for_rows(rows, length)
    if rows * length * out.shape[1] < PARALLEL_FROM:
        for row in range(rows_with_padding(rows)):
            pack_row(x, packed_x, row)
        group_product(packed_x, packed, 0, panels, out)
    else:
        for row in prange(rows_with_padding(rows)):
            pack_row(x, packed_x, row)
        group = panels_per_task(panels, threads)
        for task in prange((panels + group - 1) // group):
            group_product(packed_x, packed, task * group, min(task * group + group, panels), out)
