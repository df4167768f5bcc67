"""attention on the CPU, expert version: tiles in registers, an online softmax, keys and values read once.

    decoding    one query per head, many keys. Memory decides, so keys and values are read as they lie, in a straight
                line over all heads; the keys are split among the threads and the parts merged.
    a prompt    many queries: arithmetic decides. FlashAttention: for each block of query rows, walk over blocks of keys
                and merge each into a running maximum, a running sum and the running output.

                keys ->   block 0   block 1   block 2
    rows of     block 0   [S . V]   [S . V]      -          the scores S [BLOCK_ROWS, BLOCK] never leave the cache,
    one head    block 1   [S . V]   [S . V]   [S . V]       and blocks beyond the diagonal are never touched

Query heads that share a key head are rows of one tile, so that each key is loaded once for all of them.
Both sum in the order of attention.py, bit for bit: within blocks of BLOCK keys, which begin at multiples of BLOCK, and
then block by block. A score is a sum in lanes, as in gemm.py; decoding has the lanes side by side, a prompt one by one.
All arrays are flat: `reshape` and slices of more than one dimension cost more than a small tile does.
Sources: Dao et al. 2022, FlashAttention (arXiv:2205.14135); Dao et al. 2023, Flash-Decoding.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.simd import (
    REGISTERS,
    WIDTH,
    add_outer,
    add_products,
    add_tiles,
    fma,
    load,
    load_rows,
    multiply,
    prefetch,
    splat,
    store,
    store_rows,
    store_sums,
    zeros,
)
from llaisys_mini.widen import widen

from .attention import BLOCK, PARALLEL_FROM, factors, scale_row
from .attention import attention as plain_attention
from .panels import LANES_IN_GROUP, place_in_segment
from .rows import LOWEST, exponentiate, largest

# ---- decoding: one query per head ----------------------------------------------------------------------------------

QUERY_ROWS = 2  # of a tile: query heads that share a key head
KEY_COLUMNS = 4  # of a tile of scores
VALUE_COLUMNS = 4  # of a tile of outputs
KEYS_PER_STEP = 16  # of a tile of outputs, between loading and storing it


@njit(cache=True)
def score_part(q, k, k_start, count, key_heads, group, width, scores, place):
    """scores[h, place + s] = q[h] . k[s] for `count` keys from offset k_start on, all heads; a row of scores is BLOCK
    long."""
    for s in range(0, count, KEY_COLUMNS):
        keys = min(KEY_COLUMNS, count - s)
        for key_head in range(key_heads):
            first = k_start + (s * key_heads + key_head) * width
            for row in range(key_head * group, key_head * group + group, QUERY_ROWS):
                rows = min(QUERY_ROWS, key_head * group + group - row)
                tile = zeros(QUERY_ROWS, KEY_COLUMNS)
                for d in range(0, width, WIDTH):
                    for ahead in range(KEY_COLUMNS, 2 * KEY_COLUMNS):
                        prefetch(k, first + ahead * key_heads * width + d)
                    tile = add_products(tile, q, row * width + d, width, rows, k, first + d, key_heads * width, keys)
                store_sums(tile, scores, row * BLOCK + place + s, BLOCK, rows, keys, False)


@njit(cache=True)
def mix_part(scores, place, v, v_start, count, key_heads, group, width, mixed):
    """mixed[h, d] += sum over s of scores[h, place + s] * v[s, d] for `count` values from offset v_start on, all
    heads."""
    for s in range(0, count, KEYS_PER_STEP):
        last = min(s + KEYS_PER_STEP, count)
        for key_head in range(key_heads):
            for row in range(key_head * group, key_head * group + group, QUERY_ROWS):
                rows = min(QUERY_ROWS, key_head * group + group - row)
                for d in range(0, width, VALUE_COLUMNS * WIDTH):
                    tile = load_rows(zeros(QUERY_ROWS, VALUE_COLUMNS), mixed, row * width + d, width, rows)
                    for t in range(s, last):
                        values = v_start + (t * key_heads + key_head) * width + d
                        for column in range(VALUE_COLUMNS):
                            prefetch(v, values + KEYS_PER_STEP * key_heads * width + column * WIDTH)
                        tile = add_outer(tile, scores, row * BLOCK + place + t, BLOCK, v, values)
                    store_rows(tile, mixed, row * width + d, width, rows)


@njit(cache=True)
def weigh_part(scores, count, heads, tops, totals):
    """The weights of `count` keys in place of their scores, for all heads; each head's largest score and sum."""
    for head in range(heads):
        row = scores[head * BLOCK : head * BLOCK + count]
        tops[head] = largest(row)
        totals[head] = exponentiate(row, np.float32(1), tops[head], row)


@njit(cache=True)
def decode_part(q, k, v, part, keys, heads, key_heads, width, mixed, tops, totals):
    """Part number `part` of the keys: for every head the unnormalised output, the maximum and the sum."""
    start = part * BLOCK * key_heads * width
    count = min(BLOCK, keys - part * BLOCK)
    padded = heads + QUERY_ROWS  # a tile of outputs reads scores of QUERY_ROWS rows, whether they are there or not
    scores = np.zeros(padded * BLOCK, np.float32)
    score_part(q, k, start, count, key_heads, heads // key_heads, width, scores, 0)
    weigh_part(scores, count, heads, tops, totals)
    mixed[:] = 0
    mix_part(scores, 0, v, start, count, key_heads, heads // key_heads, width, mixed)


@njit(cache=True)
def merge(mixed, start, mine, other, other_start, others, width):
    """As attention.merge, for `width` numbers of flat arrays."""
    my_factor, other_factor = splat(mine), splat(others)
    for d in range(0, width, WIDTH):
        scaled = multiply(load(mixed, start + d), my_factor)
        store(mixed, start + d, fma(load(other, other_start + d), other_factor, scaled))


@njit(error_model="numpy", cache=True)
def merge_parts(mixed, tops, totals, out):
    """Merge the parts, one after the other: mixed [parts, heads * width], tops and totals [parts, heads],
    out [heads * width]."""
    parts, heads = tops.shape
    width, flat_mixed = out.size // heads, mixed.reshape(-1)
    for head in range(heads):
        row = out[head * width : head * width + width]
        row[:] = 0
        top, total = LOWEST, np.float32(0)
        for part in range(parts):
            mine, others = factors(top, tops[part, head])
            merge(out, head * width, mine, flat_mixed, (part * heads + head) * width, others, width)
            top, total = max(top, tops[part, head]), fma(totals[part, head], others, total * mine)
        scale_row(row, np.float32(1) / total, row)


@njit(parallel=True)  # not kept on disk: it lies within what calls it, see llaisys_mini.kernels.compiled
def decode(q, k, v, scale, keys, heads, key_heads, width, out):
    """attention for one query position, L = 1."""
    parts = (keys + BLOCK - 1) // BLOCK
    scaled = np.empty(q.size, np.float32)
    scale_row(q, scale, scaled)
    mixed = np.empty((parts, heads * width), np.float32)
    tops = np.empty((parts, heads), np.float32)
    totals = np.empty((parts, heads), np.float32)
    if keys * q.size < PARALLEL_FROM:
        for part in range(parts):
            decode_part(
                scaled, k, v, part, keys, heads, key_heads, width, mixed[part], tops[part], totals[part]
            )  # fmt: skip
    else:
        for task in prange(parts):
            part = np.intp(task)  # prange counts without sign, and decode_part would be compiled once more for that
            decode_part(
                scaled, k, v, part, keys, heads, key_heads, width, mixed[part], tops[part], totals[part]
            )  # fmt: skip
    merge_parts(mixed, tops, totals, out)


# ---- a prompt ------------------------------------------------------------------------------------------------------

ROWS = 12 if REGISTERS == 32 else 6  # of a tile of outputs
SCORE_ROWS = 6  # of a tile of scores, of which several are needed at once
COLUMNS = 2
PANEL = COLUMNS * WIDTH  # keys, or elements of a value, side by side in a tile
BLOCK_ROWS = 96  # that share a block of keys while it is in the cache; a multiple of ROWS and of SCORE_ROWS


@njit(cache=True)
def pack_keys(k, packed, key_head, panel):
    """packed[key_head, panel, i, j] = k[panel * PANEL + j, key_head, d], i = place_in_segment(d); zero past the last
    key."""
    keys, _, width = k.shape
    for j in range(PANEL):
        s = panel * PANEL + j
        for d in range(width):
            i = place_in_segment(d, width // WIDTH)
            packed[key_head, panel, i, j] = widen(k[s, key_head, d]) if s < keys else np.float32(0)


@njit(cache=True)
def pack_values(v, packed, key_head, first, last):
    """packed[key_head, panel, s, j] = v[s, key_head, panel * PANEL + j]: what a tile reads of each value lies side by
    side. In rows of a power of two it would crowd a few sets of the L1 cache and push itself out."""
    for s in range(first, last):
        row = v[s, key_head]
        for d in range(row.size):
            packed[key_head, d // PANEL, s, d % PANEL] = widen(row[d])


@njit(cache=True)
def score_tile(queries, row, packed, start, width, scores, first):
    """scores[row .. row + SCORE_ROWS, first .. first + PANEL] = queries @ the panel of keys that starts at `start`."""
    steps = width // WIDTH
    total = zeros(SCORE_ROWS, COLUMNS)
    for group in range(4):
        part = zeros(SCORE_ROWS, COLUMNS)
        for lane in range(LANES_IN_GROUP):
            chain, i = zeros(SCORE_ROWS, COLUMNS), (group * LANES_IN_GROUP + lane) * steps
            for d in range(i, i + steps):
                chain = add_outer(chain, queries, row * width + d, width, packed, start + d * PANEL)
            part = add_tiles(part, chain)
        total = add_tiles(total, part)
    store_rows(total, scores, row * BLOCK + first, BLOCK, SCORE_ROWS)


@njit(cache=True)
def mix_tile(scores, row, v, start, count, width, mixed, d):
    """mixed[row .. row + ROWS, d .. d + PANEL] = scores @ the panel of v from `start` on, for `count` keys."""
    tile = zeros(ROWS, COLUMNS)
    for s in range(count):
        tile = add_outer(tile, scores, row * BLOCK + s, BLOCK, v, start + s * PANEL)
    store_rows(tile, mixed, row * width + d, width, ROWS)


@njit(cache=True)
def weigh_rows(scores, rows, first_row, group, seen, count, tops, totals):
    """The weights of `count` keys, of which query 0 sees `seen` (perhaps less than none), query 1 one more, and so on,
    in place of their scores; their largest score and sum. What a query does not see gets weight zero."""
    for r in range(rows):
        visible = max(0, min(count, seen + (first_row + r) // group))
        scores[r * BLOCK + visible : r * BLOCK + count] = 0
        totals[r] = 0
        if visible > 0:
            row = scores[r * BLOCK : r * BLOCK + visible]
            tops[r] = largest(row)
            totals[r] = exponentiate(row, np.float32(1), tops[r], row)


@njit(error_model="numpy", cache=True)
def prompt_block(q, packed_k, packed_v, scale, keys, group, key_head, first_row, out):
    """BLOCK_ROWS rows of one key head, rows counted as query * group + head within the group.

    q, out [L, H, D]; packed_k and packed_v flat.
    """
    length, width = q.shape[0], q.shape[2]
    rows = min(BLOCK_ROWS, length * group - first_row)
    queries = np.zeros(BLOCK_ROWS * width, np.float32)
    mixed = np.zeros(BLOCK_ROWS * width, np.float32)
    of_block = np.empty(BLOCK_ROWS * width, np.float32)
    scores = np.empty(BLOCK_ROWS * BLOCK, np.float32)
    tops, tops_of_block = np.full(BLOCK_ROWS, LOWEST, np.float32), np.empty(BLOCK_ROWS, np.float32)
    totals, totals_of_block = np.zeros(BLOCK_ROWS, np.float32), np.empty(BLOCK_ROWS, np.float32)
    for r in range(rows):
        query, head = (first_row + r) // group, key_head * group + (first_row + r) % group
        for d in range(width):
            queries[r * width + place_in_segment(d, width // WIDTH)] = q[query, head, d] * scale
    past = keys - length  # keys that even the first query sees, besides its own
    last_key = past + (first_row + rows - 1) // group + 1
    panel_size = width * PANEL
    first_panel = key_head * ((keys + PANEL - 1) // PANEL)
    for first_key in range(0, last_key, BLOCK):
        count = min(BLOCK, last_key - first_key)
        for first in range(0, count, PANEL):
            start = (first_panel + (first_key + first) // PANEL) * panel_size
            for row in range(0, rows, SCORE_ROWS):
                score_tile(queries, row, packed_k, start, width, scores, first)
        weigh_rows(scores, rows, first_row, group, past + 1 - first_key, count, tops_of_block, totals_of_block)
        for d in range(0, width, PANEL):
            start = key_head * keys * width + d * keys + first_key * PANEL
            for row in range(0, rows, ROWS):
                mix_tile(scores, row, packed_v, start, count, width, of_block, d)
        for r in range(rows):
            if totals_of_block[r] > 0:
                mine, others = factors(tops[r], tops_of_block[r])
                merge(mixed, r * width, mine, of_block, r * width, others, width)
                tops[r] = max(tops[r], tops_of_block[r])
                totals[r] = fma(totals_of_block[r], others, totals[r] * mine)
    for r in range(rows):
        query, head = (first_row + r) // group, key_head * group + (first_row + r) % group
        scale_row(mixed[r * width : r * width + width], np.float32(1) / totals[r], out[query, head])


@njit(parallel=True)  # not kept on disk: it lies within what calls it, see llaisys_mini.kernels.compiled
def read_prompt(q, k, v, scale, out):
    """attention for several query positions."""
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    panels = (keys + PANEL - 1) // PANEL
    blocks = (length * heads // key_heads + BLOCK_ROWS - 1) // BLOCK_ROWS
    packed_k = np.empty((key_heads, panels, width, PANEL), np.float32)
    packed_v = np.empty((key_heads, width // PANEL, keys, PANEL), np.float32)
    for number in prange(key_heads * panels):
        task = np.intp(number)  # as in decode
        key_head, panel = task // panels, task % panels
        pack_keys(k, packed_k, key_head, panel)
        pack_values(v, packed_v, key_head, panel * PANEL, min(keys, panel * PANEL + PANEL))
    for number in prange(key_heads * blocks):
        task = np.intp(number)
        # The last blocks see the most keys: start with them, so that no thread ends up waiting for one of them.
        key_head, first_row = task % key_heads, (blocks - 1 - task // key_heads) * BLOCK_ROWS
        prompt_block(
            q, packed_k.reshape(-1), packed_v.reshape(-1), scale, keys, heads // key_heads, key_head, first_row, out
        )


LARGE = 1 << 17  # numbers of all keys; below, a small model never earns back that this kernel takes longer to compile


def answers(dims):
    """Whether this kernel answers instead of attention.py: for many keys, however many queries come."""
    return dims["S"] * dims["K"] * dims["D"] >= LARGE


@njit(cache=True)
def one_query(q, k, v, scale, out):
    flat_q, flat_k, flat_v = q.reshape(-1), k.reshape(-1), v.reshape(-1)
    _, heads, width = q.shape
    keys, key_heads, _ = k.shape
    decode(flat_q, flat_k, flat_v, np.float32(scale), keys, heads, key_heads, width, out.reshape(-1))


@njit(cache=True)
def many_queries(q, k, v, scale, out):
    read_prompt(q, k, v, np.float32(scale), out)


def whole(dims):
    """Each of the three is compiled only if it is needed."""
    if dims["D"] % (VALUE_COLUMNS * WIDTH):
        return plain_attention
    return one_query if dims["L"] == 1 else many_queries


@kernel("attention", device="cpu", when=answers, whole=whole)
def attention(q, k, v, scale, out):
    whole({"L": q.shape[0], "D": q.shape[2]})(q, k, v, scale, out)
