"""numerical_gradient: the slow way that tells whether the fast way is right."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def numerical_gradient(function, x, step):
    """Gradient of `function` (array -> number) at the float64 array x of any shape, by central differences:
    for each element (function(x with step added there) - function(x with step taken away)) / (2 * step).
    x is the same afterwards as before."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        before = x[index]
        x[index] = before + step
        above = function(x)
        x[index] = before - step
        below = function(x)
        x[index] = before
        gradient[index] = (above - below) / (2 * step)
    return gradient


FUNCTIONS = {
    "sum of x squared": lambda x: float((x**2).sum()),
    "sum of x cubed": lambda x: float((x**3).sum()),
    "sum of sines": lambda x: float(np.sin(x).sum()),
    "product, and the first squared": lambda x: float(x.prod() + x[0] ** 2),
    "sum of exponentials": lambda x: float(np.exp(x).sum()),
}
"""A case names its function, since inputs are plain data: the autograder sends them from one process to another."""


@numerical_gradient.cases
def cases(rng):
    yield "x squared", dict(function="sum of x squared", x=np.array([3.0]), step=1e-3)
    yield "x cubed", dict(function="sum of x cubed", x=np.array([1.0, -2.0, 0.5]), step=0.1)
    yield "a matrix", dict(function="sum of sines", x=rng.normal(size=(3, 4)), step=1e-3)
    yield (
        "elements that act together",
        dict(function="product, and the first squared", x=rng.normal(size=4), step=1e-3),
    )
    yield "a larger step", dict(function="sum of exponentials", x=rng.normal(size=5), step=0.5)


@numerical_gradient.use
def use(answer, function, x, step):
    return {"the gradient": answer(FUNCTIONS[function], x, step)}


numerical_gradient.leaves_alone("x")


@numerical_gradient.mistake("the difference is taken to one side only: (f(x + step) - f(x)) / step")
def one_sided(function, x, step):
    shifted = [function(x + step * unit) - function(x) for unit in units(x)]
    return np.array(shifted).reshape(x.shape) / step


@numerical_gradient.mistake("it divides by step instead of 2 * step")
def half(function, x, step):
    return 2 * numerical_gradient.reference(function, x, step)


@numerical_gradient.mistake("all elements are moved at once instead of one by one")
def all_at_once(function, x, step):
    return np.full(x.shape, (function(x + step) - function(x - step)) / (2 * step))


@numerical_gradient.mistake("an element is not put back before the next one is moved")
def not_put_back(function, x, step):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        x[index] += step
        above = function(x)
        x[index] -= 2 * step
        gradient[index] = (above - function(x)) / (2 * step)
    return gradient


@numerical_gradient.mistake(
    "x is put back by adding and subtracting the step: floats round, so keep the element and store it again"
)
def put_back_nearly(function, x, step):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        x[index] += step
        above = function(x)
        x[index] -= 2 * step
        below = function(x)
        x[index] += step
        gradient[index] = (above - below) / (2 * step)
    return gradient


@numerical_gradient.mistake("the sign is wrong: f(x - step) - f(x + step)")
def wrong_sign(function, x, step):
    return -numerical_gradient.reference(function, x, step)


def units(x):
    """One array per element of x: 1 there, else 0."""
    for index in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[index] = 1
        yield unit
