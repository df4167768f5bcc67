"""attention: every position looks back over the keys and mixes their values."""

import numpy as np

from llaisys_mini.contract import F32, Stored
from llaisys_mini.operator import operator
from llaisys_mini.operators.softmax import softmax


@operator
def attention(q: F32["L H D"], k: Stored["S K D"], v: Stored["S K D"], scale: float) -> F32["L H D"]:
    """Causal scaled dot-product attention with grouped queries.

        score[h, l, s] = scale * sum_d q[l, h, d] * k[s, h // (H/K), d]      for s <= S - L + l, else -inf
        out[l, h, d]   = sum_s softmax_s(score[h, l, s]) * v[s, h // (H/K), d]

    The L queries are the last of the S positions: query l sits at absolute position S - L + l and sees the keys up to
    and including its own. H must be a multiple of K; each group of H/K query heads shares one key/value head.
    Source: Vaswani et al. 2017 (arXiv:1706.03762), Ainslie et al. 2023 (arXiv:2305.13245).
    """
    return attend(q, k, v, scale, causal_mask(q.shape[0], k.shape[0]))


def causal_mask(queries, keys):
    """[L, S] of bool: whether query l may see key s."""
    return np.arange(keys)[None, :] <= (keys - queries + np.arange(queries))[:, None]


def scores(q, k, scale):
    """[H, L, S] of scaled dot products, each key head repeated for its group of query heads."""
    group = q.shape[1] // k.shape[1]
    return scale * np.einsum("lhd,shd->hls", q, np.repeat(k, group, axis=1))


def mix(weights, v):
    """weights [H, L, S] applied to values [S, K, D]: out [L, H, D]."""
    group = weights.shape[0] // v.shape[1]
    return np.einsum("hls,shd->lhd", weights, np.repeat(v, group, axis=1))


def attend(q, k, v, scale, mask):
    """Attention under any mask [L, S]."""
    return mix(softmax.reference(np.where(mask, scores(q, k, scale), -np.inf)), v)


def rounding_under(mask, q, k, v, scale):
    # A score is off by D roundoffs of its absolute sum; exp makes that relative. Then S terms are summed, and an
    # online softmax rescales the sum up to S times.
    weights = softmax.reference(np.where(mask, scores(q, k, scale), -np.inf))
    largest = np.where(mask, scores(np.abs(q), np.abs(k), abs(scale)), 0).max(axis=2)  # [H, L]
    units = 8 + 4 * k.shape[0] + 2 * (q.shape[2] + 4) * largest
    return mix(weights, np.abs(v)) * units.T[:, :, None]


@attention.rounding
def rounding(q, k, v, scale):
    return rounding_under(causal_mask(q.shape[0], k.shape[0]), q, k, v, scale)


def shapes_go_together(dims):
    if dims["H"] % dims["K"]:
        return f"H is {dims['H']} query heads, not a multiple of K, {dims['K']} key/value heads"
    if dims["L"] > dims["S"]:
        return f"L is {dims['L']} queries but S only {dims['S']} keys; the queries are the last L of the S positions"


attention.shape_rule(shapes_go_together)


def inputs(rng, length, keys, heads, kv_heads, width, size=1.0):
    return dict(
        q=size * rng.normal(size=(length, heads, width)),
        k=rng.normal(size=(keys, kv_heads, width)),
        v=rng.normal(size=(keys, kv_heads, width)),
        scale=width**-0.5,
    )


@attention.cases
def cases(rng):
    yield "one position", inputs(rng, 1, 1, 2, 2, 4)
    yield "a prompt", inputs(rng, 6, 6, 2, 2, 8)
    yield "decoding: one query, many keys", inputs(rng, 1, 37, 4, 4, 16)
    yield "three query heads per key head", inputs(rng, 5, 5, 6, 2, 8)
    yield "all query heads share one key head", inputs(rng, 1, 19, 5, 1, 12)
    yield "a few queries after a filled cache", inputs(rng, 4, 23, 6, 2, 10)
    yield "large scores", inputs(rng, 7, 7, 2, 1, 16, size=60.0)
    yield "decoding, heads as wide as a real model's", inputs(rng, 1, 300, 3, 1, 64)
    yield "a prompt, heads as wide as a real model's", inputs(rng, 13, 70, 6, 2, 64)
    yield "sizes that are no multiple of any block", inputs(rng, 67, 131, 4, 2, 6)
    same = inputs(rng, 3, 9, 2, 1, 8)
    same["k"][:] = same["k"][0]
    yield "all keys equal: the mean of what is visible", same
    wide = inputs(rng, 3, 5, 2, 2, 8)
    wide["scale"] = 1.0
    yield "another scale", wide
    group, kv_heads = rng.integers(1, 5, size=2)
    length, past = rng.integers(1, 40, size=2)
    yield "some sizes", inputs(rng, length, length + past, group * kv_heads, kv_heads, int(rng.integers(1, 40)))


@attention.mistake("there is no causal mask: queries see keys that come after them")
def no_mask(q, k, v, scale):
    return attend(q, k, v, scale, np.ones((q.shape[0], k.shape[0]), bool))


@attention.mistake("the mask starts at key 0: it forgets that the queries are the last L of S positions")
def mask_from_zero(q, k, v, scale):
    length, keys = q.shape[0], k.shape[0]
    return attend(q, k, v, scale, np.arange(keys)[None, :] <= np.arange(length)[:, None])


@attention.mistake("a query does not see its own key: the mask must keep s <= position, not s < position")
def own_key_hidden(q, k, v, scale):
    length, keys = q.shape[0], k.shape[0]
    return attend(q, k, v, scale, np.arange(keys)[None, :] < (keys - length + np.arange(length))[:, None])


@attention.mistake("the scores are not scaled")
def not_scaled(q, k, v, scale):
    return attention.reference(q, k, v, 1.0)


@attention.mistake("query head h reads key head h % K; consecutive heads share one: h // (H/K)")
def heads_interleaved(q, k, v, scale):
    heads, kv_heads = q.shape[1], k.shape[1]
    order = np.argsort(np.arange(heads) % kv_heads, kind="stable")
    out = np.empty_like(q)
    out[:, order] = attention.reference(q[:, order], k, v, scale)
    return out


@attention.mistake("the maximum is not subtracted before exp, which overflows for large scores")
def unsafe(q, k, v, scale):
    mask = causal_mask(q.shape[0], k.shape[0])
    exponentials = np.where(mask, np.exp(scores(q, k, np.float32(scale))), 0)
    return mix(exponentials / exponentials.sum(axis=2, keepdims=True), v)


@attention.mistake("masked scores are set to 0 instead of -inf, so they still get weight")
def masked_to_zero(q, k, v, scale):
    mask = causal_mask(q.shape[0], k.shape[0])
    return mix(softmax.reference(np.where(mask, scores(q, k, scale), 0)), v)


@attention.mistake("the weights are not divided by their sum")
def not_normalised(q, k, v, scale):
    masked = np.where(causal_mask(q.shape[0], k.shape[0]), scores(q, k, scale), -np.inf)
    return mix(np.exp(masked - masked.max(axis=2, keepdims=True)), v)
