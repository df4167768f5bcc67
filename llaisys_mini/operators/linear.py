"""linear: the projection that nearly all of a model's weights belong to."""

import numpy as np

from llaisys_mini.common_mistakes import add_bias_mistakes, add_tail_mistakes
from llaisys_mini.contract import F32, Stored
from llaisys_mini.operator import operator


@operator
def linear(x: F32["N K"], weight: Stored["M K"], bias: Stored["M"] | None = None) -> F32["N M"]:
    """Each output is the dot product of a row of x with a row of weight, plus a bias if there is one.

    out[n, m] = sum_k x[n, k] * weight[m, k] + bias[m]
    """
    out = x @ weight.T
    return out if bias is None else out + bias


@linear.rounding
def rounding(x, weight, bias):
    return (x.shape[1] + 2) * linear.reference(np.abs(x), np.abs(weight), None if bias is None else np.abs(bias))


@linear.cases
def cases(rng):
    def inputs(n, k, m, bias=True, scale=1.0):
        return dict(
            x=scale * rng.normal(size=(n, k)),
            weight=rng.normal(size=(m, k)) / np.sqrt(k),
            bias=rng.normal(size=m) if bias else None,
        )

    yield "one row", inputs(1, 64, 48)
    yield "one row, no bias", inputs(1, 160, 33, bias=False)
    yield "one of everything", inputs(1, 1, 1)
    yield "one neuron", inputs(5, 3, 1)
    yield "one input", inputs(4, 1, 6)
    yield "square", inputs(8, 8, 8)
    yield "no multiple of any tile", inputs(13, 37, 29)
    yield "many rows, no bias", inputs(70, 33, 17, bias=False)
    yield "large values", inputs(5, 40, 7, scale=1e6)
    yield "as long as a model's rows", inputs(2, 2100, 3)
    yield "as many outputs as a model has", inputs(2, 3, 2100)
    yield "many rows, few outputs", inputs(300, 2, 3)
    sparse = inputs(5, 21, 9)
    sparse["x"][rng.random(size=(5, 21)) < 0.5] = 0
    yield "zeros in x", sparse
    yield "some sizes", inputs(*rng.integers(2, 90, size=3))
    yield "large enough for threads", inputs(67, 130, 126)  # kernels leave smaller products to one thread


@linear.mistake("the bias is forgotten")
def no_bias(x, weight, bias):
    return x @ weight.T


@linear.mistake("weight is read as if it were stored [K, M]: its rows are the outputs")
def weight_transposed(x, weight, bias):
    out = x @ weight.reshape(weight.shape[::-1])
    return out if bias is None else out + bias


@linear.mistake("the bias is added inside the loop over k, once for every input")
def bias_in_loop(x, weight, bias):
    return linear.reference(x, weight, None if bias is None else bias * x.shape[1])


@linear.mistake("only the first row of x is used for every row")
def first_row_only(x, weight, bias):
    return linear.reference(np.broadcast_to(x[:1], x.shape), weight, bias)


for side in (8, 16, 32):

    @linear.mistake(
        f"a tile of weight, {side} x {side}, is read as tile[k, m], but it was copied row by row: it holds tile[m, k]"
    )
    def tile_not_transposed(x, weight, bias, side=side):
        padded = np.zeros([-(-length // side) * side for length in weight.shape])
        padded[: weight.shape[0], : weight.shape[1]] = weight
        tiles = padded.reshape(-1, side, padded.shape[1] // side, side)
        turned = tiles.transpose(0, 3, 2, 1).reshape(padded.shape)
        wide = np.zeros((len(x), padded.shape[1]))
        wide[:, : x.shape[1]] = x
        out = (wide @ turned.T)[:, : len(weight)]
        return out if bias is None else out + bias


add_bias_mistakes(linear)
add_tail_mistakes(linear, "K", "inputs")
