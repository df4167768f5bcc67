"""attention on the CPU, expert version: tiles in registers, an online softmax, keys and values read once.

Query heads that share a key head are handled together: their rows form one block. Per key head:

    decoding    few rows, many keys     scores by dot products (the keys as they lie in the cache), then the weighted
                                        sum of the values; the keys are split among the threads and the parts merged
    a prompt    many rows               FlashAttention: for each block of rows, walk over blocks of keys and keep a
                                        running maximum, a running sum and the running output

                keys ->   block 0   block 1   block 2
    rows of     block 0   [S . V]   [S . V]      -          the tile S [ROWS, KEYS] never leaves the cache,
    one head    block 1   [S . V]   [S . V]   [S . V]       and blocks beyond the diagonal are never touched

Source: Dao et al. 2022, FlashAttention (arXiv:2205.14135); Dao et al. 2023, Flash-Decoding.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.fast_exp import fast_exp
from llaisys_mini.simd import (
    REGISTERS,
    WIDTH,
    add_outer,
    add_products,
    load_rows,
    store_rows,
    store_sums,
    zeros,
)
from llaisys_mini.widen import widen

from .attention import PARALLEL_FROM, attend_all

COLUMNS = 2
PANEL = COLUMNS * WIDTH
ROWS = 12 if REGISTERS == 32 else 6
KEYS = 4 * PANEL  # keys per block of a prompt
SPLIT = 256  # keys per part when decoding: their values stay in the cache between passes
DECODING_ROWS = 4  # rows of a tile when decoding
LOWEST = np.float32(-3e38)


# ---- decoding: L * H / K rows of one key head against a part of the keys --------------------------------------------


@njit(cache=True)
def score_part(q, q_start, rows, k, k_start, k_stride, count, scores):
    """scores[r, s] (stride SPLIT) = dot product of query row r with key s, unscaled."""
    width = q.shape[-1]
    for r in range(0, rows, DECODING_ROWS):
        for s in range(0, count, 4):
            tile = zeros(DECODING_ROWS, 4)
            here, keys = min(DECODING_ROWS, rows - r), min(4, count - s)
            for d in range(0, width, WIDTH):
                tile = add_products(
                    tile, q.reshape(-1), q_start + r * width + d, width, here,
                    k.reshape(-1), k_start + s * k_stride + d, k_stride, keys,
                )  # fmt: skip
            store_sums(tile, scores, r * SPLIT + s, SPLIT, here, keys)


@njit(fastmath={"reassoc", "contract", "nnan", "ninf"}, cache=True)
def exponentiate(scores, start, count, scale, top):
    """scores -> exp(scale * score - top) in place; returns their sum."""
    total = np.float32(0)
    for s in range(start, start + count):
        scores[s] = fast_exp(scores[s] * scale - top)
        total += scores[s]
    return total


@njit(fastmath=True, cache=True)
def largest(scores, start, count):
    top = LOWEST
    for s in range(start, start + count):
        top = max(top, scores[s])
    return top


@njit(cache=True)
def mix_part(scores, rows, v, v_start, v_stride, width, count, mixed):
    """mixed[r, d] = sum over s of scores[r, s] * v[s, d]."""
    for r in range(0, rows, DECODING_ROWS):
        for d in range(0, width, PANEL):
            tile = zeros(DECODING_ROWS, COLUMNS)
            for s in range(count):
                tile = add_outer(tile, scores, r * SPLIT + s, SPLIT, v.reshape(-1), v_start + s * v_stride + d)
            store_rows(tile, mixed, r * width + d, width, min(DECODING_ROWS, rows - r))


@njit(cache=True)
def decode_part(q, k, v, scale, key_head, part, mixed, tops, totals):
    """One key head's rows against keys part * SPLIT .. : unnormalised output, maximum and sum of each row."""
    keys, key_heads, width = k.shape
    rows = q.shape[1] // key_heads
    first = part * SPLIT
    count = min(SPLIT, keys - first)
    padded = (rows + DECODING_ROWS - 1) // DECODING_ROWS * DECODING_ROWS
    scores = np.zeros(padded * SPLIT, np.float32)
    start, stride = (first * key_heads + key_head) * width, key_heads * width
    score_part(q, key_head * rows * width, rows, k, start, stride, count, scores)
    for r in range(rows):
        tops[r] = largest(scores, r * SPLIT, count) * scale
        totals[r] = exponentiate(scores, r * SPLIT, count, scale, tops[r])
    mix_part(scores, rows, v, start, stride, width, count, mixed)


@njit(cache=True)
def merge_parts(mixed, tops, totals, key_head, out):
    """Combine the parts [parts, rows, ...] of one key head: each was relative to its own maximum."""
    parts, rows = tops.shape
    width = out.shape[2]
    for r in range(rows):
        top = LOWEST
        for part in range(parts):
            top = max(top, tops[part, r])
        total = np.float32(0)
        for part in range(parts):
            total += totals[part, r] * fast_exp(tops[part, r] - top)
        for d in range(width):
            out[0, key_head * rows + r, d] = np.float32(0)
        for part in range(parts):
            share = fast_exp(tops[part, r] - top) / total
            for d in range(width):
                out[0, key_head * rows + r, d] += share * mixed[part, r * width + d]


@njit(parallel=True, cache=True)
def decode(q, k, v, scale, out):
    """attention for one query position, L = 1."""
    keys, key_heads, width = k.shape
    rows = q.shape[1] // key_heads
    parts = (keys + SPLIT - 1) // SPLIT
    mixed = np.empty((key_heads, parts, rows * width), np.float32)
    tops = np.empty((key_heads, parts, rows), np.float32)
    totals = np.empty((key_heads, parts, rows), np.float32)
    if keys * q.size < PARALLEL_FROM:
        for task in range(key_heads * parts):
            head, part = task // parts, task % parts
            decode_part(q, k, v, scale, head, part, mixed[head, part], tops[head, part], totals[head, part])
    else:
        for task in prange(key_heads * parts):
            head, part = task // parts, task % parts
            decode_part(q, k, v, scale, head, part, mixed[head, part], tops[head, part], totals[head, part])
    for head in range(key_heads):
        merge_parts(mixed[head], tops[head], totals[head], head, out)


# ---- a prompt ------------------------------------------------------------------------------------------------------


@njit(cache=True)
def pack_keys(k, packed, key_head, panel):
    """packed[key_head, panel, d, j] = k[panel * PANEL + j, key_head, d], zero past the last key."""
    keys, _, width = k.shape
    for j in range(PANEL):
        s = panel * PANEL + j
        for d in range(width):
            packed[key_head, panel, d, j] = widen(k[s, key_head, d]) if s < keys else np.float32(0)


@njit(cache=True)
def score_tile(queries, row, packed, start, width, scores, first):
    """scores[row .. row + ROWS, first .. first + PANEL] = queries @ the panel of keys that starts at `start`."""
    tile = zeros(ROWS, COLUMNS)
    for d in range(width):
        tile = add_outer(tile, queries, row * width + d, width, packed, start + d * PANEL)
    store_rows(tile, scores, row * KEYS + first, KEYS, ROWS)


@njit(cache=True)
def mix_tile(scores, row, v, start, stride, count, width, mixed, d):
    """mixed[row .. row + ROWS, d .. d + PANEL] += scores @ v for `count` keys."""
    tile = load_rows(zeros(ROWS, COLUMNS), mixed, row * width + d, width, ROWS)
    for s in range(count):
        tile = add_outer(tile, scores, row * KEYS + s, KEYS, v, start + s * stride + d)
    store_rows(tile, mixed, row * width + d, width, ROWS)


@njit(fastmath={"reassoc", "contract", "nnan", "ninf"}, cache=True)
def update_row(scores, row, visible, count, tops, totals, mixed, width):
    """Online softmax of one row: the first `visible` of `count` scores count, the others get weight zero."""
    start = row * KEYS
    top = max(tops[row], largest(scores, start, visible))
    shrink = fast_exp(tops[row] - top)
    total = exponentiate(scores, start, visible, np.float32(1), top)
    for s in range(start + visible, start + count):
        scores[s] = np.float32(0)
    tops[row] = top
    totals[row] = totals[row] * shrink + total
    if shrink != np.float32(1):
        for d in range(row * width, row * width + width):
            mixed[d] *= shrink


@njit(cache=True)
def prompt_block(q, k, v, packed, scale, key_head, first_row, out):
    """ROWS rows of one key head, rows counted as query * group + head within the group."""
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    group = heads // key_heads
    rows = min(ROWS, length * group - first_row)
    queries = np.zeros(ROWS * width, np.float32)
    mixed = np.zeros(ROWS * width, np.float32)
    scores = np.zeros(ROWS * KEYS, np.float32)
    tops = np.full(ROWS, LOWEST, np.float32)
    totals = np.zeros(ROWS, np.float32)
    for r in range(rows):
        query, head = (first_row + r) // group, key_head * group + (first_row + r) % group
        for d in range(width):
            queries[r * width + d] = q[query, head, d] * scale
    past = keys - length
    last_key = past + (first_row + rows - 1) // group + 1
    panels = packed.shape[1]
    flat_packed, flat_v = packed.reshape(-1), v.reshape(-1)
    for first_key in range(0, last_key, KEYS):
        count = min(KEYS, last_key - first_key)
        for first in range(0, count, PANEL):
            panel = (first_key + first) // PANEL
            score_tile(queries, 0, flat_packed, (key_head * panels + panel) * width * PANEL, width, scores, first)
        for r in range(rows):
            visible = min(count, past + (first_row + r) // group + 1 - first_key)
            update_row(scores, r, max(visible, 0), count, tops, totals, mixed, width)
        for d in range(0, width, PANEL):
            mix_tile(
                scores, 0, flat_v, (first_key * key_heads + key_head) * width, key_heads * width, count, width, mixed, d
            )
    for r in range(rows):
        query, head = (first_row + r) // group, key_head * group + (first_row + r) % group
        share = np.float32(1) / totals[r]
        for d in range(width):
            out[query, head, d] = mixed[r * width + d] * share


@njit(parallel=True, cache=True)
def read_prompt(q, k, v, scale, out):
    """attention for several query positions."""
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    panels = (keys + PANEL - 1) // PANEL
    blocks = (length * heads // key_heads + ROWS - 1) // ROWS
    packed = np.empty((key_heads, panels, width, PANEL), np.float32)
    for task in prange(key_heads * panels):
        pack_keys(k, packed, task // panels, task % panels)
    for task in prange(key_heads * blocks):
        # The last blocks see the most keys: start with them, so that no thread ends up waiting for one of them.
        prompt_block(q, k, v, packed, scale, task % key_heads, (blocks - 1 - task // key_heads) * ROWS, out)


@kernel("attention", device="cpu")
@njit(cache=True)
def attention(q, k, v, scale, out):
    if q.shape[2] % PANEL:
        attend_all(q, k, v, np.float32(scale), k.shape[0], out)
    elif q.shape[0] == 1:
        decode(q, k, v, np.float32(scale), out)
    else:
        read_prompt(q, k, v, np.float32(scale), out)
