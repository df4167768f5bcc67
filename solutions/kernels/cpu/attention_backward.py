"""attention_backward on the CPU. Every query adds to the gradients of the keys and values it sees, so queries cannot be
shared among the threads. Key heads can: one task does all queries of the heads that share a key head, and nobody else
writes to its gradients. So there is no race, and every sum has one order.

Keys, values and their gradients are kept transposed, [D, S], so that the loops within run along the keys: a sum over d
is then a sum of scaled rows, of which LLVM makes vectors, and so is the addition to the gradients.
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
from .rows import exponentiate, largest

PARALLEL_FROM = 1 << 15  # multiply-adds; below, starting the threads costs more than they save
ONE = np.float32(1)


@njit(fastmath={"contract"}, cache=True)
def combine(factors, rows, out):
    """out[s] = sum_d factors[d] * rows[d, s], for as many s as `out` has; four rows at a time."""
    whole = factors.size - factors.size % 4
    out[:] = 0
    for d in range(0, whole, 4):
        a, b, c, e = factors[d], factors[d + 1], factors[d + 2], factors[d + 3]
        first, second, third, fourth = rows[d], rows[d + 1], rows[d + 2], rows[d + 3]
        for s in range(out.size):
            out[s] += a * first[s] + b * second[s] + c * third[s] + e * fourth[s]
    for d in range(whole, factors.size):
        row = rows[d]
        for s in range(out.size):
            out[s] += factors[d] * row[s]


@njit(fastmath={"contract"}, cache=True)
def add_outer(factors, values, rows):
    """rows[d, s] += factors[d] * values[s]."""
    for d in range(factors.size):
        row, factor = rows[d], factors[d]
        for s in range(values.size):
            row[s] += factor * values[s]


@njit(fastmath={"reassoc", "contract"}, cache=True)
def dot(a, b):
    total = np.float32(0)
    for s in range(a.size):
        total += a[s] * b[s]
    return total


@njit(fastmath={"contract"}, cache=True)
def softmax_backward(weights, grads, share, scale):
    """`weights` become shares of one; `grads`, of the weights, become those of the scores before they were scaled."""
    for s in range(weights.size):
        weights[s] *= share
    mean = dot(weights, grads)
    for s in range(weights.size):
        grads[s] = weights[s] * (grads[s] - mean) * scale


@njit(error_model="numpy", cache=True)
def key_head_backward(grad_out, q, k, v, scale, key_head, grad_q, grad_k, grad_v):
    """All queries of the heads that share this key head."""
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    group = heads // key_heads
    keys_by_d, values_by_d = np.empty((width, keys), np.float32), np.empty((width, keys), np.float32)
    for s in range(keys):
        for d in range(width):
            keys_by_d[d, s], values_by_d[d, s] = k[s, key_head, d], v[s, key_head, d]
    of_keys, of_values = np.zeros((width, keys), np.float32), np.zeros((width, keys), np.float32)
    all_weights, all_grads = np.empty(keys, np.float32), np.empty(keys, np.float32)
    for row in range(length):
        seen = keys - length + row + 1
        weights, grads = all_weights[:seen], all_grads[:seen]
        for head in range(key_head * group, (key_head + 1) * group):
            query, gradient = q[row, head], grad_out[row, head]
            combine(query, keys_by_d, weights)
            total = exponentiate(weights, scale, scale * largest(weights), weights)
            combine(gradient, values_by_d, grads)
            softmax_backward(weights, grads, ONE / total, scale)
            for d in range(width):
                grad_q[row, head, d] = dot(grads, keys_by_d[d])
            add_outer(query, grads, of_keys)
            add_outer(gradient, weights, of_values)
    for s in range(keys):
        for d in range(width):
            grad_k[s, key_head, d], grad_v[s, key_head, d] = of_keys[d, s], of_values[d, s]


### END SOLUTION
@kernel("attention_backward", device="cpu")
@njit(parallel=True, cache=True)
def attention_backward(grad_out, q, k, v, scale, grad_q, grad_k, grad_v):
    ### BEGIN SOLUTION
    factor = np.float32(scale)
    if q.size * k.shape[0] < PARALLEL_FROM:
        for key_head in range(k.shape[1]):
            key_head_backward(grad_out, q, k, v, factor, key_head, grad_q, grad_k, grad_v)
    else:
        for key_head in prange(k.shape[1]):
            key_head_backward(grad_out, q, k, v, factor, np.intp(key_head), grad_q, grad_k, grad_v)
    ### END SOLUTION
