"""relu: the simplest non-linearity."""

import numpy as np

from llaisys_mini.contract import F32
from llaisys_mini.operator import operator


@operator
def relu(x: F32["..."]) -> F32["..."]:
    """Rectified linear unit: negative elements become zero.

        out[i] = max(x[i], 0)

    Source: Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines", ICML.
    """
    return np.maximum(x, 0)


@relu.rounding
def rounding(x):
    return np.zeros_like(x)


@relu.cases
def cases(rng):
    for shape in [(1,), (9,), (3, 7), (5, 64)]:
        yield f"shape {shape}", dict(x=rng.normal(size=shape))
    yield "all negative", dict(x=-np.abs(rng.normal(size=50)) - 0.1)
    yield "zeros, huge and tiny", dict(x=np.array([0.0, 1e30, -1e30, 1e-30, -1e-30, 7.5]))
    yield "as wide as a model", dict(x=rng.normal(size=(2, 2100)))
    yield "some length", dict(x=3 * rng.normal(size=int(rng.integers(2, 5000))))


@relu.mistake("the sign is dropped: this is the absolute value")
def absolute(x):
    return np.abs(x)


@relu.mistake("negative elements keep a small slope: this is leaky ReLU")
def leaky(x):
    return np.where(x > 0, x, 0.01 * x)


@relu.mistake("positive elements are cut to zero and negative ones kept: the comparison is reversed")
def turned_around(x):
    return np.minimum(x, 0)


@relu.mistake("large elements are cut off: this is ReLU6")
def capped(x):
    return np.clip(x, 0, 6)


@relu.mistake("negative elements are never written instead of being set to zero")
def negative_unwritten(x):
    return np.where(x > 0, x, np.nan)
