"""silu: x times its own sigmoid, the non-linearity inside SwiGLU."""

import numpy as np

from llaisys_mini.contract import F32
from llaisys_mini.operator import operator
from llaisys_mini.operators.sigmoid import rounding as sigmoid_rounding
from llaisys_mini.operators.sigmoid import sigmoid


@operator
def silu(x: F32["..."]) -> F32["..."]:
    """Sigmoid linear unit, also called swish.

        out[i] = x[i] / (1 + exp(-x[i]))

    Right is what a right sigmoid, see there, gives when it is multiplied by x.
    Source: Elfwing et al. 2017 (arXiv:1702.03118); `hidden_act: silu` in config.json.
    """
    return x * sigmoid.reference(x)


@silu.rounding
def rounding(x):
    return np.abs(x) * (sigmoid_rounding(x) + 1)


@silu.cases
def cases(rng):
    for shape in [(1,), (11,), (3, 7), (5, 64)]:
        yield f"shape {shape}", dict(x=2 * rng.normal(size=shape))
    yield "far out on both sides", dict(x=np.array([-1000.0, -100, -89, -20, 0, 20, 90, 100, 1000]))
    yield "tiny", dict(x=1e-4 * rng.normal(size=40))
    yield "as wide as a model", dict(x=5 * rng.normal(size=(2, 2100)))
    yield "some length", dict(x=5 * rng.normal(size=int(rng.integers(2, 5000))))


@silu.mistake("the factor x is missing: this is the sigmoid alone")
def only_sigmoid(x):
    return 1 / (1 + np.exp(-x))


@silu.mistake("the minus sign in exp(-x) is missing")
def wrong_sign(x):
    return x / (1 + np.exp(x))


@silu.mistake("the smooth part around zero is missing: this is ReLU")
def is_relu(x):
    return np.maximum(x, 0)


@silu.mistake("x * exp(x) / (1 + exp(x)) overflows to NaN for large x")
def overflows(x):
    return x * np.exp(x) / (1 + np.exp(x))


@silu.mistake("the sigmoid is taken of 1.702 x: that approximates GELU")
def is_quick_gelu(x):
    return x / (1 + np.exp(-1.702 * x))
