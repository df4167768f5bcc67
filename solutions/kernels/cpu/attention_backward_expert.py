"""attention_backward on the CPU, expert version: the five products of FlashAttention's backward pass in register tiles.

One task does all queries of the heads that share a key head, so nobody else writes to that head's gradients and every
sum has one order. BLOCK_ROWS rows, (query, head) pairs, are done at a time:

    scores = Q K^T    grad_P = G V^T    then row by row: weights P, and gradients of the scores S
    grad_Q = S K      grad_K += S^T Q   grad_V += P^T G

The factors of a head are copied side by side first, keys and values transposed as well: in the caller's arrays the
numbers of one head lie far apart.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

from .attention_backward import ONE, softmax_backward
from .outer import PANEL, add_product
from .rows import exponentiate, largest

BLOCK_ROWS = 48


@njit(cache=True)
def copy_head(array, head, natural, transposed, stride):
    """natural [S, D] and transposed [D, stride], both flat, of one head of array [S, K, D]."""
    for s in range(array.shape[0]):
        row = array[s, head]
        for d in range(row.size):
            natural[s * row.size + d] = row[d]
            transposed[d * stride + s] = row[d]


@njit(error_model="numpy", cache=True)
def weigh_row(scores, grads, scale):
    """In place: scores become weights, and gradients of weights those of scores. What a row sees, as 1-D slices."""
    total = exponentiate(scores, scale, scale * largest(scores), scores)
    softmax_backward(scores, grads, ONE / total, scale)


@njit(error_model="numpy", cache=True)
def key_head_backward(grad_out, q, k, v, scale, key_head, grad_q, grad_k, grad_v):
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    group, stride = heads // key_heads, (keys + PANEL - 1) // PANEL * PANEL
    one_k, one_v = np.empty(keys * width, np.float32), np.empty(keys * width, np.float32)
    k_by_d, v_by_d = np.zeros(width * stride, np.float32), np.zeros(width * stride, np.float32)
    copy_head(k, key_head, one_k, k_by_d, stride)
    copy_head(v, key_head, one_v, v_by_d, stride)
    of_k, of_v = np.zeros(keys * width, np.float32), np.zeros(keys * width, np.float32)
    queries, grads = np.empty(BLOCK_ROWS * width, np.float32), np.empty(BLOCK_ROWS * width, np.float32)
    of_queries = np.empty(BLOCK_ROWS * width, np.float32)
    weights, of_scores = np.empty(BLOCK_ROWS * stride, np.float32), np.empty(BLOCK_ROWS * stride, np.float32)
    for first in range(0, length * group, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, length * group - first)
        for r in range(rows):
            query, head = (first + r) // group, key_head * group + (first + r) % group
            for d in range(width):
                queries[r * width + d] = q[query, head, d]
                grads[r * width + d] = grad_out[query, head, d]
        most = keys - length + (first + rows - 1) // group + 1  # keys that the last row sees
        columns = (most + PANEL - 1) // PANEL * PANEL
        for r in range(rows):
            weights[r * stride : r * stride + columns] = 0
            of_scores[r * stride : r * stride + columns] = 0
        add_product(queries, 0, width, 1, rows, width, k_by_d, 0, stride, columns, weights, 0, stride)
        add_product(grads, 0, width, 1, rows, width, v_by_d, 0, stride, columns, of_scores, 0, stride)
        for r in range(rows):
            start = r * stride
            seen = start + keys - length + (first + r) // group + 1
            weigh_row(weights[start:seen], of_scores[start:seen], scale)
            weights[seen : start + columns] = 0
            of_scores[seen : start + columns] = 0
        of_queries[:] = 0
        add_product(of_scores, 0, stride, 1, rows, most, one_k, 0, width, width, of_queries, 0, width)
        add_product(of_scores, 0, 1, stride, most, rows, queries, 0, width, width, of_k, 0, width)
        add_product(weights, 0, 1, stride, most, rows, grads, 0, width, width, of_v, 0, width)
        for r in range(rows):
            query, head = (first + r) // group, key_head * group + (first + r) % group
            for d in range(width):
                grad_q[query, head, d] = of_queries[r * width + d]
    for s in range(keys):
        for d in range(width):
            grad_k[s, key_head, d], grad_v[s, key_head, d] = of_k[s * width + d], of_v[s * width + d]


@njit(parallel=True, cache=True)
def backward(grad_out, q, k, v, scale, grad_q, grad_k, grad_v):
    for key_head in prange(k.shape[1]):
        key_head_backward(grad_out, q, k, v, scale, np.intp(key_head), grad_q, grad_k, grad_v)


LARGE = 1 << 13  # numbers of all keys


def answers(dims):
    """Whether this kernel answers instead of attention_backward.py: for many keys, however many queries come."""
    return dims["S"] * dims["K"] * dims["D"] >= LARGE


@kernel("attention_backward", device="cpu", when=answers)
def attention_backward(grad_out, q, k, v, scale, grad_q, grad_k, grad_v):
    backward(grad_out, q, k, v, np.float32(scale), grad_q, grad_k, grad_v)
