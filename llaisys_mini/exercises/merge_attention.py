"""merge_attention: attention over two parts of the keys becomes attention over both."""

import math

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def merge_attention(top_a, total_a, mix_a, top_b, total_b, mix_b):
    """Two parts of the keys, as one query has seen them. top: the largest score; total: the sum of exp(score - top);
    mix, float64 [D]: the sum of exp(score - top) times the value. Returns (top, total, mix) of both parts together.
    A part without keys is (-inf, 0, zeros).
    Source: Milakov & Gimelshein 2018 (arXiv:1805.02867); Dao et al. 2023, flash-decoding."""
    top = max(top_a, top_b)
    if top == -math.inf:
        return top, 0.0, np.zeros_like(mix_a)
    of_a, of_b = math.exp(top_a - top), math.exp(top_b - top)
    return top, total_a * of_a + total_b * of_b, mix_a * of_a + mix_b * of_b


def part(scores, values):
    """scores [S], values [S, D]."""
    top = float(np.max(scores))
    weights = np.exp(scores - top)
    return top, float(weights.sum()), weights @ values


@merge_attention.cases
def cases(rng):
    def two(a, b):
        (top_a, total_a, mix_a), (top_b, total_b, mix_b) = a, b
        return dict(top_a=top_a, total_a=total_a, mix_a=mix_a, top_b=top_b, total_b=total_b, mix_b=mix_b)

    def some(keys, around=0.0, width=6):
        return part(around + rng.normal(size=keys), rng.normal(size=(keys, width)))

    nothing = (-math.inf, 0.0, np.zeros(6))
    a, b = some(5), some(9, around=3)
    yield "the second has the larger score", two(a, b)
    yield "the first has the larger score", two(b, a)
    yield "one key each", two(some(1), some(1, around=1))
    yield "large scores", two(some(4, around=500), some(4, around=480))
    yield "far apart", two(some(4, around=1000), some(4, around=-1000))
    yield "the first is empty", two(nothing, a)
    yield "the second is empty", two(a, nothing)
    yield "both are empty", two(nothing, nothing)
    width = int(rng.integers(1, 40))
    yield "some width", two(some(7, width=width), some(2, around=2, width=width))


@merge_attention.mistake("nothing is rescaled to the new maximum")
def not_rescaled(top_a, total_a, mix_a, top_b, total_b, mix_b):
    return max(top_a, top_b), total_a + total_b, mix_a + mix_b


@merge_attention.mistake("the totals are rescaled to the new maximum, the mixed values are not")
def mix_not_rescaled(top_a, total_a, mix_a, top_b, total_b, mix_b):
    top, total, _ = merge_attention.reference(top_a, total_a, mix_a, top_b, total_b, mix_b)
    return top, total, mix_a + mix_b


@merge_attention.mistake("only the first part is rescaled: the second may have the smaller maximum")
def only_first(top_a, total_a, mix_a, top_b, total_b, mix_b):
    top = max(top_a, top_b)
    with np.errstate(invalid="ignore"):
        of_a = np.exp(np.subtract(top_a, top))
    return top, total_a * of_a + total_b, mix_a * of_a + mix_b


@merge_attention.mistake("the mix is divided by the total already: then parts cannot be merged any more")
def divided(top_a, total_a, mix_a, top_b, total_b, mix_b):
    top, total, mix = merge_attention.reference(top_a, total_a, mix_a, top_b, total_b, mix_b)
    return top, total, mix / total if total else mix


@merge_attention.mistake("the two factors are exchanged")
def exchanged(top_a, total_a, mix_a, top_b, total_b, mix_b):
    return merge_attention.reference(top_b, total_a, mix_a, top_a, total_b, mix_b)


@merge_attention.mistake("-inf - (-inf) is NaN: two empty parts make an empty part")
def nan_of_nothing(top_a, total_a, mix_a, top_b, total_b, mix_b):
    top = np.maximum(top_a, top_b)
    with np.errstate(all="ignore"):
        of_a, of_b = np.exp(np.subtract(top_a, top)), np.exp(np.subtract(top_b, top))
        return top, total_a * of_a + total_b * of_b, mix_a * of_a + mix_b * of_b
