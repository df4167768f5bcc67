"""attention_backward: the gradients of causal grouped-query attention with respect to query, key and value."""

import numpy as np

from llaisys_mini.contract import F32, Outputs
from llaisys_mini.operator import operator
from llaisys_mini.operators.attention import causal_mask, far_scores, inputs, scores, shapes_go_together
from llaisys_mini.operators.softmax import softmax


@operator
def attention_backward(
    grad_out: F32["L H D"], q: F32["L H D"], k: F32["S K D"], v: F32["S K D"], scale: float
) -> Outputs(grad_q=F32["L H D"], grad_k=F32["S K D"], grad_v=F32["S K D"]):
    """Gradients of out = attention(q, k, v, scale), given the loss's gradient with respect to out.

    The weights P[h, l, s] = softmax_s(score[h, l, s]) are computed again: to keep them would take L * S numbers a head.
    With c = h // (H/K), the key head of query head h:

        grad_P[h, l, s]     = sum_d grad_out[l, h, d] * v[s, c, d]
        grad_score[h, l, s] = P[h, l, s] * (grad_P[h, l, s] - sum_t P[h, l, t] * grad_P[h, l, t])
        grad_q[l, h, d]     = scale * sum_s grad_score[h, l, s] * k[s, c, d]
        grad_k[s, c, d]     = scale * sum_{l, h of c} grad_score[h, l, s] * q[l, h, d]
        grad_v[s, c, d]     = sum_{l, h of c} P[h, l, s] * grad_out[l, h, d]

    A key that no query sees gets zeros.
    Source: Dao et al. 2022 (arXiv:2205.14135), appendix B.2.
    """
    weights = weights_under(causal_mask(len(q), len(k)), q, k, scale)
    return gradients(grad_out, q, k, v, scale, weights)


def weights_under(mask, q, k, scale):
    """P [H, L, S] under a mask [L, S]."""
    return softmax.reference(np.where(mask, scores(q, k, scale), -np.inf))


def gradients(grad_out, q, k, v, scale, weights):
    """The three gradients for given weights P [H, L, S]."""
    of_weights = scores(grad_out, v, 1.0)
    of_scores = weights * (of_weights - (weights * of_weights).sum(axis=2, keepdims=True))
    return from_scores(grad_out, q, k, scale, weights, of_scores)


def from_scores(grad_out, q, k, scale, weights, of_scores):
    """The three gradients for given weights P and gradients of the scores, both [H, L, S]."""
    key_heads = k.shape[1]
    of_q = np.einsum("hls,shd->lhd", of_scores, np.repeat(k, q.shape[1] // key_heads, axis=1))
    of_k = np.einsum("hls,lhd->shd", of_scores, q)
    of_v = np.einsum("hls,lhd->shd", weights, grad_out)
    return scale * of_q, scale * over_group(of_k, key_heads), over_group(of_v, key_heads)


def over_group(per_query_head, key_heads):
    """[S, H, D] -> [S, K, D]: the sum over the query heads that share a key head."""
    keys, _, width = per_query_head.shape
    return per_query_head.reshape(keys, key_heads, -1, width).sum(axis=2)


@attention_backward.rounding
def rounding(grad_out, q, k, v, scale):
    mask = causal_mask(len(q), len(k))
    weights = weights_under(mask, q, k, scale)
    # A weight is off as in attention; a gradient of a score by that and by the roundoffs of two sums, each term taken
    # by its size, since the two may cancel. Then terms are summed over the keys, or over the queries of a group.
    largest = np.where(mask, scores(np.abs(q), np.abs(k), abs(scale)), 0).max(axis=2, keepdims=True)
    units = 8 + 4 * len(k) + 2 * (q.shape[2] + 4) * largest
    of_weights = scores(np.abs(grad_out), np.abs(v), 1.0)
    of_scores = weights * (of_weights + (weights * of_weights).sum(axis=2, keepdims=True))
    terms = 2 * (q.shape[2] + len(k)) + len(q) * q.shape[1] // k.shape[1]
    return from_scores(
        np.abs(grad_out), np.abs(q), np.abs(k), abs(scale), weights * (units + terms), of_scores * (2 * units + terms)
    )


attention_backward.shape_rule(shapes_go_together)


@attention_backward.cases
def cases(rng):
    def drawn(*shape, **how):
        made = inputs(rng, *shape, **how)
        return dict(grad_out=rng.normal(size=made["q"].shape)) | made

    yield "one position", drawn(1, 1, 2, 2, 4)
    yield "a text", drawn(6, 6, 2, 2, 8)
    yield "three query heads per key head", drawn(5, 5, 6, 2, 8)
    yield "all query heads share one key head", drawn(4, 9, 5, 1, 12)
    yield "a few queries after many keys", drawn(4, 23, 6, 2, 10)
    yield "large scores", drawn(7, 7, 2, 1, 16, size=60.0)
    yield "heads as wide as a real model's", drawn(13, 40, 4, 2, 64)
    yield "sizes that are no multiple of any block", drawn(19, 35, 4, 2, 6)
    yield "another scale", drawn(3, 5, 4, 2, 8) | dict(scale=0.77)
    for name, far in far_scores(rng):
        yield name, dict(grad_out=rng.normal(size=far["q"].shape)) | far
    yield "as many keys as a long text has", drawn(1, 300, 2, 1, 4)
    yield "heads wider than a warp's lanes", drawn(2, 3, 1, 1, 160)
    yield "many queries", drawn(70, 70, 1, 1, 2)
    group, kv_heads = rng.integers(1, 5, size=2)
    length, past = rng.integers(1, 30, size=2)
    yield "some sizes", drawn(length, length + past, group * kv_heads, kv_heads, int(rng.integers(1, 40)))


@attention_backward.mistake("there is no causal mask: queries see keys that come after them")
def no_mask(grad_out, q, k, v, scale):
    weights = weights_under(np.ones((len(q), len(k)), bool), q, k, scale)
    return gradients(grad_out, q, k, v, scale, weights)


@attention_backward.mistake("the mask starts at key 0: it forgets that the queries are the last L of S positions")
def mask_from_zero(grad_out, q, k, v, scale):
    mask = np.arange(len(k))[None, :] <= np.arange(len(q))[:, None]
    return gradients(grad_out, q, k, v, scale, weights_under(mask, q, k, scale))


def with_scores(of_scores):
    """The gradients where those of the scores come from a function of P and grad_P."""

    def mistaken(grad_out, q, k, v, scale):
        weights = weights_under(causal_mask(len(q), len(k)), q, k, scale)
        return from_scores(grad_out, q, k, scale, weights, of_scores(weights, scores(grad_out, v, 1.0)))

    return mistaken


attention_backward.mistake("softmax is taken as if each weight depended on its own score: sum_t is not subtracted")(
    with_scores(lambda weights, of_weights: weights * of_weights)
)
attention_backward.mistake("only the diagonal of the softmax's derivative is there: P * (1 - P) * grad_P")(
    with_scores(lambda weights, of_weights: weights * (1 - weights) * of_weights)
)
attention_backward.mistake("the mean of grad_P over all keys is subtracted; it must be weighted by P")(
    with_scores(lambda weights, of_weights: weights * (of_weights - of_weights.mean(axis=2, keepdims=True)))
)
attention_backward.mistake("grad_P goes through without the softmax: it is not multiplied by P")(
    with_scores(lambda weights, of_weights: of_weights - (weights * of_weights).sum(axis=2, keepdims=True))
)


@attention_backward.mistake("grad_q and grad_k are not multiplied by scale")
def gradients_not_scaled(grad_out, q, k, v, scale):
    of_q, of_k, of_v = attention_backward.reference(grad_out, q, k, v, scale)
    return of_q / np.float32(scale), of_k / np.float32(scale), of_v


@attention_backward.mistake("the scores are not scaled when the weights are computed again")
def scores_not_scaled(grad_out, q, k, v, scale):
    return gradients(grad_out, q, k, v, scale, weights_under(causal_mask(len(q), len(k)), q, k, 1.0))


@attention_backward.mistake("scale is not read: the kernel always computes with 1 / sqrt(D)")
def scale_of_width(grad_out, q, k, v, scale):
    return attention_backward.reference(grad_out, q, k, v, q.shape[2] ** -0.5)


@attention_backward.mistake("grad_k and grad_v keep the last query head of a group: they are overwritten, not added up")
def last_head_of_group(grad_out, q, k, v, scale):
    group = q.shape[1] // k.shape[1]
    of_q, of_k, of_v = attention_backward.reference(
        grad_out, q, np.repeat(k, group, axis=1), np.repeat(v, group, axis=1), scale
    )
    return of_q, of_k[:, group - 1 :: group], of_v[:, group - 1 :: group]


@attention_backward.mistake("grad_k and grad_v are means over the query heads of a group; they are sums")
def averaged_over_group(grad_out, q, k, v, scale):
    of_q, of_k, of_v = attention_backward.reference(grad_out, q, k, v, scale)
    group = np.float32(q.shape[1] // k.shape[1])
    return of_q, of_k / group, of_v / group


@attention_backward.mistake("grad_k and grad_v keep only the last query: they are overwritten instead of added up")
def last_query_only(grad_out, q, k, v, scale):
    of_q, _, _ = attention_backward.reference(grad_out, q, k, v, scale)
    _, of_k, of_v = attention_backward.reference(grad_out[-1:], q[-1:], k, v, scale)
    return of_q, of_k, of_v


@attention_backward.mistake("query head h reads key head h % K; consecutive heads share one: h // (H/K)")
def heads_interleaved(grad_out, q, k, v, scale):
    order = np.argsort(np.arange(q.shape[1]) % k.shape[1], kind="stable")
    of_ordered, of_k, of_v = attention_backward.reference(grad_out[:, order], q[:, order], k, v, scale)
    of_q = np.empty_like(of_ordered)
    of_q[:, order] = of_ordered
    return of_q, of_k, of_v


@attention_backward.mistake("grad_v is mixed from the gradients of the scores, where the weights must be")
def values_by_score_gradients(grad_out, q, k, v, scale):
    weights = weights_under(causal_mask(len(q), len(k)), q, k, scale)
    of_weights = scores(grad_out, v, 1.0)
    of_scores = weights * (of_weights - (weights * of_weights).sum(axis=2, keepdims=True))
    return from_scores(grad_out, q, k, scale, of_scores, of_scores)


@attention_backward.mistake("the maximum is not subtracted before exp, which overflows for large scores")
def unsafe(grad_out, q, k, v, scale):
    exponentials = np.where(causal_mask(len(q), len(k)), np.exp(scores(q, k, np.float32(scale))), 0)
    return gradients(grad_out, q, k, v, scale, exponentials / exponentials.sum(axis=2, keepdims=True))
