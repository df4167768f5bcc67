"""least_squares_descent: regression downhill."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def least_squares_descent(A, h, rate, steps):
    """`steps` steps of gradient descent on the mean squared error (1/N) |A c - h|², from c = 0.

    A [N, K] and h [N] float64; rate: the learning rate. Returns c [K]. Each step: c - rate * (2/N) A.T @ (A @ c - h).
    """
    c = np.zeros(A.shape[1])
    for _ in range(steps):
        c = c - rate * 2 / len(h) * A.T @ (A @ c - h)
    return c


@least_squares_descent.cases
def cases(rng):
    def inputs(n, k, rate, steps):
        A = rng.normal(size=(n, k))
        return dict(A=A, h=A @ rng.normal(size=k) + 0.1 * rng.normal(size=n), rate=rate, steps=steps)

    yield "no step", inputs(5, 2, 0.1, 0)
    yield "one step", inputs(6, 3, 0.1, 1)
    yield "two steps", inputs(4, 2, 0.2, 2)
    yield "one point, one unknown", dict(A=np.array([[2.0]]), h=np.array([6.0]), rate=0.1, steps=1)
    yield "many steps", inputs(40, 3, 0.2, 200)
    yield "some sizes", inputs(int(rng.integers(10, 40)), int(rng.integers(1, 5)), 0.05, int(rng.integers(3, 30)))


least_squares_descent.leaves_alone("A", "h")


def _with(factor, start=0.0):
    """The reference with another factor of the gradient, or another start."""

    def mistaken(A, h, rate, steps):
        c = np.full(A.shape[1], start)
        for _ in range(steps):
            c = c - rate * factor(A, h) * A.T @ (A @ c - h)
        return c

    return mistaken


least_squares_descent.mistake("it goes uphill: the gradient has to be subtracted")(_with(lambda A, h: -2 / len(h)))
least_squares_descent.mistake("the gradient of the sum is followed, not of the mean: 1/N is missing")(
    _with(lambda A, h: 2)
)
least_squares_descent.mistake("the 2 from the derivative of the square is missing")(_with(lambda A, h: 1 / len(h)))
least_squares_descent.mistake("it divides by the number of unknowns; the mean is over the N measurements")(
    _with(lambda A, h: 2 / A.shape[1])
)
least_squares_descent.mistake("it begins at 1; it should begin at 0")(_with(lambda A, h: 2 / len(h), start=1.0))


@least_squares_descent.mistake("it takes one step only")
def one_step(A, h, rate, steps):
    return least_squares_descent.reference(A, h, rate, min(steps, 1))


@least_squares_descent.mistake("it takes one step too many")
def one_too_many(A, h, rate, steps):
    return least_squares_descent.reference(A, h, rate, steps + 1)
