"""gptq_column: one column is rounded, and those after it make good what it lost."""

import numpy as np

from llaisys_mini.exercise import exercise
from llaisys_mini.quantisation import gptq as package


@exercise
def gptq_column(weight, factor, column, scales, bits):
    """Round column number `column` of weight [M, K], and change the columns behind it so that the outputs lose least.

    factor: U [K, K], upper triangular, U^T U the inverse of x^T x. scales [M]: of the rows.
    The numbers are round(weight[:, column] / scales), clipped to -2^(bits - 1) .. 2^(bits - 1) - 1. With
    e = (weight[:, column] - numbers * scales) / U[column, column], column j > `column` becomes
    weight[:, j] - e * U[column, j], and column `column` becomes numbers * scales; the columns before it stay.
    Returns (numbers [M], weight [M, K]).
    Source: Frantar et al. 2022 (arXiv:2210.17323), equation 3 and section 3.3.
    """
    changed = np.array(weight, np.float64)
    whole = np.rint(changed[:, column] / scales).clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    package.spread(changed, whole * scales, factor, column, changed.shape[1])
    changed[:, column] = whole * scales
    return whole, changed


gptq_column.stands_in_package(package, "spread gptq")
gptq_column.leaves_alone("weight", "factor", "scales")


@gptq_column.use
def use(answer, weight, factor, column, scales, bits):
    whole, changed = answer(weight, factor, column, scales, bits)
    return {"numbers": np.asarray(whole, np.float64), "weight": changed}


@gptq_column.cases
def cases(rng):
    def inputs(m, k, column, bits=3, alike=0.8):
        # Inputs that resemble each other, so that columns can stand in for one another.
        x = rng.normal(size=(4 * k, k)) + alike * rng.normal(size=(4 * k, 1))
        # Weights stay away from the middle between two numbers, where rounding would decide.
        scales = rng.uniform(0.05, 0.2, size=m)
        half = 2 ** (bits - 1)
        weight = (rng.integers(-half - 1, half + 1, size=(m, k)) + rng.uniform(-0.45, 0.45, size=(m, k))) * scales[
            :, None
        ]
        factor = package.inverse_factor(x.T @ x)
        return dict(weight=weight, factor=factor, column=column, scales=scales, bits=bits)

    yield "one row, two columns", inputs(1, 2, 0)
    yield "the first of several columns", inputs(5, 8, 0)
    yield "a column in the middle", inputs(5, 8, 3)
    yield "the last column", inputs(4, 6, 5)
    yield "4 bits", inputs(9, 12, 4, bits=4)
    yield "inputs that have nothing in common", inputs(5, 6, 1, alike=0.0)
    m, k = (int(i) for i in rng.integers(3, 16, size=2))
    yield "some sizes", inputs(m, k, int(rng.integers(0, k - 1)))


def _rounded(weight, column, scales, bits, clipped=True):
    whole = np.rint(weight[:, column] / scales)
    return whole.clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if clipped else whole


def _changed(weight, factor, column, whole, scales, error, line, first=None):
    changed = np.array(weight, np.float64)
    changed[:, column + 1 if first is None else first :] -= np.outer(
        error, line[column + 1 if first is None else first :]
    )
    changed[:, column] = whole * scales
    return whole, changed


@gptq_column.mistake(
    "the columns behind stay as they are: the row of U tells how they change, and below the diagonal U is 0"
)
def plainly(weight, factor, column, scales, bits):
    whole = _rounded(weight, column, scales, bits)
    return _changed(weight, factor, column, whole, scales, np.zeros(len(weight)), factor[column])


@gptq_column.mistake("the error is not divided by U[column, column]")
def not_divided(weight, factor, column, scales, bits):
    whole = _rounded(weight, column, scales, bits)
    return _changed(weight, factor, column, whole, scales, weight[:, column] - whole * scales, factor[column])


@gptq_column.mistake("the error has the wrong sign: it is doubled in the columns behind, not made good")
def wrong_sign(weight, factor, column, scales, bits):
    whole = _rounded(weight, column, scales, bits)
    error = (whole * scales - weight[:, column]) / factor[column, column]
    return _changed(weight, factor, column, whole, scales, error, factor[column])


@gptq_column.mistake("the numbers are not clipped to what the bits hold")
def not_clipped(weight, factor, column, scales, bits):
    whole = _rounded(weight, column, scales, bits, clipped=False)
    error = (weight[:, column] - whole * scales) / factor[column, column]
    return _changed(weight, factor, column, whole, scales, error, factor[column])


@gptq_column.mistake("the error of the numbers is spread, without the scales")
def error_without_scales(weight, factor, column, scales, bits):
    whole = _rounded(weight, column, scales, bits)
    error = (weight[:, column] / scales - whole) / factor[column, column]
    return _changed(weight, factor, column, whole, scales, error, factor[column])
