"""sigmoid: squeezes any number into (0, 1)."""

import numpy as np

from llaisys_mini.contract import F32
from llaisys_mini.operator import operator


@operator
def sigmoid(x: F32["..."]) -> F32["..."]:
    """Logistic function.

        out[i] = 1 / (1 + exp(-x[i]))

    Right is what differs by at most 24 roundoffs, 1.4e-6, of the value, so an exp that is off by 1e-6 passes; and two
    roundoffs, 1.2e-7, besides, so (1 + tanh(x / 2)) / 2 passes, whose error shows far below zero: nothing later in a
    network can tell 1e-7 from 0.
    """
    small = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1, small) / (1 + small)


@sigmoid.rounding
def rounding(x):
    return (24 + np.abs(x)) * sigmoid.reference(x) + 2  # exp makes the rounding of its argument a relative error


@sigmoid.cases
def cases(rng):
    for shape in [(1,), (11,), (3, 7), (5, 64)]:
        yield f"shape {shape}", dict(x=2 * rng.normal(size=shape))
    yield "far out on both sides", dict(x=np.array([-1000.0, -100, -90, -20, 0, 20, 90, 100, 1000]))
    yield "tiny", dict(x=1e-4 * rng.normal(size=40))
    yield "as wide as a model", dict(x=5 * rng.normal(size=(2, 2100)))
    yield "some length", dict(x=5 * rng.normal(size=int(rng.integers(2, 5000))))


@sigmoid.mistake("the minus sign in exp(-x) is missing, so the curve falls instead of rising")
def falling(x):
    return 1 / (1 + np.exp(x))


@sigmoid.mistake("exp(x) / (1 + exp(x)) overflows to inf / inf = NaN for large x")
def overflows(x):
    return np.exp(x) / (1 + np.exp(x))


@sigmoid.mistake("tanh is taken, which runs from -1 to 1")
def is_tanh(x):
    return np.tanh(x)


@sigmoid.mistake("the curve is a straight line cut off at 0 and 1: this is the 'hard' sigmoid")
def hard(x):
    return np.clip(x / 6 + 0.5, 0, 1)


@sigmoid.mistake("the 1 in the denominator is missing: this is exp(x)")
def no_one(x):
    return np.exp(x)


@sigmoid.mistake("x counts twice; in the form with tanh the half inside is missing: tanh(x / 2)")
def tanh_of_x(x):
    return (1 + np.tanh(x)) / 2
