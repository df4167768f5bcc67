"""rms_norm: the normalisation in front of every Qwen projection."""

import numpy as np

from llaisys_mini.common_mistakes import TAILS, add_fixed_scalar_mistakes
from llaisys_mini.contract import F32, Stored
from llaisys_mini.operator import operator


@operator
def rms_norm(x: F32["... E"], weight: Stored["E"], eps: float) -> F32["... E"]:
    """Divide each row by its root mean square, then scale each column.

        out[n, e] = weight[e] * x[n, e] / sqrt(mean(x[n]^2) + eps)

    Source: Zhang & Sennrich 2019 (arXiv:1910.07467); `rms_norm_eps` in config.json.
    """
    return weight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)


@rms_norm.rounding
def rounding(x, weight, eps):
    return (x.shape[-1] + 8) * np.abs(rms_norm.reference(x, weight, eps))


@rms_norm.cases
def cases(rng):
    def inputs(shape, scale=1.0, eps=1e-6):
        return dict(x=scale * rng.normal(size=shape), weight=1 + 0.3 * rng.normal(size=shape[-1]), eps=eps)

    yield "one row", inputs((1, 16))
    yield "several rows", inputs((5, 33))
    yield "three dimensions", inputs((2, 3, 17))
    yield "one column", inputs((4, 1))
    yield "tiny: eps decides", inputs((4, 40), scale=1e-3)
    yield "large eps", inputs((4, 40), eps=0.5)
    zeros = inputs((3, 24))
    zeros["x"] = np.zeros((3, 24))
    yield "all zero", zeros
    yield "huge", inputs((3, 50), scale=1e15)
    shifted = inputs((4, 64))
    shifted["x"] += 10
    yield "mean far from zero", shifted
    yield "as wide as a model", inputs((2, 2100))
    yield "many rows", inputs((300, 3))
    yield "some sizes", inputs(tuple(rng.integers(2, 300, size=2)))


@rms_norm.mistake("eps is added outside the square root")
def eps_outside(x, weight, eps):
    return weight * x / (np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + eps)


@rms_norm.mistake("the squares are summed but not divided by E")
def sum_not_mean(x, weight, eps):
    return weight * x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True) + eps)


@rms_norm.mistake("the mean is subtracted first: this is layer normalisation without bias")
def centred(x, weight, eps):
    return rms_norm.reference(x - x.mean(axis=-1, keepdims=True), weight, eps)


@rms_norm.mistake("the weight is forgotten")
def no_weight(x, weight, eps):
    return rms_norm.reference(x, np.ones_like(weight), eps)


@rms_norm.mistake("eps is not added at all")
def no_eps(x, weight, eps):
    return weight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True))


@rms_norm.mistake("the row is divided by the mean square, without the square root")
def no_square_root(x, weight, eps):
    return weight * x / (np.mean(x * x, axis=-1, keepdims=True) + eps)


@rms_norm.mistake("the mean square is taken over the whole array, not row by row")
def whole_array(x, weight, eps):
    return weight * x / np.sqrt(np.mean(x * x) + eps)


@rms_norm.mistake("the sum of squares is not set back to 0 for each row: it carries on from the row before")
def sum_carried_on(x, weight, eps):
    sums = (x * x).sum(axis=-1, keepdims=True)
    carried = np.cumsum(sums.reshape(-1)).reshape(sums.shape)
    return weight * x / np.sqrt(carried / x.shape[-1] + eps)


@rms_norm.mistake("it runs down the columns instead of along the rows")
def wrong_axis(x, weight, eps):
    rows = x.reshape(-1, x.shape[-1])
    return (weight * rows / np.sqrt(np.mean(rows * rows, axis=0) + eps)).reshape(x.shape)


@rms_norm.mistake("1 is added to the weight, as in Gemma; Qwen does not")
def one_plus_weight(x, weight, eps):
    return rms_norm.reference(x, 1 + weight, eps)


@rms_norm.mistake("the weight is taken by row, weight[n], instead of by column")
def weight_by_row(x, weight, eps):
    rows = x.reshape(-1, x.shape[-1])
    by_row = np.full((len(rows), 1), np.nan, dtype=np.float32)  # beyond its end weight holds no numbers
    by_row[: len(weight), 0] = weight[: len(rows)]
    return (by_row * rms_norm.reference(rows, np.ones_like(weight), eps)).reshape(x.shape)


@rms_norm.mistake("eps is added to the sum of squares before it is divided by E")
def eps_in_sum(x, weight, eps):
    return rms_norm.reference(x, weight, eps / x.shape[-1])


@rms_norm.mistake("the root mean square of the first row is used for every row")
def first_row_only(x, weight, eps):
    rows = x.reshape(-1, x.shape[-1])
    return (weight * rows / np.sqrt(np.mean(rows[0] * rows[0]) + eps)).reshape(x.shape)


for _width in TAILS:

    @rms_norm.mistake(f"the last columns, those past a multiple of {_width}, are left out of the mean square")
    def tail_not_summed(x, weight, eps, width=_width):
        seen = x[..., : x.shape[-1] // width * width]
        return weight * x / np.sqrt((seen * seen).sum(axis=-1, keepdims=True) / x.shape[-1] + eps)


add_fixed_scalar_mistakes(rms_norm, "eps", (1e-5, 1e-6))


@rms_norm.mistake("the weight is multiplied twice")
def weight_twice(x, weight, eps):
    return rms_norm.reference(x, weight * weight, eps)
