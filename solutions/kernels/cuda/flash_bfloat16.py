"""Attention of a prompt over a bfloat16 cache, on tensor cores: for the expert versions of attention.

FlashAttention (Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691): a block takes 64 queries of a head and
walks over tiles of 64 keys. Each of its 4 warps has 16 queries, and all that belongs to them stays in its registers:
the queries, the scores, the running maximum and sum, the mixed values. A warp needs nothing of another, so shared
memory holds only tiles of keys and of values, brought by asynchronous copies: three slots that are filled in turn,
keys, values, keys, ... While one is used the next two are on their way, or there.

The layout of `mma` makes that possible. Lane l gets the scores of the queries g and g + 8, g = l // 4, with the keys p
and p + 1 of each 8, p = 2 (l % 4); four lanes share a query, so its maximum and sum take two shuffles. And the scores
of 16 keys lie as mma wants its first factor: the exponentials go straight on to the values.

Keys and values are bfloat16 as they are. Queries and exponentials are float32, and each is split into two bfloat16
(`tensor_cores.split`), off by at most 2^-17 of itself. That adds at most 128 units of roundoff, 2^-24, of the largest
sum |q| |k| to a score, where the contract allows 2 (D + 4) of them, and 128 to a weight, where it allows 8 + 4 S: hence
the launcher takes no heads below 64 and no fewer than SHORTEST keys. With D = 64 both bounds are nearly the same, and
the error that is seen is far below, since the parts of a sum are not all off in one direction.
"""

import math

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.cuda.async_copies import commit_copies, copy_async, wait_copies
from llaisys_mini.cuda.tensor_cores import (
    LOWEST_ARCHITECTURE,
    are_available,
    load_matrices,
    load_matrices_transposed,
    mma,
    split,
)

__all__ = ["LOWEST_ARCHITECTURE", "launch", "takes"]

ALL_LANES = 0xFFFFFFFF
ROWS, KEYS = 64, 64  # queries of a block, keys of a tile
THREADS = 128
TILES_64, TILES_128 = 3 * 64 * KEYS, 3 * 128 * KEYS
SHORTEST = 64  # keys
WIDEST = 1 << 30  # window: positions are counted in 32 bits, which saves registers
LOG2_E = 1 / math.log(2)


@cuda.jit(device=True, forceinline=True)
def load_queries(q, head, row_start, end, scale, steps, parts):
    """The warp's 16 queries, scaled and split: parts[step] holds a0 ... a3 of high, then of middle."""
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    for step in range(steps):
        for m in range(4):
            row = row_start + 16 * warp + lane // 4 + 8 * (m % 2)
            d = 16 * step + 2 * (lane % 4) + 8 * (m // 2)
            first, second = np.float32(0), np.float32(0)
            if row < end:
                first, second = q[row, head, d] * scale, q[row, head, d + 1] * scale
            parts[step, m], parts[step, 4 + m] = split(first, second)


@cuda.jit(device=True, forceinline=True)
def fetch(source, table, text, page_bits, keys, key_heads, key_head, start, steps, tiles, slot):
    """Begin to copy the numbers of 64 keys or values to tiles[slot]; zero beyond the last.

    table: None, or [N, P], where key s lies in page table[text, s >> page_bits]. A row of the tile has 2 * steps
    chunks of 16 bytes. Chunk c of row r lies in place c ^ (r % 8), so that eight rows that are read at once lie on
    different banks.
    """
    chunks = 2 * steps
    line, chunk = cuda.threadIdx.x // chunks, cuda.threadIdx.x % chunks
    lines = THREADS // chunks
    for part in range(KEYS // lines):
        row = line + lines * part
        s, count = start + row, 0
        if s < keys:
            count = 8
            if table is not None:
                s = (table[text, s >> page_bits] << page_bits) + (s & ((1 << page_bits) - 1))
        at = (s * key_heads + key_head) * 16 * steps + 8 * chunk
        copy_async(tiles, slot + row * 16 * steps + 8 * (chunk ^ (row % 8)), source, at, count)


@cuda.jit(device=True, forceinline=True)
def multiply_keys(parts, tiles, slot, steps, scores):
    """scores = the warp's queries @ the keys of the tile: scores[j] are c0 ... c3 of the keys 8 j ... 8 j + 7."""
    lane = cuda.threadIdx.x % 32
    corner = slot + (8 * (lane // 16) + lane % 8) * 16 * steps + 8 * ((lane // 8 % 2) ^ (lane % 8))
    for j in range(8):
        for c in range(4):
            scores[j, c] = np.float32(0)
    for step in range(steps):
        for pair in range(4):
            place = (corner ^ (16 * step)) + 16 * pair * 16 * steps  # ^: two chunks further on
            b0, b1, b2, b3 = load_matrices(tiles, place)
            left, right = 2 * pair, 2 * pair + 1
            for plane in range(2):
                p = 4 * plane
                a0, a1, a2, a3 = parts[step, p], parts[step, p + 1], parts[step, p + 2], parts[step, p + 3]
                c0, c1, c2, c3 = scores[left, 0], scores[left, 1], scores[left, 2], scores[left, 3]
                c0, c1, c2, c3 = mma(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3)
                scores[left, 0], scores[left, 1], scores[left, 2], scores[left, 3] = c0, c1, c2, c3
                c0, c1, c2, c3 = scores[right, 0], scores[right, 1], scores[right, 2], scores[right, 3]
                c0, c1, c2, c3 = mma(a0, a1, a2, a3, b2, b3, c0, c1, c2, c3)
                scores[right, 0], scores[right, 1], scores[right, 2], scores[right, 3] = c0, c1, c2, c3


@cuda.jit(device=True, forceinline=True)
def soften(scores, first_position, start, window, steps, top, total, sums):
    """Scores become exponentials, relative to the largest so far; what was computed before is scaled down to it.

    first_position: of the block's first query; start: the tile's first key. Scores are in powers of two.
    """
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    for half in range(2):
        # Counted from the lane's first key the query sees those up to `newest` that are newer than `unseen`.
        newest = np.int32(first_position + 16 * warp + lane // 4 + 8 * half - start - 2 * (lane % 4))
        unseen = np.int32(newest - window)
        largest = top[half]
        for j in range(8):
            for c in range(2):
                if 8 * j + c > newest or 8 * j + c <= unseen:
                    scores[j, 2 * half + c] = np.float32(-math.inf)
                largest = max(largest, scores[j, 2 * half + c])
        largest = max(largest, cuda.shfl_xor_sync(ALL_LANES, largest, 1))
        largest = max(largest, cuda.shfl_xor_sync(ALL_LANES, largest, 2))
        # Until a query sees its first key the largest is -inf, and -inf - -inf would be NaN.
        reference = largest if largest > np.float32(-math.inf) else np.float32(0)
        shrink = cuda.libdevice.exp2f(top[half] - reference)
        part = np.float32(0)
        for j in range(8):
            for c in range(2):
                exponential = cuda.libdevice.exp2f(scores[j, 2 * half + c] - reference)
                scores[j, 2 * half + c] = exponential
                part += exponential
        total[half] = total[half] * shrink + part
        for n in range(2 * steps):
            for c in range(2):
                sums[n, 2 * half + c] *= shrink
        top[half] = largest


@cuda.jit(device=True, forceinline=True)
def mix_values(exponentials, tiles, slot, steps, sums):
    """sums += exponentials @ the values of the tile: sums[n] are c0 ... c3 of the numbers 8 n ... 8 n + 7 of a head."""
    lane = cuda.threadIdx.x % 32
    corner = slot + (lane % 16) * 16 * steps + 8 * ((lane // 16) ^ (lane % 8))
    for step in range(KEYS // 16):
        e, f = 2 * step, 2 * step + 1
        a0, d0 = split(exponentials[e, 0], exponentials[e, 1])
        a1, d1 = split(exponentials[e, 2], exponentials[e, 3])
        a2, d2 = split(exponentials[f, 0], exponentials[f, 1])
        a3, d3 = split(exponentials[f, 2], exponentials[f, 3])
        for pair in range(steps):
            place = (corner ^ (16 * pair)) + 16 * step * 16 * steps
            b0, b1, b2, b3 = load_matrices_transposed(tiles, place)
            left, right = 2 * pair, 2 * pair + 1
            c0, c1, c2, c3 = sums[left, 0], sums[left, 1], sums[left, 2], sums[left, 3]
            c0, c1, c2, c3 = mma(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3)
            c0, c1, c2, c3 = mma(d0, d1, d2, d3, b0, b1, c0, c1, c2, c3)
            sums[left, 0], sums[left, 1], sums[left, 2], sums[left, 3] = c0, c1, c2, c3
            c0, c1, c2, c3 = sums[right, 0], sums[right, 1], sums[right, 2], sums[right, 3]
            c0, c1, c2, c3 = mma(a0, a1, a2, a3, b2, b3, c0, c1, c2, c3)
            c0, c1, c2, c3 = mma(d0, d1, d2, d3, b2, b3, c0, c1, c2, c3)
            sums[right, 0], sums[right, 1], sums[right, 2], sums[right, 3] = c0, c1, c2, c3


@cuda.jit(device=True, forceinline=True)
def store(sums, total, head, row_start, end, steps, out):
    """The mixed values divided by their sum of exponentials, of which each of four lanes has a part."""
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    for half in range(2):
        whole = total[half]
        whole += cuda.shfl_xor_sync(ALL_LANES, whole, 1)
        whole += cuda.shfl_xor_sync(ALL_LANES, whole, 2)
        row = row_start + 16 * warp + lane // 4 + 8 * half
        if row < end:
            for n in range(2 * steps):
                for c in range(2):
                    out[row, head, 8 * n + 2 * (lane % 4) + c] = sums[n, 2 * half + c] / whole


@cuda.jit(device=True, forceinline=True)
def attend(q, k, v, table, text, page_bits, key_heads, begin, end, keys, number, scale, window, steps, arrays, out):
    """All that a block does: the queries of tile `number` of the rows begin ... end - 1, which are the last of `keys`.

    Heads have 16 * steps numbers. table, text, page_bits: see fetch. arrays: to work in, see prompt_64_kernel.
    """
    tiles, parts, scores, sums, top, total = arrays
    head = cuda.blockIdx.y
    key_head = head // (q.shape[1] // key_heads)
    end, keys, row_start = np.int32(end), np.int32(keys), np.int32(begin + ROWS * number)  # half the registers of int64
    first_position = np.int32(keys - end + row_start)
    for half in range(2):
        top[half] = np.float32(-math.inf)
        total[half] = np.float32(0)
    for n in range(2 * steps):
        for c in range(4):
            sums[n, c] = np.float32(0)
    load_queries(q, head, row_start, end, scale, steps, parts)

    first = np.int32(max(0, first_position - window + 1) // KEYS * KEYS)
    last = np.int32(min(first_position + ROWS, keys))  # exclusive
    tile = KEYS * 16 * steps
    of_keys, of_values, free = 0, tile, 2 * tile
    fetch(k, table, text, page_bits, keys, key_heads, key_head, first, steps, tiles, of_keys)
    commit_copies()
    fetch(v, table, text, page_bits, keys, key_heads, key_head, first, steps, tiles, of_values)
    commit_copies()
    for start in range(first, last, np.int32(KEYS)):
        wait_copies(1)
        cuda.syncthreads()  # the keys are there, and all have used the values before them
        if start + KEYS < last:
            fetch(k, table, text, page_bits, keys, key_heads, key_head, start + KEYS, steps, tiles, free)
        commit_copies()
        multiply_keys(parts, tiles, of_keys, steps, scores)
        soften(scores, first_position, start, window, steps, top, total, sums)
        wait_copies(1)
        cuda.syncthreads()  # the values are there, and all have used the keys
        if start + KEYS < last:
            fetch(v, table, text, page_bits, keys, key_heads, key_head, start + KEYS, steps, tiles, of_keys)
        commit_copies()
        mix_values(scores, tiles, of_values, steps, sums)
        of_keys, of_values, free = free, of_keys, of_values
    store(sums, total, head, row_start, end, steps, out)


# A kernel for each width of a head: with a constant number of steps loops over a head are unrolled into registers.


@cuda.jit(launch_bounds=(THREADS, 2))
def prompt_64_kernel(q, k, v, key_heads, scale, window, out):
    """q, out [L, H, 64]; k, v flat, of [S, key_heads, 64] bfloat16 as uint16. scale: with log2(e) in it."""
    tiles = cuda.shared.array(TILES_64, np.uint16, alignment=16)
    parts, scores = cuda.local.array((4, 8), np.uint32), cuda.local.array((8, 4), np.float32)
    top, total = cuda.local.array(2, np.float32), cuda.local.array(2, np.float32)
    sums = cuda.local.array((8, 4), np.float32)
    length, keys = q.shape[0], k.size // (key_heads * 64)
    number = cuda.gridDim.x - 1 - cuda.blockIdx.x  # the last queries see most keys: begin with them
    arrays = (tiles, parts, scores, sums, top, total)
    attend(q, k, v, None, 0, 0, key_heads, 0, length, keys, number, scale, window, 4, arrays, out)


@cuda.jit(launch_bounds=(THREADS, 2))
def prompt_128_kernel(q, k, v, key_heads, scale, window, out):
    """q, out [L, H, 128]; k, v flat, of [S, key_heads, 128] bfloat16 as uint16. scale: with log2(e) in it."""
    tiles = cuda.shared.array(TILES_128, np.uint16, alignment=16)
    parts, scores = cuda.local.array((8, 8), np.uint32), cuda.local.array((8, 4), np.float32)
    top, total = cuda.local.array(2, np.float32), cuda.local.array(2, np.float32)
    sums = cuda.local.array((16, 4), np.float32)
    length, keys = q.shape[0], k.size // (key_heads * 128)
    number = cuda.gridDim.x - 1 - cuda.blockIdx.x  # the last queries see most keys: begin with them
    arrays = (tiles, parts, scores, sums, top, total)
    attend(q, k, v, None, 0, 0, key_heads, 0, length, keys, number, scale, window, 8, arrays, out)


def takes(k, width) -> bool:
    """Whether the kernels are for such keys [S, K, D], and this device has what they need."""
    return k.dtype == np.uint16 and width in (64, 128) and k.shape[0] >= SHORTEST and are_available()


def launch(q, k, v, scale, window, out):
    """Attention of many queries under a sliding window of `window` keys, where `takes` says so."""
    length, heads, width = q.shape
    kernel = prompt_128_kernel if width == 128 else prompt_64_kernel
    blocks = ((length + ROWS - 1) // ROWS, heads)
    flat = k.reshape(k.size), v.reshape(v.size)
    kernel[blocks, THREADS](q, *flat, k.shape[1], np.float32(scale * LOG2_E), min(window, WIDEST), out)
