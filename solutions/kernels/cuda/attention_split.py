"""Attention of few rows, their keys split among blocks: for the expert versions of attention and paged_attention.

One row and a few heads are little work for a GPU, so each block mixes a stretch of a row's keys and writes how much
that part weighs; a second kernel adds the parts. Eight lanes share a key, 16 bytes each; two query heads that share a
key head are served by one reading of it. The softmax is kept online, as in the plain version.

Keys lie side by side (`table` is None), or in pages. A page is looked up once by each block that reads it, while the
keys of the page before are on their way.

How many splits there are depends on shapes alone, never on lengths, which lie on the device: a step can be captured.
"""

import math

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.cuda.vectors import load8

ALL_LANES = 0xFFFFFFFF
WIDEST = 128  # numbers of a head
FEW = 8  # rows of a text that are served like this

PAIR = 2  # query heads served by a block
WARPS = 4
GROUPS = 4 * WARPS  # of eight lanes
KEYS_PER_BLOCK = 128
MOST_SPLITS = 64
FULL = 528  # blocks: four for each multiprocessor of an H100
PART = PAIR * WIDEST
PARTS = GROUPS * PART


@cuda.jit(device=True)
def row_and_text(slot, rows_of_text, starts):
    """(row, text) that a slot stands for: `rows_of_text` slots for each text; without `starts` slots are rows.

    The row is -1 for a slot that the text has no row for, and for a text of more rows than slots, which is not served.
    """
    if starts is None:
        row, text = slot, 0
    else:
        text = slot // rows_of_text
        row = starts[text] + slot % rows_of_text
        if row >= starts[text + 1] or starts[text + 1] - starts[text] > rows_of_text:
            row = -1
    return row, text


@cuda.jit(launch_bounds=(32 * WARPS, 4))  # four blocks fit a multiprocessor: 120 registers in place of 142
def split_kernel(
    q,
    k,
    v,
    table,
    lengths,
    starts,
    page_size,
    key_heads,
    rows_of_text,
    scale,
    window,
    heads_of_block,
    splits,
    parts,
    out,
):
    """k, v flat, of [keys, key_heads, D] or [pages, page_size, key_heads, D]; table, lengths, starts: as in the
    contract of paged_attention, or None. heads_of_block: 2, or 1 where a key head serves an odd number of query heads.

    parts [slots, H, splits, D + 2]: the values mixed over each stretch of keys, the stretch's largest score and its sum
    of exponentials, which is 0 where the stretch is empty and nothing else is written. A single split writes out.
    """
    held = cuda.shared.array(PARTS, np.float32)
    group_tops = cuda.shared.array((GROUPS, PAIR), np.float32)
    group_totals = cuda.shared.array((GROUPS, PAIR), np.float32)
    query = cuda.local.array((PAIR, 16), np.float32)
    sums = cuda.local.array((PAIR, 16), np.float32)
    top, total = cuda.local.array(PAIR, np.float32), cuda.local.array(PAIR, np.float32)
    key = cuda.local.array(16, np.float32)
    value = cuda.local.array(16, np.float32)
    heads, width = q.shape[1], q.shape[2]
    split, slot = cuda.blockIdx.x, cuda.blockIdx.z
    first_head = cuda.blockIdx.y * heads_of_block
    group, rank = cuda.threadIdx.x // 8, cuda.threadIdx.x % 8
    key_head = first_head // (heads // key_heads)
    row, text = row_and_text(slot, rows_of_text, starts)
    if row < 0:
        return
    if table is None:
        position = k.size // (key_heads * width) - q.shape[0] + row
    else:
        position = lengths[text] - starts[text + 1] + row
    start = max(0, position - window + 1)
    stretch = (position - start) // splits + 1  # keys per split, rounded up
    stretch = (stretch + GROUPS - 1) // GROUPS * GROUPS  # to whole rounds
    first = start + split * stretch
    last = min(first + stretch, position + 1)
    if first >= last:
        if cuda.threadIdx.x < heads_of_block:
            parts[slot, first_head + cuda.threadIdx.x, split, width + 1] = np.float32(0)
        return

    for h in range(PAIR):
        top[h] = np.float32(-math.inf)
        total[h] = np.float32(0)
        for j in range(16):
            d = 64 * (j // 8) + 8 * rank + j % 8
            sums[h, j] = np.float32(0)
            query[h, j] = np.float32(0)
            if d < width and h < heads_of_block:
                query[h, j] = q[row, first_head + h, d] * scale
    place, page = first, 0
    if table is not None:
        page = np.int64(table[text, first // page_size])
    while place < last:
        # The keys from `place` to `end` lie side by side, from `offset` on.
        offset, end, next_page = place, last, page
        if table is not None:
            offset = page * page_size + place % page_size
            end = min(last, place - place % page_size + page_size)
            if end < last:
                next_page = np.int64(table[text, end // page_size])
        # Every lane of a warp goes through the same number of rounds: the shuffles need them all.
        for base in range(0, end - place, GROUPS):
            s = base + group
            is_there = s < end - place
            for j in range(16):
                key[j] = np.float32(0)
                value[j] = np.float32(0)
            if is_there:
                for half in range(2):
                    d = 64 * half + 8 * rank
                    j = 8 * half
                    if d < width:
                        at = ((offset + s) * key_heads + key_head) * width + d
                        k0, k1, k2, k3, k4, k5, k6, k7 = load8(k, at)
                        key[j], key[j + 1], key[j + 2], key[j + 3] = k0, k1, k2, k3
                        key[j + 4], key[j + 5], key[j + 6], key[j + 7] = k4, k5, k6, k7
                        v0, v1, v2, v3, v4, v5, v6, v7 = load8(v, at)
                        value[j], value[j + 1], value[j + 2], value[j + 3] = v0, v1, v2, v3
                        value[j + 4], value[j + 5], value[j + 6], value[j + 7] = v4, v5, v6, v7
            for h in range(PAIR):
                score = np.float32(0)
                for j in range(16):
                    score += query[h, j] * key[j]
                score += cuda.shfl_xor_sync(ALL_LANES, score, 1)
                score += cuda.shfl_xor_sync(ALL_LANES, score, 2)
                score += cuda.shfl_xor_sync(ALL_LANES, score, 4)
                if is_there:
                    new_top = max(top[h], score)
                    shrink, exponential = math.exp(top[h] - new_top), math.exp(score - new_top)
                    total[h] = total[h] * shrink + exponential
                    for j in range(16):
                        sums[h, j] = sums[h, j] * shrink + exponential * value[j]
                    top[h] = new_top
        place, page = end, next_page

    for h in range(PAIR):
        if rank == 0:
            group_tops[group, h] = top[h]
            group_totals[group, h] = total[h]
        for j in range(16):
            held[group * PART + h * WIDEST + 64 * (j // 8) + 8 * rank + j % 8] = sums[h, j]
    cuda.syncthreads()
    for h in range(heads_of_block):
        largest = np.float32(-math.inf)
        for g in range(GROUPS):
            largest = max(largest, group_tops[g, h])
        sum_of_exponentials = np.float32(0)
        for g in range(GROUPS):
            sum_of_exponentials += group_totals[g, h] * math.exp(group_tops[g, h] - largest)
        for d in range(cuda.threadIdx.x, width, 32 * WARPS):
            mix = np.float32(0)
            for g in range(GROUPS):
                mix += held[g * PART + h * WIDEST + d] * math.exp(group_tops[g, h] - largest)
            mix /= sum_of_exponentials
            if splits == 1:
                out[row, first_head + h, d] = mix
            else:
                parts[slot, first_head + h, split, d] = mix
        if cuda.threadIdx.x == 0 and splits > 1:
            parts[slot, first_head + h, split, width] = largest
            parts[slot, first_head + h, split, width + 1] = sum_of_exponentials


@cuda.jit
def join_kernel(parts, starts, rows_of_text, out):
    """Add the parts of each row and head, each by its weight."""
    slot, head, width = cuda.blockIdx.x, cuda.blockIdx.y, out.shape[2]
    row, _ = row_and_text(slot, rows_of_text, starts)
    if row < 0:
        return
    top, total = np.float32(-math.inf), np.float32(0)
    for split in range(parts.shape[2]):
        if parts[slot, head, split, width + 1] > np.float32(0):
            top = max(top, parts[slot, head, split, width])
    for split in range(parts.shape[2]):
        part = parts[slot, head, split, width + 1]
        if part > np.float32(0):
            total += part * math.exp(parts[slot, head, split, width] - top)
    for d in range(cuda.threadIdx.x, width, 32 * WARPS):
        value = np.float32(0)
        for split in range(parts.shape[2]):
            part = parts[slot, head, split, width + 1]
            if part > np.float32(0):
                weight = part * math.exp(parts[slot, head, split, width] - top)
                value += weight * parts[slot, head, split, d]
        out[row, head, d] = value / total


def splits_of(keys: int, blocks: int) -> int:
    """Among how many blocks a row's keys are split: keys: that it may have at most; blocks: that there are without."""
    return max(1, min(keys // KEYS_PER_BLOCK, (FULL + blocks - 1) // blocks, MOST_SPLITS))


def launch(q, k, v, scale, window, out, pages=None, rows_of_text=1):
    """The rows of one text, keys k, v [S, K, D]; or of the texts that have at most `rows_of_text` rows, which may be
    none, with pages (table, lengths, starts) and k, v [P, B, K, D]. D is a multiple of 8, at most WIDEST.
    """
    heads, width = q.shape[1:]
    key_heads = k.shape[-2]
    heads_of_block = 2 - heads // key_heads % 2
    if pages is None:
        slots, most_keys, page_size = q.shape[0], k.shape[0], 1
        table = lengths = starts = None
    else:
        table, lengths, starts = pages
        slots, page_size = rows_of_text * table.shape[0], k.shape[1]
        most_keys = table.shape[1] * page_size
    blocks_of_slot = heads // heads_of_block
    splits = splits_of(min(window, most_keys), slots * blocks_of_slot)
    parts = cuda.device_array((slots, heads, splits, width + 2) if splits > 1 else (1, 1, 1, 1), np.float32)
    split_kernel[(splits, blocks_of_slot, slots), 32 * WARPS](
        q,
        k.reshape(k.size),
        v.reshape(v.size),
        table,
        lengths,
        starts,
        page_size,
        key_heads,
        rows_of_text,
        np.float32(scale),
        window,
        heads_of_block,
        splits,
        parts,
        out,
    )
    if splits > 1:
        join_kernel[(slots, heads), 32 * WARPS](parts, starts, rows_of_text, out)
