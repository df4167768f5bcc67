"""attention on CUDA, expert version: two ways, for few queries (decoding) and for many (a prompt).

Few queries: attention_split.py, which splits the keys among blocks.

Many queries: on tensor cores where flash_bfloat16 takes them. Otherwise a block takes 32 queries of a head and walks
over tiles of 32 keys in shared memory, so each key is read once for 32 queries, 16 bytes a load. Each thread holds
2 x 4 scores and 2 x 16 mixed values in registers. Eight neighbouring threads hold a query's row, so its maximum and sum
take three shuffles. The softmax is kept online, as in the plain version.

The same kernel reads keys in pages, for many texts: see paged_attention_expert.py.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.vectors import load4_shared, load8, store4_shared

from . import attention_split, flash_bfloat16
from .attention import launch as launch_plain
from .attention_split import ALL_LANES, FEW, WIDEST

ROWS, COLUMNS = 32, 32  # queries and keys of a tile
THREADS = 128
PITCH = WIDEST + 4
TILE = ROWS * PITCH
EXPONENTIALS_PITCH = COLUMNS + 1
ANY = 1 << 30  # more rows than a text has


@cuda.jit(device=True)
def rows_of_tile(tile, starts, length, below):
    """(first row, end of the rows, text) of a tile; without `starts` all rows are of one text.

    Text n has the tiles from starts[n] // ROWS + n on, which leaves it as many as it needs, and sometimes one without a
    row: its first row is then not below the end. So a tile's text is found by a binary search, and the number of tiles,
    rows // ROWS + texts, is known without the lengths of the texts. The few rows of a text that attention_split serves
    have no tile, nor have those of a text with `below` rows or more.
    """
    if starts is None:
        row_start, row_end, text = ROWS * tile, length, 0
    else:
        text, end = 0, starts.size - 1
        while end - text > 1:
            middle = (text + end) // 2
            if starts[middle] // ROWS + middle <= tile:
                text = middle
            else:
                end = middle
        row_start = starts[text] + ROWS * (tile - starts[text] // ROWS - text)
        row_end = starts[text + 1]
        count = row_end - starts[text]
        if count <= FEW or count >= below:
            row_start = row_end
    return row_start, row_end, text


@cuda.jit(device=True)
def fill_tile(source, where, key_heads, key_head, width, tile):
    """The keys, or values, of a tile into shared memory; zeros where there are none. where: their places, or -1."""
    for e in range(cuda.threadIdx.x, COLUMNS * WIDEST // 8, THREADS):
        column, d = e // (WIDEST // 8), 8 * (e % (WIDEST // 8))
        n0 = n1 = n2 = n3 = n4 = n5 = n6 = n7 = np.float32(0)
        if where[column] >= 0 and d < width:
            n0, n1, n2, n3, n4, n5, n6, n7 = load8(source, (where[column] * key_heads + key_head) * width + d)
        store4_shared(tile, column * PITCH + d, n0, n1, n2, n3)
        store4_shared(tile, column * PITCH + d + 4, n4, n5, n6, n7)


@cuda.jit(launch_bounds=(THREADS, 2))
def tiled_kernel(q, k, v, table, lengths, starts, page_size, key_heads, scale, window, below, out):
    """k, v flat, of [keys, key_heads, D] or [pages, page_size, key_heads, D]; table, lengths, starts: as in the
    contract of paged_attention, or None."""
    tile_q = cuda.shared.array(TILE, np.float32, alignment=16)
    tile_kv = cuda.shared.array(TILE, np.float32, alignment=16)
    exponentials = cuda.shared.array((ROWS, EXPONENTIALS_PITCH), np.float32)
    where = cuda.shared.array(COLUMNS, np.int32)
    scores = cuda.local.array((2, 4), np.float32)
    sums = cuda.local.array((2, 16), np.float32)
    top, total = cuda.local.array(2, np.float32), cuda.local.array(2, np.float32)
    a, b = cuda.local.array(4, np.float32), cuda.local.array(4, np.float32)
    heads, width = q.shape[1], q.shape[2]
    head = cuda.blockIdx.y
    key_head = head // (heads // key_heads)
    t = cuda.threadIdx.x
    ty, tx = t // 8, t % 8  # rows 2 ty and 2 ty + 1; keys tx + 8 j; numbers 4 tx + 32 c + 0 ... 3
    row_start, length, text = rows_of_tile(cuda.blockIdx.x, starts, q.shape[0], below)
    if row_start >= length:
        return
    if table is None:
        past = k.size // (key_heads * width) - length
    else:
        past = lengths[text] - length  # row t sits at position past + t

    for e in range(t, ROWS * WIDEST, THREADS):
        row, d = e // WIDEST, e % WIDEST
        tile_q[row * PITCH + d] = np.float32(0)
        if row_start + row < length and d < width:
            tile_q[row * PITCH + d] = q[row_start + row, head, d] * scale
    for i in range(2):
        top[i] = np.float32(-math.inf)
        total[i] = np.float32(0)
        for j in range(16):
            sums[i, j] = np.float32(0)

    first = max(0, past + row_start - window + 1) // COLUMNS * COLUMNS
    last = past + min(row_start + ROWS, length)  # exclusive
    for start in range(first, last, COLUMNS):
        if t < COLUMNS:
            s = start + t
            where[t] = -1
            if s < last:
                where[t] = s
                if table is not None:
                    where[t] = table[text, s // page_size] * page_size + s % page_size
        cuda.syncthreads()  # the values of the round before have been used
        fill_tile(k, where, key_heads, key_head, width, tile_kv)
        cuda.syncthreads()
        for i in range(2):
            for j in range(4):
                scores[i, j] = np.float32(0)
        for d in range(0, width, 4):
            for i in range(2):
                a[0], a[1], a[2], a[3] = load4_shared(tile_q, (2 * ty + i) * PITCH + d)
                for j in range(4):
                    b[0], b[1], b[2], b[3] = load4_shared(tile_kv, (tx + 8 * j) * PITCH + d)
                    for n in range(4):
                        scores[i, j] += a[n] * b[n]
        for i in range(2):
            position = past + row_start + 2 * ty + i
            largest = top[i]
            for j in range(4):
                s = start + tx + 8 * j
                if s > position or s <= position - window:
                    scores[i, j] = np.float32(-math.inf)
                largest = max(largest, scores[i, j])
            largest = max(largest, cuda.shfl_xor_sync(ALL_LANES, largest, 1))
            largest = max(largest, cuda.shfl_xor_sync(ALL_LANES, largest, 2))
            largest = max(largest, cuda.shfl_xor_sync(ALL_LANES, largest, 4))
            # Until a query sees its first key the largest is -inf, and -inf - -inf would be NaN.
            reference = largest if largest > np.float32(-math.inf) else np.float32(0)
            shrink = math.exp(top[i] - reference)
            part = np.float32(0)
            for j in range(4):
                exponential = math.exp(scores[i, j] - reference)
                exponentials[2 * ty + i, tx + 8 * j] = exponential
                part += exponential
            total[i] = total[i] * shrink + part
            for j in range(16):
                sums[i, j] *= shrink
            top[i] = largest
        cuda.syncthreads()  # the keys have been used, the exponentials are written
        fill_tile(v, where, key_heads, key_head, width, tile_kv)
        cuda.syncthreads()
        for s in range(COLUMNS):
            for c in range(4):
                b[0], b[1], b[2], b[3] = load4_shared(tile_kv, s * PITCH + 4 * tx + 32 * c)
                for i in range(2):
                    for n in range(4):
                        sums[i, 4 * c + n] += exponentials[2 * ty + i, s] * b[n]

    for i in range(2):
        sum_of_exponentials = total[i]
        sum_of_exponentials += cuda.shfl_xor_sync(ALL_LANES, sum_of_exponentials, 1)
        sum_of_exponentials += cuda.shfl_xor_sync(ALL_LANES, sum_of_exponentials, 2)
        sum_of_exponentials += cuda.shfl_xor_sync(ALL_LANES, sum_of_exponentials, 4)
        row = row_start + 2 * ty + i
        for j in range(16):
            d = 4 * tx + 32 * (j // 4) + j % 4
            if row < length and d < width:
                out[row, head, d] = sums[i, j] / sum_of_exponentials


def launch_tiled(q, k, v, scale, window, out, pages=None, below=ANY):
    """All rows of one text, keys k, v [S, K, D]; or with pages (table, lengths, starts) and k, v [P, B, K, D] the rows
    of the texts that have more than FEW and fewer than `below`. D is a multiple of 8, at most WIDEST.
    """
    rows, heads = q.shape[:2]
    if pages is None:
        tiles, page_size = (rows + ROWS - 1) // ROWS, 1
        table = lengths = starts = None
    else:
        table, lengths, starts = pages
        tiles, page_size = rows // ROWS + table.shape[0], k.shape[1]
    flat_k, flat_v = k.reshape(k.size), v.reshape(v.size)
    tiled_kernel[(tiles, heads), THREADS](
        q, flat_k, flat_v, table, lengths, starts, page_size, k.shape[-2], np.float32(scale), window, below, out
    )


def launch(q, k, v, scale, window, out):
    """Attention under a sliding window of `window` keys."""
    if q.shape[2] % 8 or q.shape[2] > WIDEST:
        launch_plain(q, k, v, scale, window, out)
    elif q.shape[0] <= FEW:
        attention_split.launch(q, k, v, scale, window, out)
    elif flash_bfloat16.takes(k, q.shape[2]):
        flash_bfloat16.launch(q, k, v, scale, window, out)
    else:
        launch_tiled(q, k, v, scale, window, out)


@kernel("attention", device="cuda", when=lambda dims: dims["S"] * dims["K"] * dims["D"] >= 1 << 16)
def attention(q, k, v, scale, out):
    launch(q, k, v, scale, k.shape[0], out)
