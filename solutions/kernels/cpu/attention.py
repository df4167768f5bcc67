"""attention on the CPU. For each query position and head: scores against the visible keys, their softmax, and the
weighted sum of the values. Only one row of scores per thread is ever kept, never the whole L x S matrix."""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 18  # multiply-adds; below, starting the threads costs more than they save
BLOCKS = 64


@njit(fastmath=True, cache=True)
def score_keys(q, row, head, k, key_head, scale, first, last, scores):
    """scores[s] for the keys first <= s < last; returns the largest."""
    top = np.float32(-3e38)
    for s in range(first, last):
        total = np.float32(0)
        for d in range(q.shape[2]):
            total += q[row, head, d] * widen(k[s, key_head, d])
        scores[s] = total * scale
        top = max(top, scores[s])
    return top


@njit(fastmath={"reassoc", "contract"}, cache=True)
def powers(scores, first, last, top):
    """Replace the scores by exp(score - top); returns their sum."""
    total = np.float32(0)
    for s in range(first, last):
        scores[s] = math.exp(scores[s] - top)
        total += scores[s]
    return total


@njit(fastmath={"reassoc", "contract"}, cache=True)
def mix_values(scores, first, last, share, v, key_head, out, row, head):
    """out[row, head] = share * sum of scores[s] * v[s, key_head]."""
    for d in range(out.shape[2]):
        out[row, head, d] = np.float32(0)
    for s in range(first, last):
        weight = scores[s] * share
        for d in range(out.shape[2]):
            out[row, head, d] += weight * widen(v[s, key_head, d])


@njit(cache=True)
def attend(q, k, v, scale, window, out, first_task, last_task):
    """Tasks are (query, head) pairs, counted row by row. `window`: keys a query sees, its own included."""
    length, heads, _ = q.shape
    keys, key_heads, _ = k.shape
    scores = np.empty(keys, np.float32)
    for task in range(first_task, last_task):
        row, head = task // heads, task % heads
        key_head = head // (heads // key_heads)
        last = keys - length + row + 1
        first = max(0, last - window)
        top = score_keys(q, row, head, k, key_head, scale, first, last, scores)
        total = powers(scores, first, last, top)
        mix_values(scores, first, last, np.float32(1) / total, v, key_head, out, row, head)


@njit(parallel=True, cache=True)
def attend_all(q, k, v, scale, window, out):
    length, heads, width = q.shape
    tasks = length * heads
    if tasks * min(k.shape[0], window) * width < PARALLEL_FROM:
        attend(q, k, v, scale, window, out, 0, tasks)
    else:
        # Later queries see more keys, so threads take many small blocks rather than one large one each.
        blocks = min(tasks, BLOCKS)
        for block in prange(blocks):
            attend(q, k, v, scale, window, out, tasks * block // blocks, tasks * (block + 1) // blocks)


### END SOLUTION
@kernel("attention", device="cpu")
@njit(cache=True)
def attention(q, k, v, scale, out):
    ### BEGIN SOLUTION
    attend_all(q, k, v, np.float32(scale), k.shape[0], out)
    ### END SOLUTION
