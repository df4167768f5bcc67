"""softmax: scores to probabilities."""

import numpy as np

from llaisys_mini.contract import F32, UNIT_ROUNDOFF
from llaisys_mini.operator import operator


@operator
def softmax(x: F32["... C"]) -> F32["... C"]:
    """Each row becomes positive and sums to one. The row's maximum is subtracted first, so nothing overflows.

        out[n, c] = exp(x[n, c] - max(x[n])) / sum_j exp(x[n, j] - max(x[n]))

    Scores of -inf get probability 0, as masked ones do; one score of each row must be finite.
    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".
    """
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@softmax.rounding
def rounding(x):
    # Rounding x - max makes a relative error of that magnitude in exp. 4 per column: an online sum rescales each time.
    expected, below = softmax.reference(x), np.nan_to_num(x.max(axis=-1, keepdims=True) - x, posinf=0)
    vanishing = np.where(below > 86, expected / UNIT_ROUNDOFF, 0)  # fast kernels may flush exp(-87) to zero
    return expected * (8 + 2 * below + 4 * x.shape[-1]) + vanishing


@softmax.cases
def cases(rng):
    yield "one row", dict(x=rng.normal(size=(1, 8)))
    yield "several rows", dict(x=rng.normal(size=(5, 33)))
    yield "one column", dict(x=rng.normal(size=(6, 1)))
    yield "three dimensions", dict(x=rng.normal(size=(2, 3, 17)))
    yield "no leading dimension", dict(x=rng.normal(size=21))
    yield "large scores", dict(x=100 + 60 * rng.normal(size=(3, 40)))
    yield "large negative scores", dict(x=-500 + 30 * rng.normal(size=(3, 40)))
    yield "constant rows", dict(x=np.array([[2.5] * 7, [-80.0] * 7, [300.0] * 7]))
    yield "rising rows", dict(x=np.sort(5 * rng.normal(size=(4, 65)), axis=-1))
    yield "some sizes", dict(x=3 * rng.normal(size=tuple(rng.integers(2, 300, size=2))))
    masked = rng.normal(size=(5, 21))
    masked[0, :3] = masked[1, 4:9] = masked[2, 15:] = masked[3, :20] = -np.inf
    yield "scores of -inf, as a mask sets them", dict(x=masked)
    yield "as wide as a vocabulary", dict(x=3 * rng.normal(size=(2, 3000)))
    yield "many rows", dict(x=rng.normal(size=(300, 3)))
    # A maximum or sum carried over from the row before goes unnoticed where rows are alike.
    yield "rows far apart", dict(x=rng.normal(size=(4, 9)) + np.array([[300], [-300], [100], [-100]]))


@softmax.mistake("the maximum is not subtracted, so exp overflows to inf for large scores")
def unsafe(x):
    exponentials = np.exp(x)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@softmax.mistake("the sum runs over everything, not over each row")
def whole_array(x):
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum()


@softmax.mistake("it runs down the columns instead of along the last axis")
def wrong_axis(x):
    rows = x.reshape(-1, x.shape[-1])
    exponentials = np.exp(rows - rows.max(axis=0, keepdims=True))
    return (exponentials / exponentials.sum(axis=0, keepdims=True)).reshape(x.shape)


@softmax.mistake("the exponentials are not divided by their sum")
def not_normalised(x):
    return np.exp(x - x.max(axis=-1, keepdims=True))


@softmax.mistake("the running maximum starts at 0 instead of -inf, so rows of very negative scores vanish")
def maximum_from_zero(x):
    exponentials = np.exp(x - np.maximum(x.max(axis=-1, keepdims=True), 0))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@softmax.mistake("the sum so far is not rescaled when the running maximum grows")
def sum_not_rescaled(x):
    so_far = np.maximum.accumulate(x, axis=-1)
    total = np.exp(x - so_far).sum(axis=-1, keepdims=True)
    return np.exp(x - x.max(axis=-1, keepdims=True)) / total


@softmax.mistake(
    "the sum so far is not rescaled when the running maximum grows; scores of -inf are left out, as they should be"
)
def sum_of_finite_not_rescaled(x):
    so_far = np.maximum.accumulate(x, axis=-1)
    with np.errstate(invalid="ignore"):
        total = np.where(np.isneginf(x), 0, np.exp(x - so_far)).sum(axis=-1, keepdims=True)
    return np.exp(x - x.max(axis=-1, keepdims=True)) / total


@softmax.mistake("a score above the running maximum rescales the sum, but its own exponential, 1, is not added")
def new_maximum_not_added(x):
    so_far = np.maximum.accumulate(x, axis=-1)
    return _without_new_maxima(x) + 0 * np.exp(x - so_far).sum(axis=-1, keepdims=True)


@softmax.mistake(
    "a score above the running maximum rescales the sum, but its own exponential, 1, is not added; scores of -inf are "
    "left out, as they should be"
)
def new_finite_maximum_not_added(x):
    return _without_new_maxima(x)


def _without_new_maxima(x):
    """Exponentials over the sum of those whose scores were not above all before them."""
    before = np.concatenate([np.full_like(x[..., :1], -np.inf), np.maximum.accumulate(x, axis=-1)[..., :-1]], axis=-1)
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / np.where(x > before, 0, exponentials).sum(axis=-1, keepdims=True)


@softmax.mistake("-inf is subtracted from -inf, which gives NaN: the running maximum of a row that begins with -inf")
def maximum_stays_infinite(x):
    so_far = np.maximum.accumulate(x, axis=-1)
    return softmax.reference(x) + 0 * np.exp(x - so_far).sum(axis=-1, keepdims=True)


@softmax.mistake("the sum is not set back to 0 for each row: it carries on from the row before")
def sum_carried_on(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    sums = exponentials.sum(axis=-1, keepdims=True)
    return exponentials / np.cumsum(sums.reshape(-1)).reshape(sums.shape)


@softmax.mistake("the maximum is not set back for each row: it carries on from the row before")
def maximum_carried_on(x):
    tops = x.max(axis=-1, keepdims=True)
    exponentials = np.exp(x - np.maximum.accumulate(tops.reshape(-1)).reshape(tops.shape))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@softmax.mistake("2 is raised to the scores instead of e")
def base_two(x):
    return softmax.reference(x * np.log(2).astype(x.dtype))


@softmax.mistake("the last column is left out of the sum: the loop ends one too early")
def last_not_summed(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials[..., :-1].sum(axis=-1, keepdims=True)


@softmax.mistake("these are the logarithms of the probabilities: the exponential at the end is missing")
def log_softmax(x):
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@softmax.mistake(
    "the maximum is that of the whole array, not of each row, so the exponentials of rows far below it vanish"
)
def one_maximum(x):
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
