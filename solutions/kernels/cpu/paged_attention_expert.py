"""paged_attention on the CPU, expert version: what attention_expert.py does, for several texts.

    texts with one row    are writing. Each block of keys of each text is one task, so that threads share long texts and
                          short ones alike; keys and values are read page by page as they lie.
    a text with more      is a prompt, or a part of one: its keys and values are put side by side, which costs little
                          beside the arithmetic, and read as in attention_expert.py.

A row has the same bits as in the plain kernels.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

from .attention import BLOCK, PARALLEL_FROM, scale_row
from .attention_expert import (
    LARGE,
    QUERY_ROWS,
    VALUE_COLUMNS,
    WIDTH,
    many_queries,
    merge_parts,
    mix_part,
    score_part,
    weigh_part,
)
from .paged_attention import paged_attention as plain_paged_attention
from .paged_attention import text_of


@njit(cache=True)
def gather(pages, numbers, length):
    """The first `length` positions of a text side by side: pages [P, B, K, D] -> [length, K, D]."""
    size = pages.shape[1]
    out = np.empty((length, pages.shape[2], pages.shape[3]), pages.dtype)
    for first in range(0, length, size):
        last = min(first + size, length)
        out[first:last] = pages[numbers[first // size], : last - first]
    return out


@njit(cache=True)
def decode_block(q, keys, values, numbers, size, begin, end, heads, key_heads, width, mixed, tops, totals):
    """Keys `begin` to `end` of one text, at most BLOCK: for every head the unnormalised output, maximum and sum."""
    scores = np.zeros((heads + QUERY_ROWS) * BLOCK, np.float32)  # a tile of outputs reads QUERY_ROWS rows, there or not
    group = heads // key_heads
    s = begin
    while s < end:
        count = min(end - s, size - s % size)
        start = (np.intp(numbers[s // size]) * size + s % size) * key_heads * width
        score_part(q, keys, start, count, key_heads, group, width, scores, s - begin)
        s += count
    weigh_part(scores, end - begin, heads, tops, totals)
    mixed[:] = 0
    s = begin
    while s < end:
        count = min(end - s, size - s % size)
        start = (np.intp(numbers[s // size]) * size + s % size) * key_heads * width
        mix_part(scores, s - begin, values, start, count, key_heads, group, width, mixed)
        s += count


@njit(cache=True)
def first_key(length, window):
    """The first key that the last position of a text of this length sees."""
    return max(0, length - window)


@njit(cache=True)
def decode_task(
    task, q, keys, values, table, lengths, first_tasks, size, window, heads, key_heads, mixed, tops, totals
):  # fmt: skip
    """Task number `task` of all blocks of all texts; text n has those from first_tasks[n] on."""
    n = text_of(first_tasks, task)
    first = first_key(np.intp(lengths[n]), window)
    block = first // BLOCK + task - first_tasks[n]
    begin, end = max(first, block * BLOCK), min((block + 1) * BLOCK, np.intp(lengths[n]))
    width = q.shape[1] // heads
    decode_block(
        q[n], keys, values, table[n], size, begin, end, heads, key_heads, width, mixed[task], tops[task], totals[task]
    )


@njit(parallel=True)  # not kept on disk: it lies within what calls it, see llaisys_mini.kernels.compiled
def decode_texts(q, keys, values, table, lengths, size, scale, window, heads, key_heads, out):
    """paged_attention for texts of one row each: q, out [N, H * D]; keys and values flat; table [N, M], lengths [N]."""
    texts = lengths.size
    first_tasks = np.zeros(texts + 1, np.intp)
    for n in range(texts):
        length = np.intp(lengths[n])
        blocks = (length + BLOCK - 1) // BLOCK - first_key(length, window) // BLOCK
        first_tasks[n + 1] = first_tasks[n] + blocks
    tasks = first_tasks[texts]
    scaled = np.empty(q.shape, np.float32)
    for n in range(texts):
        scale_row(q[n], scale, scaled[n])
    mixed = np.empty((tasks, q.shape[1]), np.float32)
    tops, totals = np.empty((tasks, heads), np.float32), np.empty((tasks, heads), np.float32)
    if lengths.sum() * q.shape[1] < PARALLEL_FROM:
        for task in range(tasks):
            decode_task(
                task, scaled, keys, values, table, lengths, first_tasks, size, window, heads, key_heads, mixed, tops,
                totals,
            )  # fmt: skip
    else:
        for number in prange(tasks):
            task = np.intp(number)  # prange counts without sign, and decode_task would be compiled once more for that
            decode_task(
                task, scaled, keys, values, table, lengths, first_tasks, size, window, heads, key_heads, mixed, tops,
                totals,
            )  # fmt: skip
    for n in range(texts):
        first, last = first_tasks[n], first_tasks[n + 1]
        merge_parts(mixed[first:last], tops[first:last], totals[first:last], out[n])


@njit(cache=True)
def texts_with_one_row(starts):
    """The numbers of the texts that are writing."""
    found = np.empty(starts.size - 1, np.intp)
    count = 0
    for n in range(starts.size - 1):
        if starts[n + 1] - starts[n] == 1:
            found[count] = n
            count += 1
    return found[:count]


def answers(dims):
    """Whether this kernel answers instead of paged_attention.py: for long texts."""
    return dims["M"] * dims["B"] * dims["K"] * dims["D"] >= LARGE


@njit(cache=True)
def rows_of_texts(q, key_pages, value_pages, table, lengths, starts, scale, window, out):
    """paged_attention for texts of one row each."""
    rows, heads, width = q.shape
    size, key_heads = key_pages.shape[1], key_pages.shape[2]
    flat_q, flat_out = q.reshape(rows, heads * width), out.reshape(rows, heads * width)
    keys, values = key_pages.reshape(-1), value_pages.reshape(-1)
    decode_texts(
        flat_q, keys, values, table, lengths, size, np.float32(scale), window, heads, key_heads, flat_out
    )  # fmt: skip


def whole(dims):
    """One compiled function for calls that need only one: texts that are writing, or widths that leave no choice."""
    if dims["D"] % (VALUE_COLUMNS * WIDTH):
        return plain_paged_attention
    return rows_of_texts if dims["T"] == dims["N"] else None


@kernel("paged_attention", device="cpu", when=answers, whole=whole)
def paged_attention(q, key_pages, value_pages, table, lengths, starts, scale, window, out):
    """Plain Python: it sorts the texts, and only what they need is compiled."""
    (rows, heads, width), texts = q.shape, lengths.size
    alone = whole({"D": width, "T": rows, "N": texts})
    if alone is not None:
        alone(q, key_pages, value_pages, table, lengths, starts, scale, window, out)
        return
    if window < lengths.max():
        plain_paged_attention(q, key_pages, value_pages, table, lengths, starts, scale, window, out)
        return
    for n in range(texts):
        first, last = starts[n], starts[n + 1]
        if last - first > 1:
            k, v = gather(key_pages, table[n], lengths[n]), gather(value_pages, table[n], lengths[n])
            many_queries(q[first:last], k, v, scale, out[first:last])
    writing = texts_with_one_row(starts)
    if len(writing):
        place = starts[writing]
        mixed = np.empty((len(writing), heads, width), np.float32)
        each = np.arange(len(writing) + 1, dtype=np.int32)
        rows_of_texts(
            q[place], key_pages, value_pages, table[writing], lengths[writing], each, scale, window, mixed
        )  # fmt: skip
        out[place] = mixed
