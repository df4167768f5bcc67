"""Matrix product as fast as the machine: packed panels, register tiles, threads. Shared by linear and matmul; one
row stands in gemv.py.

    out [N, M] = x [N, K] @ weight.T            weight [M, K]

1. Pack. The weight is cut into panels of PANEL outputs, and each panel is stored k by k, so that the inner loop reads
   memory in a straight line:    packed [panel][k][PANEL]
   k is cut into stretches of at most DEPTH steps, and the rows of x are copied stretch by stretch, so that a block of
   rows stays in a cache:        packed_x [stretch][row][LINE]
   k does not run from 0 up, but in the order of panels.py.
2. Tile. A tile of ROWS rows and one panel stays in registers while k runs. Each step loads one line of the panel and
   ROWS numbers of x, and does ROWS * PANEL multiply-adds:

                     panel, step k
                     [ w w w w | w w w w ]        COLUMNS vectors
        x[row 0, k]  [   tile row 0      ] += x * w
        x[row 1, k]  [   tile row 1      ] += x * w
          ...

3. Threads. Panels are shared out, so no two threads write to the same columns. The order of every sum: see panels.py.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini.cpu.simd import (
    REGISTERS,
    WIDTH,
    add_outer,
    add_tiles,
    load,
    load_rows,
    prefetch_far,
    prefetch_rows,
    store,
    store_rows,
    transposed,
    zeros,
)

from .linear import SEGMENT
from .panels import COLUMNS, DEPTH, PANEL, room, stretch, stretches_of

ROWS = 6  # of 32 registers a chain and the finished sums take ROWS * COLUMNS each, the weights COLUMNS, and x one
SHORT = 4  # rows of a lower tile, for the last ones: 64 rows are 10 * 6 + 4
FEW = 8 if REGISTERS == 32 else ROWS  # rows that still go through one tile, as long as a chain of it fits the registers
LINE = DEPTH + 16  # numbers from a packed row of x to the next; not a power of two, or rows crowd the same cache sets
BLOCK_ROWS = 20 * ROWS  # rows of x whose stretch stays in the L2 cache while all panels go by: 188 KiB
GROUP = 16  # panels that a thread takes at a time, at most
PARALLEL_FROM = 1 << 19  # multiply-adds; below, starting the threads costs more than they save
MANY_TILES = 2  # of a panel, among which asking for the next panel is shared out
DIRECT = 48  # rows for which each tile turns 16-bit weights into float32 itself


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
def room_for_rows(rows, stretches):
    """An array for packed_x [stretch][row][LINE], flat."""
    return room(stretches * rows_with_padding(rows) * LINE, np.float32)


@njit(cache=True)
def copy_segment(source, first, steps, target, start, group_step, scratch):
    """A segment of a row, `steps` vectors from source[first], lane by lane: lane i goes, one number after the other, to
    target[start + i % 4 * group_step + i // 4 * steps]. scratch: room for a tile of WIDTH x 1."""
    if steps < WIDTH:
        for lane in range(WIDTH):
            position = start + lane % 4 * group_step + lane // 4 * steps
            for i in range(steps):
                target[position + i] = source[first + i * WIDTH + lane]
        return
    for t in range(0, steps, WIDTH):
        t = min(t, steps - WIDTH)  # the last block begins earlier, and copies some numbers once more
        block = load_rows(zeros(WIDTH, 1), source, first + t * WIDTH, WIDTH, WIDTH)
        store_rows(transposed(block), scratch, 0, WIDTH, WIDTH)
        for lane in range(WIDTH):
            position = start + lane % 4 * group_step + lane // 4 * steps + t
            store(target, position, load(scratch, lane * WIDTH))


@njit(cache=True)
def pack_row(x, packed_x, row):
    """Row number `row` of packed_x. Past the end the last row of x is repeated; store_rows leaves it out."""
    rows, length = x.shape
    padded, source = rows_with_padding(rows), x[min(row, rows - 1)]
    whole, scratch = length - length % WIDTH, np.empty(WIDTH * WIDTH, np.float32)
    for first in range(0, whole, SEGMENT):
        count = min(SEGMENT, whole - first)
        start = (first // SEGMENT * 4 * padded + row) * LINE
        group_step = padded * LINE if count > DEPTH else count // 4
        copy_segment(source, first, count // WIDTH, packed_x, start, group_step, scratch)
    start = ((stretches_of(length) - 1) * padded + row) * LINE
    for k in range(whole, length):
        packed_x[start + k - whole] = source[k]


@njit(cache=True, forceinline=True)
def tile_product(
    zero, packed_x, x_start, packed, start, groups, chains, steps, begun, out, out_start, out_stride, count, soon,
    pace,
):  # fmt: skip
    """One stretch of k, for the first `count` rows of a tile times one panel, into out; added to what stands there if
    the sums have begun in a stretch before. `zero` is an empty tile. All arrays are flat.

    Each step asks for packed[soon], which a later tile needs, and moves it on by `pace`: asked for all at once, so many
    lines from memory would hold up those that this tile waits for.
    """
    prefetch_rows(zero, out, out_start, out_stride, count)
    for _ in range(groups):
        sums = zero
        for _ in range(chains):
            chain = zero
            for _ in range(steps):
                chain = add_outer(chain, packed_x, x_start, LINE, packed, start)
                prefetch_far(packed, soon)
                x_start, start, soon = x_start + 1, start + PANEL, soon + pace
            sums = add_tiles(sums, chain)
        if begun:
            sums = add_tiles(sums, load_rows(zero, out, out_start, out_stride, count))
        store_rows(sums, out, out_start, out_stride, count)
        begun = True


@njit(cache=True)
def move_edge(edge, out, first_row, count, first_column, outputs, back):
    """The part of out that a panel sticking out of it covers, to edge [SHORT, PANEL]; or back from there. Both flat."""
    for r in range(count):
        for j in range(outputs - first_column):
            position = (first_row + r) * outputs + first_column + j
            if back:
                out[position] = edge[r * PANEL + j]
            else:
                edge[r * PANEL + j] = out[position]


@njit(cache=True)
def stretch_times_panels(
    packed_x, x_start, rows, packed, start, panel_step, panels, groups, chains, steps, out,
    outputs, first_column,
):  # fmt: skip
    """One stretch of k: all rows of x, from packed_x[x_start], times `panels` panels, from packed[start], into out from
    first_column on; added to what stands there unless x_start is 0, the first stretch. All flat.

        for a block of rows           its part of x stays in L2
          for a panel                 its part stays in L1 ...
            for a tile of rows        ... while all tiles of the block go by, and the next panel comes from memory
    """
    begun = x_start > 0
    high = rows_in_high_tiles(rows)
    lines = groups * chains * steps
    whole = min(panels, (outputs - first_column) // PANEL)
    if ROWS < rows <= FEW:  # the finished sums wait outside of the registers while a chain runs
        for panel in range(whole):
            tile_product(
                zeros(FEW, COLUMNS), packed_x, x_start, packed, start + panel * panel_step, groups, chains, steps,
                begun, out, first_column + panel * PANEL, outputs, rows, start, 0,
            )  # fmt: skip
    else:
        for block in range(0, max(high, 1), BLOCK_ROWS):
            end = min(block + BLOCK_ROWS, high)
            tiles = (end - block) // ROWS
            pace = (PANEL + tiles - 1) // tiles if block == 0 and tiles >= MANY_TILES and panels > 1 else 0
            for panel in range(whole):
                weights, column = start + panel * panel_step, first_column + panel * PANEL
                soon = weights + panel_step if panel < panels - 1 else start + lines * PANEL  # of the next stretch
                for row in range(block, end, ROWS):
                    tile_product(
                        zeros(ROWS, COLUMNS), packed_x, x_start + row * LINE, packed, weights, groups, chains, steps,
                        begun, out, row * outputs + column, outputs, rows - row, soon, pace,
                    )  # fmt: skip
                    soon += pace * lines
                if end == high:
                    for row in range(high, rows, SHORT):
                        tile_product(
                            zeros(SHORT, COLUMNS), packed_x, x_start + row * LINE, packed, weights, groups, chains,
                            steps, begun, out, row * outputs + column, outputs, rows - row, weights, 0,
                        )  # fmt: skip
    if whole < panels:  # the last panel sticks out of `out`
        edge = np.zeros(SHORT * PANEL, np.float32)
        weights, column = start + whole * panel_step, first_column + whole * PANEL
        for row in range(0, rows, SHORT):
            count = min(SHORT, rows - row)
            if begun:
                move_edge(edge, out, row, count, column, outputs, False)
            tile_product(
                zeros(SHORT, COLUMNS), packed_x, x_start + row * LINE, packed, weights, groups, chains, steps, begun,
                edge, 0, PANEL, count, weights, 0,
            )  # fmt: skip
            move_edge(edge, out, row, count, column, outputs, True)


@njit(cache=True)
def widened(packed, start, size, wide):
    """wide = the `size` numbers of a panel from packed[start], as float32. Both flat."""
    for i in range(0, size, WIDTH):
        store(wide, i, load(packed, start + i))


@njit(cache=True)
def group_product(packed_x, packed, first, last, out):
    """The panels first .. last of multiply.

    For more than DIRECT rows 16-bit weights become float32 first, a stretch of a panel at a time: else every tile of
    rows would do that again. For fewer that way through memory costs more, and the next panel could not be asked for.
    """
    rows, outputs = out.shape
    length, padded = packed.shape[1], rows_with_padding(rows)
    flat_packed, flat_out = packed.reshape(-1), out.reshape(-1)
    wide = room(LINE * PANEL if packed.itemsize == 2 else 0, np.float32)
    for number in range(stretches_of(length)):
        k, groups, chains, steps = stretch(number, length)
        x_start, start = number * padded * LINE, (first * length + k) * PANEL
        if packed.itemsize == 2 and rows > DIRECT:
            for panel in range(last - first):
                widened(flat_packed, start + panel * length * PANEL, groups * chains * steps * PANEL, wide)
                stretch_times_panels(
                    packed_x, x_start, rows, wide, 0, 0, 1, groups, chains, steps,
                    flat_out, outputs, (first + panel) * PANEL,
                )  # fmt: skip
        else:
            stretch_times_panels(
                packed_x, x_start, rows, flat_packed, start, length * PANEL, last - first, groups, chains, steps,
                flat_out, outputs, first * PANEL,
            )  # fmt: skip


@njit(cache=True)
def panels_per_task(panels, threads):
    """GROUP, or less, so that every thread gets the same number of tasks."""
    tasks = threads * ((panels + threads * GROUP - 1) // (threads * GROUP))
    return (panels + tasks - 1) // tasks


@njit(parallel=True)  # not kept on disk: it lies within what calls it, see llaisys_mini.kernels.compiled
def multiply(x, packed, out, threads):
    """out [N, M] = x [N, K] @ weight.T, where packed = pack_weight(weight), shared out among `threads`."""
    rows, length = x.shape
    panels = packed.shape[0]
    packed_x = room_for_rows(rows, stretches_of(length))
    if rows * length * out.shape[1] < PARALLEL_FROM:
        for row in range(rows_with_padding(rows)):
            pack_row(x, packed_x, row)
        group_product(packed_x, packed, np.intp(0), panels, out)
    else:
        # intp, of zero too: prange counts without sign, and a 0 has a type of its own. What is called would be compiled
        # once more for each.
        for row in prange(rows_with_padding(rows)):
            pack_row(x, packed_x, np.intp(row))
        group = panels_per_task(panels, threads)
        for task in prange((panels + group - 1) // group):
            first = np.intp(task * group)
            group_product(packed_x, packed, first, min(first + group, panels), out)
