"""rms_norm_backward: the gradients of the normalisation with respect to its input and its weight."""

import numpy as np

from llaisys_mini.common_mistakes import TAILS, add_fixed_scalar_mistakes
from llaisys_mini.contract import F32, Outputs
from llaisys_mini.operator import operator


@operator
def rms_norm_backward(grad_out: F32["... E"], x: F32["... E"], weight: F32["E"], eps: float) -> Outputs(
    grad_x=F32["... E"], grad_weight=F32["E"]
):
    """Gradients of out = weight * x / sqrt(mean(x^2) + eps), given the loss's gradient with respect to out.

        r[n]    = 1 / sqrt(mean(x[n]^2) + eps)
        h[n, e] = x[n, e] * r[n]                      the normalised row
        g[n, e] = grad_out[n, e] * weight[e]
        grad_x[n, e]   = r[n] * (g[n, e] - h[n, e] * mean(g[n] * h[n]))
        grad_weight[e] = sum_n grad_out[n, e] * h[n, e]

    The second term of grad_x is there because every number of a row has a part in its root mean square.
    Source: Zhang & Sennrich 2019 (arXiv:1910.07467), section 4; `rms_norm_eps` in config.json.
    """
    scale, normalised = normalise(x, eps)
    of_normalised = grad_out * weight
    along = np.mean(of_normalised * normalised, axis=-1, keepdims=True)
    return scale * (of_normalised - normalised * along), over_rows(grad_out * normalised)


def normalise(x, eps):
    """1 / root of each row [..., 1], and the normalised rows."""
    scale = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    return scale, x * scale


def over_rows(values):
    """The sum over all leading dimensions."""
    return values.reshape(-1, values.shape[-1]).sum(axis=0)


@rms_norm_backward.rounding
def rounding(grad_out, x, weight, eps):
    return roundings(grad_out, x, weight, eps)


def roundings(grad_out, x, weight, eps):
    """Roundoffs of both gradients: each term by its size, since the two of grad_x may cancel."""
    width, rows = x.shape[-1], x.size // x.shape[-1]
    scale, normalised = normalise(x, eps)
    normalised, of_normalised = np.abs(normalised), np.abs(grad_out * weight)
    along = np.mean(of_normalised * normalised, axis=-1, keepdims=True)
    return (
        (2 * width + 16) * scale * (of_normalised + normalised * along),
        (width + rows + 8) * over_rows(np.abs(grad_out) * normalised),
    )


def made_cases(rng, inputs):
    """The cases of a norm's backward pass. inputs: function(shape, scale=1.0, eps=1e-6) -> arguments, with x among
    them."""
    yield "one row", inputs((1, 16))
    yield "several rows", inputs((5, 33))
    yield "three dimensions", inputs((2, 3, 17))
    yield "one column", inputs((4, 1))
    yield "tiny: eps decides", inputs((4, 40), scale=1e-3)
    yield "large eps", inputs((4, 40), eps=0.5)
    yield "huge", inputs((3, 50), scale=1e15)
    yield "as wide as a model", inputs((2, 2100))
    yield "many rows", inputs((300, 3))
    yield "some sizes", inputs(tuple(rng.integers(2, 300, size=2)))


@rms_norm_backward.cases
def cases(rng):
    def inputs(shape, scale=1.0, eps=1e-6):
        return dict(
            grad_out=rng.normal(size=shape),
            x=scale * rng.normal(size=shape),
            weight=1 + 0.3 * rng.normal(size=shape[-1]),
            eps=eps,
        )

    yield from made_cases(rng, inputs)
    zeros = inputs((3, 24))
    zeros["x"] = np.zeros((3, 24))
    yield "all zero", zeros
    shifted = inputs((4, 64))
    shifted["x"] += 10
    yield "mean far from zero", shifted


@rms_norm_backward.mistake("the root is taken as a constant: the second term of grad_x is missing")
def root_constant(grad_out, x, weight, eps):
    scale, normalised = normalise(x, eps)
    return scale * grad_out * weight, over_rows(grad_out * normalised)


@rms_norm_backward.mistake("the second term of grad_x is added; it must be subtracted")
def wrong_sign(grad_out, x, weight, eps):
    scale, normalised = normalise(x, eps)
    along = np.mean(grad_out * weight * normalised, axis=-1, keepdims=True)
    return scale * (grad_out * weight + normalised * along), over_rows(grad_out * normalised)


@rms_norm_backward.mistake("g * h is summed over the row but not divided by E")
def sum_not_mean(grad_out, x, weight, eps):
    scale, normalised = normalise(x, eps)
    along = np.sum(grad_out * weight * normalised, axis=-1, keepdims=True)
    return scale * (grad_out * weight - normalised * along), over_rows(grad_out * normalised)


@rms_norm_backward.mistake("the weight is forgotten in grad_x")
def no_weight(grad_out, x, weight, eps):
    return rms_norm_backward.reference(grad_out, x, np.ones_like(weight), eps)


@rms_norm_backward.mistake("the weight is forgotten in the second term of grad_x")
def no_weight_in_mean(grad_out, x, weight, eps):
    scale, normalised = normalise(x, eps)
    along = np.mean(grad_out * normalised, axis=-1, keepdims=True)
    return scale * (grad_out * weight - normalised * along), over_rows(grad_out * normalised)


@rms_norm_backward.mistake("x itself stands in the second term of grad_x, where the normalised row must")
def x_in_second_term(grad_out, x, weight, eps):
    scale, normalised = normalise(x, eps)
    along = np.mean(grad_out * weight * normalised, axis=-1, keepdims=True)
    return scale * (grad_out * weight - x * along), over_rows(grad_out * normalised)


@rms_norm_backward.mistake("grad_weight is made of x, not of the normalised rows")
def weight_of_raw_x(grad_out, x, weight, eps):
    return rms_norm_backward.reference(grad_out, x, weight, eps)[0], over_rows(grad_out * x)


@rms_norm_backward.mistake("grad_weight keeps only the last row: it is overwritten instead of added up")
def weight_of_last_row(grad_out, x, weight, eps):
    of_x, _ = rms_norm_backward.reference(grad_out, x, weight, eps)
    return of_x, (grad_out * normalise(x, eps)[1]).reshape(-1, x.shape[-1])[-1]


@rms_norm_backward.mistake("grad_weight is the mean over the rows; it is their sum")
def weight_averaged(grad_out, x, weight, eps):
    of_x, of_weight = rms_norm_backward.reference(grad_out, x, weight, eps)
    return of_x, of_weight / np.float32(x.size // x.shape[-1])


@rms_norm_backward.mistake("the gradient of weight is multiplied by weight")
def weight_by_weight(grad_out, x, weight, eps):
    of_x, of_weight = rms_norm_backward.reference(grad_out, x, weight, eps)
    return of_x, of_weight * weight


@rms_norm_backward.mistake("eps is not added at all")
def no_eps(grad_out, x, weight, eps):
    return rms_norm_backward.reference(grad_out, x, weight, 0.0)


@rms_norm_backward.mistake("r^3 * x * mean(g * x) leaves the range of float32 where x is large; normalise first")
def cube_underflows(grad_out, x, weight, eps):
    scale, normalised = normalise(x, eps)
    along = np.mean(grad_out * weight * x, axis=-1, keepdims=True)
    return scale * grad_out * weight - scale**3 * (x * along), over_rows(grad_out * normalised)


@rms_norm_backward.mistake("the sum of g * h is not set back to 0 for each row: it carries on from the row before")
def sum_carried_on(grad_out, x, weight, eps):
    scale, normalised = normalise(x, eps)
    along = np.mean(grad_out * weight * normalised, axis=-1, keepdims=True)
    carried = np.cumsum(along.reshape(-1)).reshape(along.shape)
    return scale * (grad_out * weight - normalised * carried), over_rows(grad_out * normalised)


for _width in TAILS:

    @rms_norm_backward.mistake(f"the last columns, past a multiple of {_width}, are left out of the mean of g * h")
    def tail_not_summed(grad_out, x, weight, eps, width=_width):
        scale, normalised = normalise(x, eps)
        product = (grad_out * weight * normalised)[..., : x.shape[-1] // width * width]
        along = product.sum(axis=-1, keepdims=True) / np.float32(x.shape[-1])
        return scale * (grad_out * weight - normalised * along), over_rows(grad_out * normalised)


add_fixed_scalar_mistakes(rms_norm_backward, "eps", (1e-5, 1e-6))
