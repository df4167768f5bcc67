"""Matrix product as fast as the machine: packed panels, register tiles, threads. Shared by linear and matmul.

    out [N, M] = x [N, K] @ weight.T            weight [M, K]

1. Pack. The weight is cut into panels of PANEL outputs, and each panel is stored k by k, so that the inner loop reads
   memory in a straight line:    packed [panel][k][PANEL]
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

from llaisys_mini.simd import REGISTERS, WIDTH, add_outer, add_tiles, load_rows, prefetch, store_rows, zeros

COLUMNS = 2
PANEL = COLUMNS * WIDTH
ROWS = 12 if REGISTERS == 32 else 6  # ROWS * COLUMNS sums, COLUMNS weights and one x fit the registers
DEPTH = 256  # steps of k between loading a tile and storing it: 32 KiB of a panel and 12 KiB of x
BLOCK_ROWS = 20 * ROWS  # rows whose DEPTH steps stay in the L2 cache, 240 KiB
GROUP = 16  # panels that a thread takes at a time, at most
PARALLEL_FROM = 1 << 19  # multiply-adds; below, starting the threads costs more than they save
AHEAD = 32  # steps of k asked for in advance, so that a line is on its way from memory before it is needed


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
    packed = np.empty(((outputs + PANEL - 1) // PANEL, length, PANEL), weight.dtype)
    for panel in prange(packed.shape[0]):
        pack_panel(weight, packed, panel)
    return packed


@njit(cache=True)
def tile_product(packed_x, x_start, packed, start, length, out, out_start, out_stride, count, begun):
    """ROWS packed rows of x times one panel, `length` steps of k, into `count` rows of out; added to what stands there
    if the sums have begun before."""
    tile = zeros(ROWS, COLUMNS)
    if begun:
        tile = load_rows(tile, out, out_start, out_stride, count)
    for k in range(length):
        tile = add_outer(tile, packed_x, x_start + k * ROWS, 1, packed, start + k * PANEL)
    store_rows(tile, out, out_start, out_stride, count)


@njit(cache=True)
def copy_edge(edge, out, first_row, count, first_column, outputs):
    """A panel that sticks out of `out` was computed into edge [ROWS, PANEL]: copy it as far as out goes. Both flat."""
    for r in range(count):
        for j in range(outputs - first_column):
            out[(first_row + r) * outputs + first_column + j] = edge[r * PANEL + j]


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


@njit(cache=True)
def pack_rows(x, packed_x, tile):
    """Tile number `tile` of x [N, K], k by k: packed_x[tile, k, r] = x[tile * ROWS + r, k].

    Past the end the last row is repeated; store_rows writes only the rows that are there.
    """
    rows, length = x.shape
    for k0 in range(0, length, 16):  # a cache line of each row at a time, so that what is written stays in the cache
        last = min(k0 + 16, length)
        for r in range(ROWS):
            line = x[min(tile * ROWS + r, rows - 1), k0:last]
            lines = packed_x[tile, k0:last, r]
            for k in range(line.size):
                lines[k] = line[k]


@njit(cache=True)
def rows_times_panels(packed_x, rows, packed, start, panels, length, out, outputs, first_column):
    """All rows of x times `panels` panels that begin at packed[start], into out from first_column on. All flat.

    k is cut into stretches of DEPTH, and the rows into blocks: what is used again soon is then still in a cache.

        for a stretch of k              a sum stays in `out` between stretches
          for a block of rows           its part of x stays in L2
            for a panel                 its part stays in L1 ...
              for a tile of rows        ... while all tiles of the block go by
    """
    whole = min(panels, (outputs - first_column) // PANEL)
    for k in range(0, length, DEPTH):
        depth = min(DEPTH, length - k)
        for block in range(0, rows, BLOCK_ROWS):
            for panel in range(whole):
                for row in range(block, min(block + BLOCK_ROWS, rows), ROWS):
                    tile_product(
                        packed_x, row * length + k * ROWS, packed, start + (panel * length + k) * PANEL, depth,
                        out, row * outputs + first_column + panel * PANEL, outputs, min(ROWS, rows - row), k > 0,
                    )  # fmt: skip
    if whole < panels:  # the last panel sticks out of `out`
        edge = np.empty(ROWS * PANEL, np.float32)
        for row in range(0, rows, ROWS):
            count = min(ROWS, rows - row)
            tile_product(
                packed_x, row * length, packed, start + whole * length * PANEL, length, edge, 0, PANEL, count, False
            )
            copy_edge(edge, out, row, count, first_column + whole * PANEL, outputs)


@njit(cache=True)
def group_product(packed_x, packed, first, last, out):
    """The panels first .. last of multiply."""
    rows, outputs = out.shape
    length = packed.shape[1]
    rows_times_panels(
        packed_x.reshape(-1), rows, packed.reshape(-1), first * length * PANEL, last - first, length,
        out.reshape(-1), outputs, first * PANEL,
    )  # fmt: skip


@njit(parallel=True, cache=True)
def multiply(x, packed, out):
    """out [N, M] = x [N, K] @ weight.T, where packed = pack_weight(weight)."""
    rows, length = x.shape
    panels = packed.shape[0]
    packed_x = np.empty(((rows + ROWS - 1) // ROWS, length, ROWS), np.float32)
    if rows * length * out.shape[1] < PARALLEL_FROM:
        for tile in range(packed_x.shape[0]):
            pack_rows(x, packed_x, tile)
        group_product(packed_x, packed, 0, panels, out)
    else:
        for tile in prange(packed_x.shape[0]):
            pack_rows(x, packed_x, tile)
        group = max(1, min(GROUP, panels // 8))  # enough groups for every thread
        for task in prange((panels + group - 1) // group):
            group_product(packed_x, packed, task * group, min(task * group + group, panels), out)
