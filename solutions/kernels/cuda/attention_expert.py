"""attention on CUDA, expert version: two kernels, for few queries (decoding) and for many (a prompt).

Few queries: one query and a few heads are little work for a GPU, so the keys are split among blocks. Each block mixes
its own stretch of values and writes how much that part weighs; a second kernel adds the parts. Eight lanes share a key,
16 bytes each; two query heads that share a key head are served by one reading of it.

Many queries: on tensor cores where flash_bfloat16 takes them. Otherwise a block takes 32 queries of a head and walks
over tiles of 32 keys in shared memory, so each key is read once for 32 queries. Each thread holds 2 x 4 scores and
2 x 16 mixed values in registers. Eight neighbouring threads hold a query's row, so its maximum and sum take three
shuffles.

Both keep the softmax online, as the plain version does.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.vectors import load4_shared, load8
from llaisys_mini.widen import widen

from . import flash_bfloat16
from .attention import launch as launch_plain

ALL_LANES = 0xFFFFFFFF
WIDEST = 128  # numbers of a head
FEW_QUERIES = 8

# ---- few queries -------------------------------------------------------------------------------------------------

PAIR = 2  # query heads served by a block
WARPS = 4
GROUPS = 4 * WARPS  # of eight lanes
KEYS_PER_BLOCK = 256
MOST_SPLITS = 64
PART = PAIR * WIDEST
PARTS = GROUPS * PART


@cuda.jit
def split_kernel(q, k, v, key_heads, scale, window, heads_of_block, mixed, tops, totals):
    """k, v flat, of [S, key_heads, D]. heads_of_block: 2, or 1 where a key head serves an odd number of query heads.

    mixed [L, H, splits, D]: the values mixed over each stretch of keys; tops, totals [L, H, splits]: the stretch's
    largest score and its sum of exponentials.
    """
    parts = cuda.shared.array(PARTS, np.float32)
    group_tops = cuda.shared.array((GROUPS, PAIR), np.float32)
    group_totals = cuda.shared.array((GROUPS, PAIR), np.float32)
    query = cuda.local.array((PAIR, 16), np.float32)
    sums = cuda.local.array((PAIR, 16), np.float32)
    top, total = cuda.local.array(PAIR, np.float32), cuda.local.array(PAIR, np.float32)
    key, value = cuda.local.array(16, np.float32), cuda.local.array(16, np.float32)
    length, heads, width = q.shape
    split, row = cuda.blockIdx.x, cuda.blockIdx.z
    first_head = cuda.blockIdx.y * heads_of_block
    group, rank = cuda.threadIdx.x // 8, cuda.threadIdx.x % 8
    keys = k.size // (key_heads * width)
    key_head = first_head // (heads // key_heads)
    position = keys - length + row
    start = max(0, position - window + 1)
    stretch = (position - start) // mixed.shape[2] + 1  # keys per split, rounded up
    first = start + split * stretch
    last = min(first + stretch, position + 1)

    for h in range(PAIR):
        top[h] = np.float32(-math.inf)
        total[h] = np.float32(0)
        for j in range(16):
            d = 64 * (j // 8) + 8 * rank + j % 8
            sums[h, j] = np.float32(0)
            query[h, j] = np.float32(0)
            if d < width and h < heads_of_block:
                query[h, j] = q[row, first_head + h, d] * scale
    # Every lane of a warp goes through the same number of rounds: the shuffles need them all.
    for base in range(first, last, GROUPS):
        s = base + group
        for j in range(16):
            key[j] = np.float32(0)
            value[j] = np.float32(0)
        if s < last:
            for half in range(2):
                d = 64 * half + 8 * rank
                j = 8 * half
                if d < width:
                    offset = (s * key_heads + key_head) * width + d
                    k0, k1, k2, k3, k4, k5, k6, k7 = load8(k, offset)
                    key[j], key[j + 1], key[j + 2], key[j + 3] = k0, k1, k2, k3
                    key[j + 4], key[j + 5], key[j + 6], key[j + 7] = k4, k5, k6, k7
                    v0, v1, v2, v3, v4, v5, v6, v7 = load8(v, offset)
                    value[j], value[j + 1], value[j + 2], value[j + 3] = v0, v1, v2, v3
                    value[j + 4], value[j + 5], value[j + 6], value[j + 7] = v4, v5, v6, v7
        for h in range(PAIR):
            score = np.float32(0)
            for j in range(16):
                score += query[h, j] * key[j]
            score += cuda.shfl_xor_sync(ALL_LANES, score, 1)
            score += cuda.shfl_xor_sync(ALL_LANES, score, 2)
            score += cuda.shfl_xor_sync(ALL_LANES, score, 4)
            if s < last:
                new_top = max(top[h], score)
                shrink, exponential = math.exp(top[h] - new_top), math.exp(score - new_top)
                total[h] = total[h] * shrink + exponential
                for j in range(16):
                    sums[h, j] = sums[h, j] * shrink + exponential * value[j]
                top[h] = new_top

    for h in range(PAIR):
        if rank == 0:
            group_tops[group, h] = top[h]
            group_totals[group, h] = total[h]
        for j in range(16):
            parts[group * PART + h * WIDEST + 64 * (j // 8) + 8 * rank + j % 8] = sums[h, j]
    cuda.syncthreads()
    for h in range(heads_of_block):
        largest = np.float32(-math.inf)
        for g in range(GROUPS):
            largest = max(largest, group_tops[g, h])
        sum_of_exponentials = np.float32(0)
        if largest > np.float32(-math.inf):  # else no key fell to this split
            for g in range(GROUPS):
                sum_of_exponentials += group_totals[g, h] * math.exp(group_tops[g, h] - largest)
        for d in range(cuda.threadIdx.x, width, 32 * WARPS):
            mix = np.float32(0)
            if sum_of_exponentials > np.float32(0):
                for g in range(GROUPS):
                    mix += parts[g * PART + h * WIDEST + d] * math.exp(group_tops[g, h] - largest)
                mix /= sum_of_exponentials
            mixed[row, first_head + h, split, d] = mix
        if cuda.threadIdx.x == 0:
            tops[row, first_head + h, split] = largest
            totals[row, first_head + h, split] = sum_of_exponentials


@cuda.jit
def join_kernel(mixed, tops, totals, out):
    """Add the parts of each query and head, each by its weight."""
    row, head = cuda.blockIdx.x, cuda.blockIdx.y
    splits = mixed.shape[2]
    top, total = np.float32(-math.inf), np.float32(0)
    for split in range(splits):
        top = max(top, tops[row, head, split])
    for split in range(splits):
        total += totals[row, head, split] * math.exp(tops[row, head, split] - top)
    for d in range(cuda.threadIdx.x, out.shape[2], 32):
        value = np.float32(0)
        for split in range(splits):
            weight = totals[row, head, split] * math.exp(tops[row, head, split] - top)
            value += weight * mixed[row, head, split, d]
        out[row, head, d] = value / total


def launch_split(q, k, v, scale, window, out):
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    splits = min(max(min(window, keys) // KEYS_PER_BLOCK, 1), MOST_SPLITS)
    heads_of_block = 2 - heads // key_heads % 2
    mixed = out.reshape(length, heads, 1, width)
    if splits > 1:
        mixed = cuda.device_array((length, heads, splits, width), np.float32)
    tops, totals = (cuda.device_array((length, heads, splits), np.float32) for _ in range(2))
    blocks = (splits, heads // heads_of_block, length)
    flat = k.reshape(k.size), v.reshape(v.size)
    split_kernel[blocks, 32 * WARPS](
        q, *flat, key_heads, np.float32(scale), window, heads_of_block, mixed, tops, totals
    )
    if splits > 1:
        join_kernel[(length, heads), 32](mixed, tops, totals, out)


# ---- many queries ------------------------------------------------------------------------------------------------

ROWS, COLUMNS = 32, 32  # queries and keys of a tile
THREADS = 128
PITCH = WIDEST + 4
TILE = ROWS * PITCH
EXPONENTIALS_PITCH = COLUMNS + 1


@cuda.jit(launch_bounds=(THREADS, 2))
def tiled_kernel(q, k, v, scale, window, out):
    tile_q = cuda.shared.array(TILE, np.float32, alignment=16)
    tile_kv = cuda.shared.array(TILE, np.float32, alignment=16)
    exponentials = cuda.shared.array((ROWS, EXPONENTIALS_PITCH), np.float32)
    scores = cuda.local.array((2, 4), np.float32)
    sums = cuda.local.array((2, 16), np.float32)
    top, total = cuda.local.array(2, np.float32), cuda.local.array(2, np.float32)
    a, b = cuda.local.array(4, np.float32), cuda.local.array(4, np.float32)
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    head, row_start = cuda.blockIdx.y, ROWS * cuda.blockIdx.x
    key_head = head // (heads // key_heads)
    t = cuda.threadIdx.x
    ty, tx = t // 8, t % 8  # rows 2 ty and 2 ty + 1; keys tx + 8 j; numbers 4 tx + 32 c + 0 ... 3
    past = keys - length

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
        cuda.syncthreads()  # the values of the round before have been used
        for e in range(t, COLUMNS * WIDEST, THREADS):
            column, d = e // WIDEST, e % WIDEST
            tile_kv[column * PITCH + d] = np.float32(0)
            if start + column < keys and d < width:
                tile_kv[column * PITCH + d] = widen(k[start + column, key_head, d])
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
        for e in range(t, COLUMNS * WIDEST, THREADS):
            column, d = e // WIDEST, e % WIDEST
            tile_kv[column * PITCH + d] = np.float32(0)
            if start + column < keys and d < width:
                tile_kv[column * PITCH + d] = widen(v[start + column, key_head, d])
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


def launch(q, k, v, scale, window, out):
    """Attention under a sliding window of `window` keys."""
    length, heads, width = q.shape
    if width % 8 or width > WIDEST:
        launch_plain(q, k, v, scale, window, out)
    elif length <= FEW_QUERIES:
        launch_split(q, k, v, scale, window, out)
    elif flash_bfloat16.takes(k, width):
        flash_bfloat16.launch(q, k, v, scale, window, out)
    else:
        blocks = ((length + ROWS - 1) // ROWS, heads)
        tiled_kernel[blocks, THREADS](q, k, v, np.float32(scale), window, out)


@kernel("attention", device="cuda", when=lambda dims: dims["S"] * dims["K"] * dims["D"] >= 1 << 16)
def attention(q, k, v, scale, out):
    launch(q, k, v, scale, k.shape[0], out)
