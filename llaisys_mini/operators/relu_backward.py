"""relu_backward: the gradient passes where the input was positive."""

import numpy as np

from llaisys_mini.contract import F32
from llaisys_mini.operator import operator


@operator
def relu_backward(grad_out: F32["..."], x: F32["..."]) -> F32["..."]:
    """Gradient of relu with respect to its input x; zero where x is exactly zero.

    out[i] = grad_out[i] if x[i] > 0 else 0
    """
    return np.where(x > 0, grad_out, 0.0)


@relu_backward.rounding
def rounding(grad_out, x):
    return np.zeros_like(x)


@relu_backward.cases
def cases(rng):
    for shape in [(1,), (9,), (3, 7), (5, 64)]:
        yield f"shape {shape}", dict(grad_out=rng.normal(size=shape), x=rng.normal(size=shape))
    yield "x is zero in places", dict(grad_out=rng.normal(size=60), x=rng.integers(-1, 2, size=60))
    yield "x all negative", dict(grad_out=rng.normal(size=20), x=-0.1 - np.abs(rng.normal(size=20)))
    yield "as wide as a model", dict(grad_out=rng.normal(size=(2, 2100)), x=rng.normal(size=(2, 2100)))
    n = int(rng.integers(2, 3000))
    yield "some length", dict(grad_out=rng.normal(size=n), x=rng.normal(size=n))


@relu_backward.mistake("the sign of grad_out decides; the sign of x must")
def sign_of_gradient(grad_out, x):
    return np.where(grad_out > 0, grad_out, 0)


@relu_backward.mistake("the gradient also passes where x is exactly zero: compare with > and not >=")
def passes_at_zero(grad_out, x):
    return np.where(x >= 0, grad_out, 0)


@relu_backward.mistake("grad_out is multiplied by relu(x) instead of by its slope")
def times_value(grad_out, x):
    return grad_out * np.maximum(x, 0)


@relu_backward.mistake("the slope is returned; grad_out is never multiplied in")
def slope_only(grad_out, x):
    return np.where(x > 0, np.ones_like(x), 0)


@relu_backward.mistake("the gradient passes everywhere")
def passes_everywhere(grad_out, x):
    return grad_out * 1
