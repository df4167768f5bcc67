"""layer_norm: each row shifted to mean zero and scaled to variance one."""

import numpy as np

from llaisys_mini.common_mistakes import add_fixed_scalar_mistakes
from llaisys_mini.contract import F32, UNIT_ROUNDOFF, Stored
from llaisys_mini.operator import operator


@operator
def layer_norm(x: F32["... E"], weight: Stored["E"], bias: Stored["E"], eps: float) -> F32["... E"]:
    """Subtract the row's mean, divide by its standard deviation (over E, not E - 1), then scale and shift each column.

        out[n, e] = weight[e] * (x[n, e] - mean(x[n])) / sqrt(var(x[n]) + eps) + bias[e]

    Source: Ba et al. 2016 (arXiv:1607.06450).
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return weight * centred / np.sqrt(variance + eps) + bias


@layer_norm.rounding
def rounding(x, weight, bias, eps):
    # The float32 mean is off by up to E roundoffs of mean|x|. That shifts every element, and the variance with it.
    width = x.shape[-1]
    centring = width * np.abs(x).mean(axis=-1, keepdims=True) + np.abs(x)
    worst = centring.max(axis=-1, keepdims=True)
    deviation = x.std(axis=-1, keepdims=True)
    spread = deviation**2 + eps
    scaled = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(spread)
    of_variance = width + 8 + (2 * deviation * worst + UNIT_ROUNDOFF * worst**2) / spread
    return np.abs(weight) * (centring / np.sqrt(spread) + np.abs(scaled) * (of_variance / 2 + 8)) + 4 * np.abs(bias)


@layer_norm.cases
def cases(rng):
    def inputs(shape, scale=1.0, mean=0.0, eps=1e-5):
        weight, bias = 1 + 0.3 * rng.normal(size=shape[-1]), rng.normal(size=shape[-1])
        return dict(x=mean + scale * rng.normal(size=shape), weight=weight, bias=bias, eps=eps)

    yield "one row", inputs((1, 16))
    yield "several rows", inputs((5, 33))
    yield "three dimensions", inputs((2, 3, 17))
    yield "one column", inputs((4, 1))
    yield "two columns", inputs((4, 2))
    yield "mean far from zero", inputs((4, 64), mean=1000.0)
    yield "tiny: eps decides", inputs((4, 40), scale=1e-3)
    yield "large eps", inputs((4, 40), eps=0.5)
    constant = inputs((3, 24))
    constant["x"] = np.array([[0.0], [3.0], [-7.0]]) * np.ones((1, 24))
    yield "constant rows", constant
    yield "huge", inputs((3, 50), scale=1e15)
    yield "as wide as a model", inputs((2, 2100))
    yield "many rows", inputs((300, 3))
    yield "some sizes", inputs(tuple(rng.integers(2, 200, size=2)))


@layer_norm.mistake("eps is added outside the square root")
def eps_outside(x, weight, bias, eps):
    return weight * (x - x.mean(axis=-1, keepdims=True)) / (x.std(axis=-1, keepdims=True) + eps) + bias


@layer_norm.mistake("the variance is divided by E - 1; layer normalisation divides by E")
def unbiased_variance(x, weight, bias, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).sum(axis=-1, keepdims=True) / max(x.shape[-1] - 1, 1)
    return weight * centred / np.sqrt(variance + eps) + bias


@layer_norm.mistake("the mean is not subtracted: this is RMSNorm with a bias")
def not_centred(x, weight, bias, eps):
    return weight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) + bias


@layer_norm.mistake("the bias is forgotten")
def no_bias(x, weight, bias, eps):
    return layer_norm.reference(x, weight, bias, eps) - bias


@layer_norm.mistake("the variance is computed as mean(x^2) - mean(x)^2, which cancels when the mean is large")
def cancelling_variance(x, weight, bias, eps):
    mean = x.mean(axis=-1, keepdims=True)
    variance = np.mean(x * x, axis=-1, keepdims=True) - mean * mean
    return weight * (x - mean) / np.sqrt(variance + eps) + bias


@layer_norm.mistake("mean and variance are taken over the whole array, not row by row")
def whole_array(x, weight, bias, eps):
    return weight * (x - x.mean()) / np.sqrt(x.var() + eps) + bias


@layer_norm.mistake("it runs down the columns instead of along the rows")
def wrong_axis(x, weight, bias, eps):
    rows = x.reshape(-1, x.shape[-1])
    return (weight * (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + eps) + bias).reshape(x.shape)


@layer_norm.mistake("the sum is not set back to 0 for each row: the mean carries on from the row before")
def mean_carried_on(x, weight, bias, eps):
    means = x.mean(axis=-1, keepdims=True)
    centred = x - np.cumsum(means.reshape(-1)).reshape(means.shape)
    return weight * centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + eps) + bias


@layer_norm.mistake("the mean is left out of the numerator; only the variance uses it")
def numerator_not_centred(x, weight, bias, eps):
    return weight * x / np.sqrt(x.var(axis=-1, keepdims=True) + eps) + bias


@layer_norm.mistake("the row is divided by the variance, without the square root")
def no_square_root(x, weight, bias, eps):
    return weight * (x - x.mean(axis=-1, keepdims=True)) / (x.var(axis=-1, keepdims=True) + eps) + bias


@layer_norm.mistake("the bias is added before the weight multiplies")
def weight_on_bias(x, weight, bias, eps):
    return weight * (layer_norm.reference(x, np.ones_like(weight), bias, eps))


@layer_norm.mistake("the bias is taken by row, bias[n], instead of by column")
def bias_by_row(x, weight, bias, eps):
    rows = x.reshape(-1, x.shape[-1])
    by_row = bias[np.arange(len(rows)) % len(bias)][:, None]
    return (layer_norm.reference(rows, weight, np.zeros_like(bias), eps) + by_row).reshape(x.shape)


@layer_norm.mistake("mean and variance of the first row are used for every row")
def first_row_only(x, weight, bias, eps):
    rows = x.reshape(-1, x.shape[-1])
    return (weight * (rows - rows[0].mean()) / np.sqrt(rows[0].var() + eps) + bias).reshape(x.shape)


add_fixed_scalar_mistakes(layer_norm, "eps", (1e-5, 1e-6))
