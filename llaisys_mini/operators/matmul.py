"""matmul: the matrix product, the course's playground for tiling."""

import numpy as np

from llaisys_mini.common_mistakes import add_tail_mistakes
from llaisys_mini.contract import F32
from llaisys_mini.operator import operator


@operator
def matmul(a: F32["M K"], b: F32["K N"]) -> F32["M N"]:
    """Matrix product.

    out[m, n] = sum_k a[m, k] * b[k, n]
    """
    return a @ b


@matmul.rounding
def rounding(a, b):
    return (a.shape[1] + 2) * (np.abs(a) @ np.abs(b))


@matmul.cases
def cases(rng):
    def inputs(m, k, n, scale=1.0):
        return dict(a=scale * rng.normal(size=(m, k)), b=rng.normal(size=(k, n)))

    yield "one of everything", inputs(1, 1, 1)
    yield "one row times one column", inputs(1, 50, 1)
    yield "one column times one row", inputs(9, 1, 7)
    yield "square", inputs(16, 16, 16)
    yield "no multiple of any tile", inputs(13, 37, 29)
    yield "wide", inputs(3, 20, 130)
    yield "tall", inputs(130, 20, 3)
    yield "long sums, large values", inputs(5, 700, 6, scale=1e4)
    yield "as long as a model's rows", inputs(2, 2100, 3)
    yield "as wide as a model", inputs(2, 3, 2100)
    yield "as many rows as a long prompt", inputs(600, 3, 2)
    sparse = inputs(7, 21, 9)
    sparse["a"][rng.random(size=(7, 21)) < 0.5] = 0
    yield "zeros in a", sparse
    yield "some sizes", inputs(*rng.integers(2, 90, size=3))


@matmul.mistake("b is read as if it were transposed: its rows run over k")
def b_transposed(a, b):
    return a @ b.reshape(b.shape[::-1]).T


@matmul.mistake("out is added to, but was not set to 0 before: it holds anything at first")
def out_not_zeroed(a, b):
    return a @ b + np.float32(np.nan)


@matmul.mistake("a tile at the right edge that is not full is never written")
def edge_unwritten(a, b):
    out = a @ b
    out[:, b.shape[1] // 8 * 8 :] = np.nan
    return out


@matmul.mistake("each tile over k overwrites the last one instead of adding to it")
def tile_overwrites(a, b):
    last = (a.shape[1] - 1) // 8 * 8
    return a[:, last:] @ b[last:]


@matmul.mistake("the elements are multiplied in place instead of summed over k: the sum keeps only its last term")
def last_term_only(a, b):
    return a[:, -1:] @ b[-1:]


add_tail_mistakes(matmul, "K", "terms")
