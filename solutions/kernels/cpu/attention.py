"""attention on the CPU. For each query position and head: scores against the visible keys, their softmax, and the
weighted sum of the values.

The keys are read in blocks of BLOCK, and a block is done before the next begins: scores, weights relative to the
largest score of the block, weighted sum of its values. Then the block is merged into what the blocks before it gave, as
two parts of a softmax are merged: both are brought to the larger of the two maxima. So only one block of scores is ever
kept.

Blocks begin at the multiples of BLOCK, counted from the first key of the text, and every sum has one written order. So
the result has the same bits whether a query comes alone or with others, and with any number of threads.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.fast_exp import fast_exp
from llaisys_mini.cpu.simd import WIDTH, add_lanes, fma, load, splat
from llaisys_mini.widen import widen

### BEGIN SOLUTION
from .rows import LOWEST, exponentiate, largest

PARALLEL_FROM = 1 << 18  # multiply-adds; below, starting the threads costs more than they save
TASKS = 64  # for the threads to share
BLOCK = 128  # keys whose scores, and a part of whose values, stay in the cache


@njit(cache=True)
def score_keys(query, k, start, stride, count, scores):
    """scores[s] = query . k[start + s * stride :], a vector at a time, for `count` keys. All flat."""
    whole = query.size - query.size % WIDTH
    for s in range(count):
        lanes = splat(np.float32(0))
        for d in range(0, whole, WIDTH):
            lanes = fma(load(query, d), load(k, start + s * stride + d), lanes)
        total = add_lanes(np.float32(0), lanes)
        for d in range(whole, query.size):
            total = fma(query[d], widen(k[start + s * stride + d]), total)
        scores[s] = total


@njit(cache=True)
def add_values(weights, v, start, stride, mixed):
    """mixed += sum of weights[s] * v[start + s * stride :]. All flat."""
    for s in range(weights.size):
        for d in range(mixed.size):
            mixed[d] = fma(weights[s], widen(v[np.uintp(start + s * stride + d)]), mixed[d])


@njit(cache=True)
def factors(top, other_top):
    """What two parts of a softmax, relative to their own largest scores, are multiplied by to be relative to the larger
    one of both. One of the two factors is exp(0)."""
    if other_top > top:
        return fast_exp(top - other_top), np.float32(1)
    return np.float32(1), fast_exp(other_top - top)


@njit(cache=True)
def merge(mixed, mine, other, others):
    """mixed = mine * mixed + others * other."""
    for d in range(mixed.size):
        mixed[d] = fma(other[d], others, mixed[d] * mine)


@njit(cache=True)
def scale_row(row, factor, out):
    for d in range(row.size):
        out[d] = row[d] * factor


@njit(error_model="numpy", cache=True)
def attend(q, k, v, scale, window, out, first_task, last_task):
    """Tasks are (query, head) pairs, counted row by row. `window`: keys a query sees, its own included."""
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    query, scores = np.empty(width, np.float32), np.empty(BLOCK, np.float32)
    mixed, of_block = np.empty(width, np.float32), np.empty(width, np.float32)
    flat_k, flat_v, stride = k.reshape(-1), v.reshape(-1), key_heads * width
    for task in range(first_task, last_task):
        row, head = task // heads, task % heads
        key_head = head // (heads // key_heads)
        last = keys - length + row + 1
        first = max(0, last - window)
        scale_row(q[row, head], scale, query)
        top, total = LOWEST, np.float32(0)
        mixed[:] = 0
        for block in range(first - first % BLOCK, last, BLOCK):
            begin, end = max(first, block), min(last, block + BLOCK)
            start, seen = (begin * key_heads + key_head) * width, scores[: end - begin]
            score_keys(query, flat_k, start, stride, seen.size, seen)
            top_of_block = largest(seen)
            total_of_block = exponentiate(seen, np.float32(1), top_of_block, seen)
            of_block[:] = 0
            add_values(seen, flat_v, start, stride, of_block)
            mine, others = factors(top, top_of_block)
            merge(mixed, mine, of_block, others)
            top, total = max(top, top_of_block), fma(total_of_block, others, total * mine)
        scale_row(mixed, np.float32(1) / total, out[row, head])


@njit(parallel=True, cache=True)
def attend_all(q, k, v, scale, window, out):
    length, heads, width = q.shape
    tasks = length * heads
    if tasks * min(k.shape[0], window) * width < PARALLEL_FROM:
        attend(q, k, v, scale, window, out, 0, tasks)
    else:
        # Later queries see more keys, so threads take many small blocks rather than one large one each.
        blocks = min(tasks, TASKS)
        for block in prange(blocks):
            attend(q, k, v, scale, window, out, tasks * block // blocks, tasks * (block + 1) // blocks)


### END SOLUTION
@kernel("attention", device="cpu")
@njit(cache=True)
def attention(q, k, v, scale, out):
    ### BEGIN SOLUTION
    attend_all(q, k, v, np.float32(scale), k.shape[0], out)
    ### END SOLUTION
