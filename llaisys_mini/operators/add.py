"""add: the residual stream's operator."""

import numpy as np

from llaisys_mini.contract import F32
from llaisys_mini.operator import operator


@operator
def add(x: F32["..."], y: F32["..."]) -> F32["..."]:
    """Element by element sum.

    out[i] = x[i] + y[i]
    """
    return x + y


@add.rounding
def rounding(x, y):
    return np.abs(x + y)


@add.cases
def cases(rng):
    for shape in [(1,), (7,), (64,), (3, 5), (4, 33, 17)]:
        yield f"shape {shape}", dict(x=rng.normal(size=shape), y=rng.normal(size=shape))
    yield "huge and tiny", dict(x=1e30 * rng.normal(size=257), y=1e-30 * rng.normal(size=257))
    x = rng.normal(size=100)
    yield "cancels to zero", dict(x=x, y=-x)
    yield "as wide as a model", dict(x=rng.normal(size=(2, 2100)), y=rng.normal(size=(2, 2100)))
    n = int(rng.integers(2, 5000))
    yield "some length", dict(x=rng.normal(size=n), y=rng.normal(size=n))


@add.mistake("y is subtracted, not added")
def subtracts(x, y):
    return x - y


@add.mistake("x is added to itself; y is never read")
def doubles_x(x, y):
    return x + x


@add.mistake("the last elements, those past a multiple of four, are never written")
def tail_missing(x, y):
    out = np.full(x.size, np.nan, x.dtype)
    end = x.size // 4 * 4
    out[:end] = (x + y).reshape(-1)[:end]
    return out.reshape(x.shape)


@add.mistake("the sum is taken of absolute values")
def absolute(x, y):
    return np.abs(x) + np.abs(y)
