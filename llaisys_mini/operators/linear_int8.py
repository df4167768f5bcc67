"""linear_int8: a projection whose weights are whole numbers of one byte, each group of them with a scale of its own.

A row of the weight is cut into G groups of K / G neighbours. G = 1 is "one scale per row"; the usual group is 32.

    row m    [ q q q q q q q q | q q q q q q q q | ... ]      int8, K of them
    scales   [        s        |        s        | ... ]      G of them

One byte instead of four is read per weight, so a token takes about a quarter of the time where memory decides.
"""

import numpy as np

from llaisys_mini.common_mistakes import add_bias_mistakes
from llaisys_mini.contract import F32, I8, Stored
from llaisys_mini.operator import operator


@operator
def linear_int8(x: F32["N K"], weight: I8["M K"], scales: Stored["M G"], bias: F32["M"] | None = None) -> F32["N M"]:
    """`linear` with weight[m, k] * scales[m, k // (K / G)] in the place of weight[m, k].

        out[n, m] = sum_g scales[m, g] * (sum of x[n, k] * weight[m, k] over the K / G members k of group g) + bias[m]

    K must be a multiple of G. x is not rounded: its numbers stay float32.
    Source: one scale per row (G = 1) as in Dettmers et al. 2022 (arXiv:2208.07339), groups as in llama.cpp's Q8_0.
    """
    return _linear(x, dequantised(weight, scales), bias)


def dequantised(weight, scales):
    """The real weights [M, K] that whole numbers [M, K] and scales [M, G] stand for."""
    return weight * np.repeat(scales, weight.shape[1] // scales.shape[1], axis=1)


def _linear(x, weight, bias):
    out = x @ weight.T
    return out if bias is None else out + bias


@linear_int8.shape_rule
def groups_fit(dims):
    if dims["K"] % dims["G"]:
        return f"K is {dims['K']} weights per row, not a multiple of G, {dims['G']} scales per row"
    return None


@linear_int8.rounding
def rounding(x, weight, scales, bias):
    # As for `linear`, and one more rounding for the product with the scale, wherever a kernel multiplies by it.
    magnitude = linear_int8.reference(np.abs(x), np.abs(weight), np.abs(scales), None if bias is None else np.abs(bias))
    return (x.shape[1] + scales.shape[1] + 3) * magnitude


@linear_int8.cases
def cases(rng):
    def inputs(n, k, m, groups, bias=True, scale=1.0):
        return dict(
            x=scale * rng.normal(size=(n, k)),
            weight=rng.integers(-127, 128, size=(m, k)),
            scales=rng.uniform(0.5, 2, size=(m, groups)) / (127 * np.sqrt(k)),
            bias=rng.normal(size=m) if bias else None,
        )

    yield "one row, groups of 32", inputs(1, 96, 48, 3)
    yield "one row, one scale per row, no bias", inputs(1, 160, 33, 1, bias=False)
    yield "one of everything", inputs(1, 1, 1, 1)
    yield "one neuron", inputs(5, 6, 1, 2)
    yield "every weight has a scale", inputs(4, 7, 6, 7)
    yield "no multiple of any tile", inputs(13, 39, 29, 3)
    yield "many rows, no bias", inputs(70, 64, 37, 2, bias=False)
    yield "many rows, one scale per row", inputs(27, 51, 70, 1)
    yield "large values", inputs(5, 40, 7, 5, scale=1e6)
    extreme = inputs(3, 64, 40, 2)
    extreme["weight"] = rng.choice([-128, 127], size=(40, 64))
    yield "only the lowest and the highest weight", extreme
    yield "as long as a model's rows", inputs(2, 2112, 3, 66)
    yield "as many outputs as a model has", inputs(2, 4, 2100, 1)
    n, group, m, groups = rng.integers(2, 40, size=4)
    yield "some sizes", inputs(n, group * groups, m, groups)


@linear_int8.mistake("the scales are forgotten")
def no_scales(x, weight, scales, bias):
    return _linear(x, weight, bias)


@linear_int8.mistake("the scale of the first group is used for the whole row")
def first_scale_only(x, weight, scales, bias):
    return _linear(x, weight * scales[:, :1], bias)


@linear_int8.mistake("the groups are interleaved: k % G chooses the scale instead of k // (K / G)")
def interleaved_groups(x, weight, scales, bias):
    return _linear(x, weight * np.tile(scales, weight.shape[1] // scales.shape[1]), bias)


@linear_int8.mistake("the bytes are read as unsigned: -1 becomes 255")
def unsigned(x, weight, scales, bias):
    return _linear(x, dequantised(weight % 256, scales), bias)


@linear_int8.mistake("the bias is multiplied by the scale of the last group")
def bias_scaled(x, weight, scales, bias):
    return _linear(x, dequantised(weight, scales), None if bias is None else bias * scales[:, -1])


@linear_int8.mistake("the bias is forgotten")
def no_bias(x, weight, scales, bias):
    return _linear(x, dequantised(weight, scales), None)


@linear_int8.mistake("the last group of every row is left out")
def last_group_dropped(x, weight, scales, bias):
    scales = scales.copy()
    scales[:, -1] = 0
    return _linear(x, dequantised(weight, scales), bias)


@linear_int8.mistake("only the first row of x is used for every row")
def first_row_only(x, weight, scales, bias):
    return linear_int8.reference(np.broadcast_to(x[:1], x.shape), weight, scales, bias)


add_bias_mistakes(linear_int8)


@linear_int8.mistake("the scales of output 0 are used for every output")
def scales_of_first_output(x, weight, scales, bias):
    return _linear(x, dequantised(weight, np.broadcast_to(scales[:1], scales.shape)), bias)
