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

from llaisys_mini.simd import REGISTERS, WIDTH, add_outer, add_tiles, prefetch, store_rows, zeros

COLUMNS = 2
PANEL = COLUMNS * WIDTH
ROWS = 12 if REGISTERS == 32 else 6  # ROWS * COLUMNS sums, COLUMNS weights and one x fit the registers
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
def tile_product(packed_x, x_start, packed, start, length, out, out_start, out_stride, count):
    """ROWS packed rows of x times one panel, into `count` rows of out."""
    tile = zeros(ROWS, COLUMNS)
    for k in range(length):
        tile = add_outer(tile, packed_x, x_start + k * ROWS, 1, packed, start + k * PANEL)
    store_rows(tile, out, out_start, out_stride, count)


@njit(cache=True)
def row_product(x, packed, start, length, out, out_start):
    """One row of x times one panel. Two tiles take turns, so that an addition need not wait for the one before."""
    even, odd = zeros(1, COLUMNS), zeros(1, COLUMNS)
    for k in range(0, length - 1, 2):
        prefetch(packed, start + (k + AHEAD) * PANEL)
        prefetch(packed, start + (k + AHEAD + 1) * PANEL)
        even = add_outer(even, x, k, 0, packed, start + k * PANEL)
        odd = add_outer(odd, x, k + 1, 0, packed, start + (k + 1) * PANEL)
    if length % 2:
        even = add_outer(even, x, length - 1, 0, packed, start + (length - 1) * PANEL)
    store_rows(add_tiles(even, odd), out, out_start, 0, 1)


@njit(cache=True)
def copy_edge(edge, out, first_row, count, first_column):
    """A panel that sticks out of `out` was computed into edge [ROWS, PANEL]: copy it as far as out goes."""
    for r in range(count):
        for j in range(out.shape[1] - first_column):
            out[first_row + r, first_column + j] = edge[r * PANEL + j]


@njit(cache=True)
def row_times_panels(x, packed, out, first, last):
    """out [1, M] for the panels first .. last."""
    length, outputs = x.shape[1], out.shape[1]
    edge = np.empty(PANEL, np.float32)
    for panel in range(first, last):
        fits = (panel + 1) * PANEL <= outputs
        target, target_start = (out.reshape(-1), panel * PANEL) if fits else (edge, 0)
        row_product(x.reshape(-1), packed.reshape(-1), panel * length * PANEL, length, target, target_start)
        if not fits:
            copy_edge(edge, out, 0, 1, panel * PANEL)


@njit(parallel=True, cache=True)
def multiply_row(x, packed, out):
    """out [1, M] = x [1, K] @ weight.T, where packed = pack_weight(weight)."""
    panels = packed.shape[0]
    if packed.size < PARALLEL_FROM:
        row_times_panels(x, packed, out, 0, panels)
    else:
        for panel in prange(panels):
            row_times_panels(x, packed, out, panel, panel + 1)


@njit(cache=True)
def pack_rows(x, packed_x, tile):
    """Tile number `tile` of x [N, K], k by k: packed_x[tile, k, r] = x[tile * ROWS + r, k].

    Past the end the last row is repeated; store_rows writes only the rows that are there.
    """
    rows, length = x.shape
    for r in range(ROWS):
        row = min(tile * ROWS + r, rows - 1)
        for k in range(length):
            packed_x[tile, k, r] = x[row, k]


@njit(cache=True)
def tiles_times_panel(packed_x, packed, out, panel):
    """All rows of x times one panel, into the panel's columns of out."""
    tiles, length, _ = packed_x.shape
    rows, outputs = out.shape
    fits = (panel + 1) * PANEL <= outputs
    edge = np.empty(ROWS * PANEL, np.float32)
    for tile in range(tiles):
        row = tile * ROWS
        count = min(ROWS, rows - row)
        target, start, stride = (out.reshape(-1), row * outputs + panel * PANEL, outputs) if fits else (edge, 0, PANEL)
        tile_product(
            packed_x.reshape(-1), row * length, packed.reshape(-1), panel * length * PANEL, length,
            target, start, stride, count,
        )  # fmt: skip
        if not fits:
            copy_edge(edge, out, row, count, panel * PANEL)


@njit(parallel=True, cache=True)
def multiply(x, packed, out):
    """out [N, M] = x [N, K] @ weight.T, where packed = pack_weight(weight)."""
    rows, length = x.shape
    packed_x = np.empty(((rows + ROWS - 1) // ROWS, length, ROWS), np.float32)
    if rows * length * out.shape[1] < PARALLEL_FROM:
        for tile in range(packed_x.shape[0]):
            pack_rows(x, packed_x, tile)
        for panel in range(packed.shape[0]):
            tiles_times_panel(packed_x, packed, out, panel)
    else:
        for tile in prange(packed_x.shape[0]):
            pack_rows(x, packed_x, tile)
        for panel in prange(packed.shape[0]):
            tiles_times_panel(packed_x, packed, out, panel)
