"""What a user of NumPy would write for each operator, in float32: opponents, not references.

The references of the operators compute in float64 and are written to be read; it would be unfair to race against them.
"""

import numpy as np


def rms_norm(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(eps)) * weight


def layer_norm(x, weight, bias, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + np.float32(eps)) * weight + bias


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def swiglu(gate, up):
    with np.errstate(over="ignore"):
        return gate / (1 + np.exp(-gate)) * up


def rope(x, cos, sin):
    """x [L, H, D]; cos and sin [L, 1, D], computed beforehand."""
    first, second = np.split(x, 2, axis=-1)
    return x * cos + np.concatenate([-second, first], axis=-1) * sin


def attention(q, k, v, scale):
    """q [L, H, D] over k, v [S, K, D], causal: one matrix product per key head, for all queries of its group."""
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    grouped = q.reshape(length, key_heads, heads // key_heads, width).transpose(1, 2, 0, 3)  # [K, group, L, D]
    scores = grouped @ k.transpose(1, 2, 0)[:, None] * np.float32(scale)  # [K, group, L, S]
    if length > 1:
        hidden = np.arange(keys) > (keys - length + np.arange(length))[:, None]
        scores[..., hidden] = -np.inf
    mixed = softmax(scores) @ v.transpose(1, 0, 2)[:, None]  # [K, group, L, D]
    return mixed.transpose(2, 0, 1, 3).reshape(length, heads, width)
