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


def far_scores(rng):
    """Cases whose scores lie far from zero, where a maximum that is off makes every weight vanish."""
    below = inputs(rng, 4, 9, 2, 1, 8)
    below["q"][:], below["k"][:] = 20, -20 - 0.01 * rng.normal(size=below["k"].shape)
    yield "all scores far below zero", dict(below, scale=1.0)
    rising = inputs(rng, 5, 9, 2, 1, 8)
    rising["q"][:], rising["k"][:] = 5, np.arange(9)[:, None, None]
    yield "each key scores far above those before it", dict(rising, scale=1.0)


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
    yield "another scale", dict(inputs(rng, 3, 5, 4, 2, 8), scale=1.0)
    yield "a scale that no width gives", dict(inputs(rng, 3, 5, 4, 2, 8), scale=0.77)
    yield from far_scores(rng)
    yield "as many keys as a long text has", inputs(rng, 1, 700, 2, 1, 4)
    yield "heads wider than a warp's lanes", inputs(rng, 2, 3, 1, 1, 160)
    yield "a long prompt", inputs(rng, 300, 300, 1, 1, 2)
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


def add_mixing_mistakes(operator, mask_of):
    """The ways to score and mix wrongly under any mask. mask_of: function(queries, keys, *what comes after scale)."""

    @operator.mistake("the scores are not scaled")
    def not_scaled(q, k, v, scale, *rest):
        return operator.reference(q, k, v, 1.0, *rest)

    @operator.mistake("scale is not read: the kernel always computes with 1 / sqrt(D)")
    def scale_of_width(q, k, v, scale, *rest):
        return operator.reference(q, k, v, q.shape[2] ** -0.5, *rest)

    @operator.mistake("query head h reads key head h % K; consecutive heads share one: h // (H/K)")
    def heads_interleaved(q, k, v, scale, *rest):
        order = np.argsort(np.arange(q.shape[1]) % k.shape[1], kind="stable")
        out = np.empty_like(q)
        out[:, order] = operator.reference(q[:, order], k, v, scale, *rest)
        return out

    @operator.mistake("the scores are right, but head h mixes the values of head h % K instead of h // (H/K)")
    def values_interleaved(q, k, v, scale, *rest):
        heads, kv_heads = q.shape[1], k.shape[1]
        per_query_head = np.repeat(k, heads // kv_heads, axis=1)
        return operator.reference(q, per_query_head, v[:, np.arange(heads) % kv_heads], scale, *rest)

    @operator.mistake("query head h reads key head h // K; a group has H/K heads: h // (H/K)")
    def wrong_group(q, k, v, scale, *rest):
        heads, kv_heads = q.shape[1], k.shape[1]
        chosen = np.minimum(np.arange(heads) // kv_heads, kv_heads - 1)
        return operator.reference(q, k[:, chosen], v[:, chosen], scale, *rest)

    @operator.mistake("the values are always those of head 0")
    def values_of_first_head(q, k, v, scale, *rest):
        return operator.reference(q, k, np.broadcast_to(v[:, :1], v.shape), scale, *rest)

    @operator.mistake("the scores are divided by sqrt(D) besides being multiplied by scale")
    def scaled_twice(q, k, v, scale, *rest):
        return operator.reference(q, k, v, scale * q.shape[2] ** -0.5, *rest)

    def masked_scores(q, k, scale, rest):
        """The mask [L, S], and the scores [H, L, S] with -inf where it hides."""
        mask = mask_of(q.shape[0], k.shape[0], *rest)
        return mask, np.where(mask, scores(q, k, scale), -np.inf)

    @operator.mistake("the maximum is not subtracted before exp, which overflows for large scores")
    def unsafe(q, k, v, scale, *rest):
        mask = mask_of(q.shape[0], k.shape[0], *rest)
        exponentials = np.where(mask, np.exp(scores(q, k, np.float32(scale))), 0)
        return mix(exponentials / exponentials.sum(axis=2, keepdims=True), v)

    @operator.mistake("masked scores are set to 0 instead of -inf, so they still get weight")
    def masked_to_zero(q, k, v, scale, *rest):
        mask, _ = masked_scores(q, k, scale, rest)
        return mix(softmax.reference(np.where(mask, scores(q, k, scale), 0)), v)

    @operator.mistake("the weights are not divided by their sum")
    def not_normalised(q, k, v, scale, *rest):
        _, seen = masked_scores(q, k, scale, rest)
        return mix(np.exp(seen - seen.max(axis=2, keepdims=True)), v)

    @operator.mistake("the maximum starts at 0 instead of -inf, so weights vanish where all scores are far below zero")
    def maximum_from_zero(q, k, v, scale, *rest):
        _, seen = masked_scores(q, k, scale, rest)
        exponentials = np.exp(seen - np.maximum(seen.max(axis=2, keepdims=True), 0))
        return mix(exponentials / exponentials.sum(axis=2, keepdims=True), v)

    @operator.mistake("the maximum is taken over masked keys too, so weights vanish where those score far higher")
    def maximum_of_masked(q, k, v, scale, *rest):
        mask, _ = masked_scores(q, k, scale, rest)
        everything = scores(q, k, scale)
        exponentials = np.where(mask, np.exp(everything - everything.max(axis=2, keepdims=True)), 0)
        return mix(exponentials / exponentials.sum(axis=2, keepdims=True), v)

    def running(q, k, scale, rest):
        """exp(score - largest so far) [H, L, S], as an online softmax has them before anything is rescaled; and
        exp(score - largest of all)."""
        mask, seen = masked_scores(q, k, scale, rest)
        so_far = np.maximum.accumulate(seen, axis=2)
        with np.errstate(invalid="ignore"):
            before = np.where(mask, np.exp(seen - so_far), 0)
        return before, np.exp(seen - seen.max(axis=2, keepdims=True))

    @operator.mistake("the sum so far is not rescaled when the running maximum grows")
    def sum_not_rescaled(q, k, v, scale, *rest):
        before, after = running(q, k, scale, rest)
        return mix(after / before.sum(axis=2, keepdims=True), v)

    @operator.mistake("the mixed values so far are not rescaled when the running maximum grows")
    def mix_not_rescaled(q, k, v, scale, *rest):
        before, after = running(q, k, scale, rest)
        return mix(before / after.sum(axis=2, keepdims=True), v)

    @operator.mistake("neither the sum nor the mixed values are rescaled when the running maximum grows")
    def nothing_rescaled(q, k, v, scale, *rest):
        before, _ = running(q, k, scale, rest)
        return mix(before / before.sum(axis=2, keepdims=True), v)


add_mixing_mistakes(attention, causal_mask)
