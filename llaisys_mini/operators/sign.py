"""sign: the first neuron's decision."""

import numpy as np

from llaisys_mini.contract import F32
from llaisys_mini.operator import operator


@operator
def sign(x: F32["..."]) -> F32["..."]:
    """Which side: 1 where x is zero or above, -1 below. (NumPy's sign gives 0 for 0; a neuron has to decide.)

    out[i] = 1 if x[i] >= 0 else -1
    Source: Rosenblatt 1958, doi:10.1037/h0042519.
    """
    return np.where(x >= 0, 1.0, -1.0)


@sign.rounding
def rounding(x):
    return np.zeros_like(x)  # 1 and -1 are exact


@sign.cases
def cases(rng):
    for shape in [(1,), (9,), (3, 7), (2, 5, 11)]:
        yield f"shape {shape}", dict(x=rng.normal(size=shape))
    yield "all negative", dict(x=-np.abs(rng.normal(size=50)) - 0.1)
    yield "zeros and minus zeros", dict(x=np.array([0.0, -0.0, 1.0, 0.0, -1.0, -0.0]))
    yield "huge and tiny", dict(x=np.array([1e30, -1e30, 1e-30, -1e-30, 0.4, -0.4]))
    yield "as wide as a model", dict(x=rng.normal(size=(2, 2100)))
    yield "some length", dict(x=3 * rng.normal(size=int(rng.integers(2, 5000))))


@sign.mistake("0 gives 0, as NumPy's sign does; a neuron has to decide: 0 counts as positive")
def zero_of_zero(x):
    return np.sign(x)


@sign.mistake("0 is counted as negative: the test must be x >= 0, not x > 0")
def zero_negative(x):
    return np.where(x > 0, 1, -1)


@sign.mistake("the sides are swapped")
def swapped(x):
    return np.where(x >= 0, -1, 1)


@sign.mistake("negative elements give 0 instead of -1: this is a step function")
def step(x):
    return np.where(x >= 0, 1, 0)


@sign.mistake("the number is cut to -1 .. 1, so small numbers stay small")
def clipped(x):
    return np.clip(x, -1, 1)
