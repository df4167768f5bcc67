"""add_rms_norm: a residual addition and the normalisation after it, fused: the sum is normalised while at hand."""

import numpy as np

from llaisys_mini.contract import F32, Outputs, Stored
from llaisys_mini.operator import operator
from llaisys_mini.operators.rms_norm import rms_norm


@operator
def add_rms_norm(x: F32["... E"], residual: F32["... E"], weight: Stored["E"], eps: float) -> Outputs(
    total=F32["... E"], out=F32["... E"]
):
    """Add two arrays, then normalise each row of the sum by its root mean square and scale each column.

        total[n, e] = x[n, e] + residual[n, e]
        out[n, e]   = weight[e] * total[n, e] / sqrt(mean(total[n]^2) + eps)

    total is the residual stream, which goes on; out is what the next block reads.
    Source: `rms_norm`, and the pre-norm block of Qwen2 (arXiv:2407.10671).
    """
    total = x + residual
    return total, rms_norm.reference(total, weight, eps)


@add_rms_norm.rounding
def rounding(x, residual, weight, eps):
    total, out = add_rms_norm.reference(x, residual, weight, eps)
    # Rounding the sum moves `out` by as much, relative to the numbers it was made of.
    scale = np.abs(weight) / np.sqrt(np.mean(total * total, axis=-1, keepdims=True) + eps)
    return 8 * np.abs(total), (x.shape[-1] + 8) * np.abs(out) + 2 * scale * (np.abs(x) + np.abs(residual))


@add_rms_norm.cases
def cases(rng):
    def inputs(shape, scale=1.0, eps=1e-6):
        return dict(
            x=scale * rng.normal(size=shape),
            residual=scale * rng.normal(size=shape),
            weight=1 + 0.3 * rng.normal(size=shape[-1]),
            eps=eps,
        )

    yield "one row", inputs((1, 16))
    yield "several rows", inputs((5, 33))
    yield "three dimensions", inputs((2, 3, 17))
    yield "one column", inputs((4, 1))
    yield "tiny: eps decides", inputs((4, 40), scale=1e-3)
    yield "large eps", inputs((4, 40), eps=0.5)
    opposite = inputs((3, 24))
    opposite["residual"] = -opposite["x"]
    yield "the sum is zero", opposite
    small = inputs((4, 50))
    small["x"] *= 0.01
    yield "a small step on a large stream", small
    shifted = inputs((4, 64))
    shifted["residual"] += 10
    yield "mean far from zero", shifted
    yield "huge", inputs((3, 50), scale=1e15)
    yield "as wide as a model", inputs((2, 2100))
    yield "many rows", inputs((300, 3))
    yield "some sizes", inputs(tuple(rng.integers(2, 300, size=2)))


@add_rms_norm.mistake("the residual is normalised alone: x is not added first")
def residual_alone(x, residual, weight, eps):
    return x + residual, rms_norm.reference(residual, weight, eps)


@add_rms_norm.mistake("x is normalised alone: the residual is not added first")
def x_alone(x, residual, weight, eps):
    return x + residual, rms_norm.reference(x, weight, eps)


@add_rms_norm.mistake("the normalised row is written to both outputs; total is the plain sum")
def normalised_twice(x, residual, weight, eps):
    out = rms_norm.reference(x + residual, weight, eps)
    return out, out


@add_rms_norm.mistake("the residual is added after the normalisation")
def added_after(x, residual, weight, eps):
    return x + residual, residual + rms_norm.reference(x, weight, eps)


@add_rms_norm.mistake("total still holds x: the sum is not written back")
def not_written(x, residual, weight, eps):
    return x, rms_norm.reference(x + residual, weight, eps)


def with_mistaken_norm(norm):
    def mistaken(x, residual, weight, eps):
        return x + residual, norm(x + residual, weight, eps)

    return mistaken


add_rms_norm.inherit_mistakes(rms_norm, with_mistaken_norm)


@add_rms_norm.mistake("the sum is divided by the root mean square of x, not of the sum")
def root_of_x(x, residual, weight, eps):
    total = x + residual
    return total, weight * total / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)


@add_rms_norm.mistake("total receives the residual as it was: x is not added")
def total_is_residual(x, residual, weight, eps):
    return residual, rms_norm.reference(x + residual, weight, eps)
