"""gptq_column: round, divide the error by the diagonal, subtract it along the row of U."""

import numpy as np

from llaisys_mini import answer


@answer("gptq_column")
def gptq_column(weight, factor, column, scales, bits):
    ### BEGIN SOLUTION
    numbers = np.round(weight[:, column] / scales).clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    error = (weight[:, column] - numbers * scales) / factor[column, column]
    changed = weight.copy()
    changed[:, column + 1 :] -= np.outer(error, factor[column, column + 1 :])
    changed[:, column] = numbers * scales
    return numbers, changed
    ### END SOLUTION
