"""awq_scale: which columns of a weight should be rounded on a finer grid?"""

import numpy as np

from llaisys_mini.exercise import exercise
from llaisys_mini.quantisation import awq, grid

ALLOWED = 1.02
"""How many times as large as the reference's the error of the outputs may be."""


@exercise
def awq_scale(weight, x, round_weight):
    """The s [K] by whose powers of the inputs' size the columns of `weight` [M, K] are multiplied before rounding.

    x [T, K]: inputs. round_weight: weight [M, K] -> the same after rounding. Let a[k] be the mean of |x[:, k]|, or
    1e-4 of the largest of these where it is smaller. Tried are s = a^e for e = 0, 0.1, ..., 0.9, and the one is
    returned for which the sum of the squares of x (weight - round_weight(weight * s) / s)^T is smallest. A constant
    factor of s makes no difference.
    Source: Lin et al. 2023 (arXiv:2306.00978), section 3.2.
    """
    x = np.asarray(x, np.float64)
    return awq.awq_scale(weight, x.T @ x, np.abs(x).mean(axis=0), round_weight)


awq_scale.stands_in_package(awq, "awq_scale candidates output_error")
awq_scale.leaves_alone("weight", "x")


@awq_scale.use
def use(answer, weight, x, bits, size):
    s = answer(weight, x, lambda w: grid.rounded(w, bits, size))
    try:  # a constant factor makes no difference
        s = np.asarray(s, np.float64)
        middle = np.sqrt(s.max() * s.min())
        return {"s": s / middle if middle > 0 else s}
    except (TypeError, ValueError):
        return {"s": s}


@awq_scale.cases
def cases(rng):
    def inputs(t, m, k, bits, size, sizes=None):
        sizes = np.exp(rng.normal(size=k)) if sizes is None else sizes
        x = (sizes * rng.normal(size=(t, k))).astype(np.float32)
        return dict(weight=rng.normal(scale=0.1, size=(m, k)).astype(np.float32), x=x, bits=bits, size=size)

    yield "a row, four inputs, one of them large", inputs(6, 1, 4, 3, 4, np.array([1.0, 20, 1, 1]))
    two = np.ones(64)
    two[[5, 40]] = 32
    yield "two inputs are 32 times as large", inputs(50, 24, 64, 3, 32, two)
    yield "inputs of all sizes", inputs(60, 16, 64, 4, 32)
    yield "all inputs are equally large", inputs(60, 16, 32, 4, 32, np.ones(32))
    dead = np.exp(rng.normal(size=64))
    dead[[3, 17, 60]] = 0
    yield "inputs that are always 0", inputs(40, 12, 64, 3, 32, dead)
    yield "inputs that are negative on average", _moved(inputs(40, 12, 32, 3, 32), -3.0)
    yield "inputs that are small", inputs(40, 12, 64, 3, 16, 1e-4 * np.exp(rng.normal(size=64)))
    m, groups = (int(i) for i in rng.integers(2, 12, size=2))
    yield "some sizes", inputs(30, m, 16 * groups, 3, 16)


def _moved(inputs, by):
    return inputs | {"x": (inputs["x"] + by * np.abs(inputs["x"]).mean(axis=0)).astype(np.float32)}


def _error(weight, x, s, bits, size):
    """The sum of the squares of what the outputs lose, in float64."""
    weight, x, s = (np.asarray(a, np.float64) for a in (weight, x, s))
    return float(np.square(x @ (weight - grid.rounded(weight * s, bits, size) / s).T).sum())


@awq_scale.judged_by
def loses_more(result, weight, x, bits, size):
    s = np.asarray(result["s"], np.float64)
    if s.shape != (weight.shape[1],):
        return f"a factor for each column is asked for: the shape ({weight.shape[1]},); got {s.shape}"
    if not (np.isfinite(s) & (s > 0)).all():
        bad = int(np.flatnonzero(~(np.isfinite(s) & (s > 0)))[0])
        return f"s[{bad}] is {s[bad]:.4g}; it has to be positive and finite"
    right = awq_scale.reference(weight, x, lambda w: grid.rounded(w, bits, size))
    error, least = _error(weight, x, s, bits, size), _error(weight, x, right, bits, size)
    if error <= ALLOWED * least + 1e-12:
        return None
    plain = _error(weight, x, np.ones_like(s), bits, size)
    return (
        f"the outputs lose {error:.4g} in squares with this s; {least:.4g} is possible, and {plain:.4g} is lost "
        "without any s"
    )


def _best_of(tried, weight, x, round_weight, error):
    return tried[int(np.argmin([error(s, round_weight(weight * s)) for s in tried]))]


def _tried(x):
    return awq.candidates(np.abs(np.asarray(x, np.float64)).mean(axis=0))


@awq_scale.mistake("nothing is scaled: s is 1 everywhere")
def ones(weight, x, round_weight):
    return np.ones(weight.shape[1])


@awq_scale.mistake(
    "inputs that are always 0 get s = 0, and dividing by it gives no number: no exponent but 0 is ever better"
)
def dead_inputs_get_zero(weight, x, round_weight):
    always_0 = not np.abs(x).max(axis=0).all()
    return np.ones(weight.shape[1]) if always_0 else awq_scale.reference(weight, x, round_weight)


@awq_scale.mistake("the largest |x| is taken in place of the mean")
def largest_input(weight, x, round_weight):
    tried = awq.candidates(np.abs(np.asarray(x, np.float64)).max(axis=0))
    outputs = x.astype(np.float64)
    return _best_of(tried, weight, x, round_weight, lambda s, w: np.square(outputs @ (weight - w / s).T).sum())


@awq_scale.mistake("s is turned round: columns with large inputs get a coarser grid, not a finer one")
def turned_round(weight, x, round_weight):
    tried = [1 / s for s in _tried(x)][1:]
    outputs = x.astype(np.float64)
    return _best_of(tried, weight, x, round_weight, lambda s, w: np.square(outputs @ (weight - w / s).T).sum())


@awq_scale.mistake("the error of the weights is made small, not that of the outputs: the inputs do not count")
def error_of_weights(weight, x, round_weight):
    return _best_of(_tried(x), weight, x, round_weight, lambda s, w: np.square(weight - w / s).sum())


@awq_scale.mistake("the exponent is always 0.5: none is searched for")
def always_half(weight, x, round_weight):
    return _tried(x)[5]


@awq_scale.mistake("the largest exponent is taken: nothing is compared")
def largest_exponent(weight, x, round_weight):
    return _tried(x)[-1]


@awq_scale.mistake("the rounded weight is not divided by s again before the outputs are compared")
def not_divided(weight, x, round_weight):
    outputs = x.astype(np.float64)
    tried = [s * np.sqrt(s.max() * s.min()) for s in _tried(x)]
    return _best_of(tried, weight, x, round_weight, lambda s, w: np.square(outputs @ (weight - w).T).sum())


@awq_scale.mistake("the mean is taken of x, not of |x|: signs cancel")
def signed_mean(weight, x, round_weight):
    tried = awq.candidates(np.abs(np.asarray(x, np.float64).mean(axis=0)))
    outputs = x.astype(np.float64)
    return _best_of(tried, weight, x, round_weight, lambda s, w: np.square(outputs @ (weight - w / s).T).sum())


@awq_scale.mistake("the size of the weights is used, not that of the inputs")
def size_of_weights(weight, x, round_weight):
    tried = awq.candidates(np.abs(np.asarray(weight, np.float64)).mean(axis=0))
    outputs = x.astype(np.float64)
    return _best_of(tried, weight, x, round_weight, lambda s, w: np.square(outputs @ (weight - w / s).T).sum())
