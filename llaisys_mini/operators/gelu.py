"""gelu: x weighted by how likely a normal variable is to lie below it."""

import math

import numpy as np

from llaisys_mini.contract import F32
from llaisys_mini.operator import operator

_erf = np.vectorize(math.erf, otypes=[np.float64])


@operator
def gelu(x: F32["..."]) -> F32["..."]:
    """Gaussian error linear unit, the exact form (not the tanh approximation).

        out[i] = x[i] * (1 + erf(x[i] / sqrt(2))) / 2

    Source: Hendrycks & Gimpel 2016 (arXiv:1606.08415).
    """
    return x * (1 + _erf(x / math.sqrt(2))) / 2


@gelu.rounding
def rounding(x):
    return 4 * np.abs(x)  # 1 + erf(...) cancels for negative x: its error stays absolute


@gelu.cases
def cases(rng):
    for shape in [(1,), (11,), (3, 7), (5, 64)]:
        yield f"shape {shape}", dict(x=2 * rng.normal(size=shape))
    yield "far out on both sides", dict(x=np.array([-1000.0, -30, -5, -1, 0, 1, 5, 30, 1000]))
    yield "tiny", dict(x=1e-4 * rng.normal(size=40))
    yield "as wide as a model", dict(x=3 * rng.normal(size=(2, 2100)))
    yield "some length", dict(x=3 * rng.normal(size=int(rng.integers(2, 3000))))


@gelu.mistake("erf is approximated by tanh, which is off by up to 0.0005")
def tanh_form(x):
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


@gelu.mistake("the factor 1/2 is missing")
def not_halved(x):
    return 2 * gelu.reference(x)


@gelu.mistake("x is not divided by sqrt(2) inside erf")
def no_sqrt_two(x):
    return x * (1 + _erf(x)) / 2


@gelu.mistake("the factor x is missing: this is the normal distribution function")
def only_distribution(x):
    return (1 + _erf(x / math.sqrt(2))) / 2


@gelu.mistake("erf is approximated by a sigmoid: x * sigmoid(1.702 x)")
def sigmoid_form(x):
    return x / (1 + np.exp(-1.702 * x))


@gelu.mistake("erf is taken of the absolute value, so negative x come out as positive ones do")
def erf_of_absolute(x):
    return x * (1 + _erf(np.abs(x) / math.sqrt(2))) / 2
