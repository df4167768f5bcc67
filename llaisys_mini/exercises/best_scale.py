"""best_scale: the scale of a group of weights with which rounding loses least."""

import numpy as np

from llaisys_mini.exercise import exercise
from llaisys_mini.quantisation import grid

ALLOWED = 1.001
"""How many times as large as the reference's the error of a group may be: two scales may be equally good."""


@exercise
def best_scale(groups, bits):
    """For each row of `groups` [G, S] the scale with which rounding to whole numbers of `bits` bits loses least: [G].

    The whole numbers are round(w / scale), clipped to -2^(bits - 1) .. 2^(bits - 1) - 1, and what is lost is the sum
    of the squares of scale * number - w. Tried are the shares 1.00, 0.98, ..., 0.50 of the plain scale
    max |w| / (2^(bits - 1) - 1). For a row of zeros any positive scale is right.
    """
    return np.maximum(grid.best_scales(np.asarray(groups, np.float64), bits), np.finfo(np.float32).tiny)


best_scale.stands_in_package(grid, "best_scales")
best_scale.leaves_alone("groups")


@best_scale.use
def use(answer, groups, bits):
    return {"scales": answer(groups, bits)}


@best_scale.cases
def cases(rng):
    def inputs(groups, bits):
        return dict(groups=np.asarray(groups, np.float32), bits=bits)

    yield "four weights", inputs([[0.9, 0.35, -0.4, 1.0]], 3)
    yield "3 bits, groups of 32", inputs(rng.normal(size=(40, 32)), 3)
    yield "4 bits, groups of 128", inputs(0.02 * rng.normal(size=(20, 128)), 4)
    yield "2 bits", inputs(rng.normal(size=(30, 16)), 2)
    yield "8 bits", inputs(rng.normal(size=(10, 32)), 8)
    heavy = rng.normal(size=(20, 32))
    heavy[:, 5] = 6
    yield "one large weight in each group", inputs(heavy, 3)
    yield "groups of very different size", inputs(rng.normal(size=(12, 32)) * 10.0 ** np.arange(-6, 6)[:, None], 3)
    zeros = rng.normal(size=(6, 32))
    zeros[[0, 4]] = 0
    yield "groups of zeros", inputs(zeros, 3)
    yield "the largest is negative", inputs(-np.abs(rng.normal(size=(20, 32))), 3)
    g, s = (int(i) for i in rng.integers(3, 40, size=2))
    yield "some sizes", inputs(rng.normal(size=(g, s)), int(rng.integers(2, 5)))


@best_scale.judged_by
def loses_more(result, groups, bits):
    scales = np.asarray(result["scales"], np.float64)
    if scales.shape != (len(groups),):
        return f"a scale for each group is asked for: the shape ({len(groups)},); got {scales.shape}"
    if not (np.isfinite(scales) & (scales > 0)).all():
        bad = int(np.flatnonzero(~(np.isfinite(scales) & (scales > 0)))[0])
        return f"the scale of group {bad} is {scales[bad]:.4g}; it has to be positive and finite"
    groups = np.asarray(groups, np.float64)
    error = grid.squared_errors(groups, scales, bits)
    least = grid.squared_errors(groups, grid.best_scales(groups, bits), bits)
    worse = error > ALLOWED * least + 1e-12 * np.square(groups).sum(axis=1)
    if not worse.any():
        return None
    first = int(np.flatnonzero(worse)[0])
    return (
        f"{int(worse.sum())} of {len(groups)} scales lose more than needed; the first, of group {first}, is "
        f"{scales[first]:.5g} with a squared error of {error[first]:.4g}, and {least[first]:.4g} is possible"
    )


def _positive(scales):
    return np.where(scales > 0, scales, 1.0)


@best_scale.mistake("the plain scale is used: nothing else is tried")
def plain(groups, bits):
    return _positive(grid.plain_scales(groups, bits))


def _by(groups, bits, cost, shares=grid.SHARES):
    groups = np.asarray(groups, np.float64)
    plain_scales = grid.plain_scales(groups, bits)
    tried = [plain_scales * share for share in shares]
    costs = [cost(groups, scales) for scales in tried]
    return _positive(np.choose(np.argmin(costs, axis=0), tried))


@best_scale.mistake("the plain scale is max |w| / 2^(bits - 1): the largest number is one less, 2^(bits - 1) - 1")
def largest_number_one_too_large(groups, bits):
    groups = np.asarray(groups, np.float64)
    start = np.abs(groups).max(axis=1) / 2 ** (bits - 1)
    tried = [_positive(start) * share for share in grid.SHARES]
    return np.choose(np.argmin([grid.squared_errors(groups, scales, bits) for scales in tried], axis=0), tried)


@best_scale.mistake("the numbers are clipped at -(2^(bits - 1) - 1): there is one more below 0")
def lowest_number_missing(groups, bits):
    highest = 2 ** (bits - 1) - 1

    def cost(values, scales):
        scales = _positive(scales)[:, None]
        return np.square(scales * np.rint(values / scales).clip(-highest, highest) - values).sum(axis=1)

    return _by(groups, bits, cost)


@best_scale.mistake("one share is chosen for all groups together: each group has its own best one")
def one_share_for_all(groups, bits):
    groups = np.asarray(groups, np.float64)
    plain_scales = grid.plain_scales(groups, bits)
    costs = [grid.squared_errors(groups, plain_scales * share, bits).sum() for share in grid.SHARES]
    return _positive(plain_scales * grid.SHARES[int(np.argmin(costs))])


@best_scale.mistake("the whole numbers are not clipped, so that a small scale always looks best")
def not_clipped(groups, bits):
    def cost(values, scales):
        scales = _positive(scales)[:, None]
        return np.square(scales * np.rint(values / scales) - values).sum(axis=1)

    return _by(groups, bits, cost)


@best_scale.mistake("the error is counted in steps of the scale: it has to be multiplied by the scale again")
def error_in_steps(groups, bits):
    def cost(values, scales):
        scales = _positive(scales)
        return grid.squared_errors(values, scales, bits) / scales**2

    return _by(groups, bits, cost)


@best_scale.mistake("the largest error of a group is made small, not the sum of the squares")
def largest_error(groups, bits):
    def cost(values, scales):
        scales = _positive(scales)
        return np.abs(scales[:, None] * grid.numbers(values, scales, bits) - values).max(axis=1)

    return _by(groups, bits, cost)


@best_scale.mistake("the errors are added with their signs, and cancel")
def signed_errors(groups, bits):
    def cost(values, scales):
        scales = _positive(scales)
        return np.abs((scales[:, None] * grid.numbers(values, scales, bits) - values).sum(axis=1))

    return _by(groups, bits, cost)


@best_scale.mistake("the largest weight is taken without its sign: max(w) in place of max |w|")
def without_absolute(groups, bits):
    groups = np.asarray(groups, np.float64)
    start = groups.max(axis=1) / (2 ** (bits - 1) - 1)
    tried = [np.where(start > 0, start, 1.0) * share for share in grid.SHARES]
    costs = [grid.squared_errors(groups, scales, bits) for scales in tried]
    return np.choose(np.argmin(costs, axis=0), tried)
