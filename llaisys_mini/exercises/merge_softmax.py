"""merge_softmax: the step that lets softmax read its scores once."""

import math

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def merge_softmax(top_a, sum_a, top_b, sum_b):
    """Two parts of a row are each known by their largest score and the sum of exp(score - largest).
    Returns (largest, sum) of both parts together. A part without scores is (-inf, 0).
    Source: Milakov & Gimelshein 2018 (arXiv:1805.02867)."""
    top = max(top_a, top_b)
    if top == -math.inf:
        return top, 0.0
    return top, sum_a * math.exp(top_a - top) + sum_b * math.exp(top_b - top)


def part(scores):
    top = float(np.max(scores))
    return top, float(np.exp(scores - top).sum())


@merge_softmax.cases
def cases(rng):
    def two(a, b):
        (top_a, sum_a), (top_b, sum_b) = a, b
        return dict(top_a=top_a, sum_a=sum_a, top_b=top_b, sum_b=sum_b)

    nothing = (-math.inf, 0.0)
    a, b = part(rng.normal(size=5)), part(3 + rng.normal(size=9))
    yield "the second is larger", two(a, b)
    yield "the first is larger", two(b, a)
    yield "both the same", two(a, a)
    yield "one score each", two((2.0, 1.0), (float(rng.normal()), 1.0))
    yield "large scores", two(part(500 + rng.normal(size=4)), part(480 + rng.normal(size=4)))
    yield "far apart", two(part(1000 + rng.normal(size=4)), part(-1000 + rng.normal(size=4)))
    yield "the first is empty", two(nothing, a)
    yield "the second is empty", two(a, nothing)
    yield "both are empty", two(nothing, nothing)


@merge_softmax.mistake("the sums are added without rescaling them to the new maximum")
def not_rescaled(top_a, sum_a, top_b, sum_b):
    return max(top_a, top_b), sum_a + sum_b


@merge_softmax.mistake("only the first sum is rescaled")
def only_first(top_a, sum_a, top_b, sum_b):
    top = max(top_a, top_b)
    return top, sum_a * math.exp(top_a - top) + sum_b


@merge_softmax.mistake("the sign in the exponent is wrong: it must be exp(old maximum - new maximum)")
def wrong_sign(top_a, sum_a, top_b, sum_b):
    top = max(top_a, top_b)
    return top, sum_a * math.exp(top - top_a) + sum_b * math.exp(top - top_b)


@merge_softmax.mistake("-inf - (-inf) is NaN: two empty parts make an empty part")
def nan_of_nothing(top_a, sum_a, top_b, sum_b):
    top = np.maximum(top_a, top_b)
    with np.errstate(all="ignore"):
        return top, sum_a * np.exp(np.subtract(top_a, top)) + sum_b * np.exp(np.subtract(top_b, top))
