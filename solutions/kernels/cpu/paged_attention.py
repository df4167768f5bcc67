"""paged_attention on the CPU. As attention.py, but that the keys of a block lie in several pages.

A block of BLOCK keys begins at a multiple of BLOCK, counted from the first key of its text, whatever the pages' size:
the scores of its keys are put side by side, page after page, and from there on all is done as in attention.py, in the
same order. So a row has the same bits as in `attention`, however its text was cut into parts and whatever other texts
come with it.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.simd import fma

### BEGIN SOLUTION
from .attention import BLOCK, PARALLEL_FROM, TASKS, add_values, factors, merge, scale_row, score_keys
from .rows import LOWEST, exponentiate, largest


@njit(cache=True)
def text_of(starts, row):
    """The text that a row belongs to: the last that starts at or before it."""
    low, high = 0, starts.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= row:
            low = middle
        else:
            high = middle
    return low


@njit(error_model="numpy", cache=True)
def attend_pages(q, key_pages, value_pages, table, lengths, starts, scale, window, out, first_task, last_task):
    """Tasks are (row, head) pairs, counted row by row."""
    heads, width = q.shape[1], q.shape[2]
    size, key_heads = key_pages.shape[1], key_pages.shape[2]
    query, scores = np.empty(width, np.float32), np.empty(BLOCK, np.float32)
    mixed, of_block = np.empty(width, np.float32), np.empty(width, np.float32)
    keys, values, stride = key_pages.reshape(-1), value_pages.reshape(-1), key_heads * width
    for task in range(first_task, last_task):
        row, head = task // heads, task % heads
        text, key_head = text_of(starts, row), head // (heads // key_heads)
        last = lengths[text] - starts[text + 1] + row + 1
        first = max(0, last - window)
        scale_row(q[row, head], scale, query)
        top, total = LOWEST, np.float32(0)
        mixed[:] = 0
        for block in range(first - first % BLOCK, last, BLOCK):
            begin, end = max(first, block), min(last, block + BLOCK)
            seen = scores[: end - begin]
            s = begin
            while s < end:  # page after page
                count = min(end - s, size - s % size)
                start = ((table[text, s // size] * size + s % size) * key_heads + key_head) * width
                score_keys(query, keys, start, stride, count, seen[s - begin :])
                s += count
            top_of_block = largest(seen)
            total_of_block = exponentiate(seen, np.float32(1), top_of_block, seen)
            of_block[:] = 0
            s = begin
            while s < end:
                count = min(end - s, size - s % size)
                start = ((table[text, s // size] * size + s % size) * key_heads + key_head) * width
                add_values(seen[s - begin : s - begin + count], values, start, stride, of_block)
                s += count
            mine, others = factors(top, top_of_block)
            merge(mixed, mine, of_block, others)
            top, total = max(top, top_of_block), fma(total_of_block, others, total * mine)
        scale_row(mixed, np.float32(1) / total, out[row, head])


### END SOLUTION
@kernel("paged_attention", device="cpu")
@njit(parallel=True, cache=True)
def paged_attention(q, key_pages, value_pages, table, lengths, starts, scale, window, out):
    ### BEGIN SOLUTION
    tasks, width = q.shape[0] * q.shape[1], q.shape[2]
    scale = np.float32(scale)
    if tasks * min(lengths.max(), window) * width < PARALLEL_FROM:
        attend_pages(q, key_pages, value_pages, table, lengths, starts, scale, window, out, 0, tasks)
    else:
        # Rows see different numbers of keys, so threads take many small blocks rather than one large one each.
        blocks = min(tasks, TASKS)
        for block in prange(blocks):
            first, last = tasks * block // blocks, tasks * (block + 1) // blocks
            attend_pages(q, key_pages, value_pages, table, lengths, starts, scale, window, out, first, last)
    ### END SOLUTION
