"""sliding_attention: attention that sees only the nearest keys, for models with a sliding window."""

import numpy as np

from llaisys_mini.contract import F32, Stored
from llaisys_mini.operator import operator
from llaisys_mini.operators.attention import (
    add_mixing_mistakes,
    attend,
    attention,
    causal_mask,
    far_scores,
    inputs,
    rounding_under,
    shapes_go_together,
)


@operator
def sliding_attention(
    q: F32["L H D"], k: Stored["S K D"], v: Stored["S K D"], scale: float, window: int
) -> F32["L H D"]:
    """Attention in which each query sees its own key and the `window` - 1 before it (`window` >= 1).

        query l at position p = S - L + l sees the keys s with p - window < s <= p

    All else as in attention. Source: Beltagy et al. 2020 (arXiv:2004.05150); `sliding_window` in config.json.
    """
    return attend(q, k, v, scale, window_mask(q.shape[0], k.shape[0], window))


def window_mask(queries, keys, window):
    """[L, S] of bool: whether query l may see key s."""
    position = (keys - queries + np.arange(queries))[:, None]
    return causal_mask(queries, keys) & (np.arange(keys)[None, :] > position - window)


@sliding_attention.rounding
def rounding(q, k, v, scale, window):
    return rounding_under(window_mask(q.shape[0], k.shape[0], window), q, k, v, scale)


sliding_attention.shape_rule(shapes_go_together)


@sliding_attention.value_rule
def window_is_positive(q, k, v, scale, window):
    if window < 1:
        return f"window must be at least 1 key, not {window}"


@sliding_attention.cases
def cases(rng):
    yield "window of one: each query sees itself", dict(inputs(rng, 5, 5, 2, 2, 8), window=1)
    yield "a prompt longer than the window", dict(inputs(rng, 11, 11, 2, 1, 8), window=4)
    yield "window wider than the prompt", dict(inputs(rng, 6, 6, 2, 2, 8), window=100)
    yield "decoding", dict(inputs(rng, 1, 40, 4, 2, 16), window=8)
    yield "a few queries after a filled cache", dict(inputs(rng, 4, 23, 6, 2, 10), window=7)
    yield "large scores", dict(inputs(rng, 9, 9, 2, 1, 16, size=60.0), window=3)
    yield "another scale", dict(inputs(rng, 5, 9, 4, 2, 8), scale=0.77, window=4)
    for name, far in far_scores(rng):
        yield name, dict(far, window=5)
    yield "as many keys as a long text has", dict(inputs(rng, 1, 700, 2, 1, 4), window=600)
    length, past, window = rng.integers(1, 40, size=3)
    yield "some sizes", dict(inputs(rng, length, length + past, 4, 2, 12), window=int(window))


@sliding_attention.mistake("the window is ignored: all earlier keys are seen")
def no_window(q, k, v, scale, window):
    return attention.reference(q, k, v, scale)


@sliding_attention.mistake("the window is one key too wide: it counts the query's own key")
def one_too_wide(q, k, v, scale, window):
    return sliding_attention.reference(q, k, v, scale, window + 1)


@sliding_attention.mistake("every query uses the window of the last one")
def window_of_last(q, k, v, scale, window):
    mask = causal_mask(q.shape[0], k.shape[0]) & (np.arange(k.shape[0]) >= k.shape[0] - window)
    return attend(q, k, v, scale, mask)


@sliding_attention.mistake("keys after the query are seen: the window looks both ways")
def looks_ahead(q, k, v, scale, window):
    position = (k.shape[0] - q.shape[0] + np.arange(q.shape[0]))[:, None]
    return attend(q, k, v, scale, np.arange(k.shape[0])[None, :] > position - window)


@sliding_attention.mistake("the window is one key too narrow")
def one_too_narrow(q, k, v, scale, window):
    return sliding_attention.reference(q, k, v, scale, max(window - 1, 1))


@sliding_attention.mistake("the window reaches as far to later keys as to earlier ones")
def both_ways(q, k, v, scale, window):
    position = (k.shape[0] - q.shape[0] + np.arange(q.shape[0]))[:, None]
    return attend(q, k, v, scale, np.abs(np.arange(k.shape[0])[None, :] - position) < window)


@sliding_attention.mistake("the window starts from the query's number l, not from its position S - L + l")
def window_from_number(q, k, v, scale, window):
    length, keys = q.shape[0], k.shape[0]
    return attend(q, k, v, scale, causal_mask(length, keys) & (np.arange(keys) > np.arange(length)[:, None] - window))


add_mixing_mistakes(sliding_attention, window_mask)
