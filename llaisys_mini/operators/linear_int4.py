"""linear_int4: a projection whose weights are whole numbers of four bits, two in a byte, each group of 32 with a scale.

A group of 32 neighbours of a row takes 16 bytes. Byte i holds number i in its low half and number i + 16 in its high
half, so that one shift and one mask give 16 neighbours each. A half byte u of 0 to 15 stands for u - 8:

    byte              0         1               15
    bits     7654 3210 7654 3210        7654 3210
    number     16    0   17    1   ...    31   15       of the group

This is the order of llama.cpp's Q4_0; the scale is apart, in an array of its own.
"""

import numpy as np

from llaisys_mini.common_mistakes import add_bias_mistakes
from llaisys_mini.contract import F32, U8, Stored
from llaisys_mini.operator import operator

GROUP = 32
"""Weights that share a scale."""


@operator
def linear_int4(x: F32["N K"], weight: U8["M B"], scales: Stored["M G"], bias: F32["M"] | None = None) -> F32["N M"]:
    """`linear` with (number k of row m - 8) * scales[m, k // 32] in the place of weight[m, k].

        out[n, m] = sum_k x[n, k] * scales[m, k // 32] * (u[m, k] - 8) + bias[m]
        u[m, 32 g + i] = weight[m, 16 g + i] % 16,  u[m, 32 g + 16 + i] = weight[m, 16 g + i] // 16,  0 <= i < 16

    K must be a multiple of 32; B = K / 2 bytes and G = K / 32 scales per row. x is not rounded: it stays float32.
    """
    return _linear(x, unpacked(weight) * np.repeat(scales, GROUP, axis=1), bias)


def unpacked(weight):
    """The whole numbers -8 .. 7 [M, K] in the bytes [M, K / 2] (of any dtype), in its dtype."""
    groups = weight.reshape(len(weight), -1, GROUP // 2)
    return np.concatenate([groups % 16, groups // 16], axis=2).reshape(len(weight), -1) - 8


def packed(numbers):
    """The inverse of `unpacked`: bytes uint8 [M, K / 2] that hold the whole numbers -8 .. 7 [M, K]."""
    low, high = np.split((numbers + 8).astype(np.uint8).reshape(len(numbers), -1, GROUP), 2, axis=2)
    return (low + 16 * high).reshape(len(numbers), -1)


def _linear(x, weight, bias):
    out = x @ weight.T
    return out if bias is None else out + bias


@linear_int4.shape_rule
def groups_fit(dims):
    length = dims["K"]
    if length % GROUP:
        return f"K is {length} weights per row, not a multiple of {GROUP}"
    if dims["B"] * 2 != length:
        return f"K is {length} weights per row, which take {length // 2} bytes, but B is {dims['B']}"
    if dims["G"] * GROUP != length:
        return f"K is {length} weights per row, which take {length // GROUP} scales, but G is {dims['G']}"
    return None


@linear_int4.rounding
def rounding(x, weight, scales, bias):
    # As for `linear`, and one more rounding for the product with the scale, wherever a kernel multiplies by it.
    magnitude = np.abs(x) @ np.abs(unpacked(weight) * np.repeat(scales, GROUP, axis=1)).T
    return (x.shape[1] + scales.shape[1] + 3) * (magnitude if bias is None else magnitude + np.abs(bias))


@linear_int4.cases
def cases(rng):
    def inputs(n, groups, m, bias=True, scale=1.0):
        k = GROUP * groups
        return dict(
            x=scale * rng.normal(size=(n, k)),
            weight=rng.integers(0, 256, size=(m, k // 2)),
            scales=rng.uniform(0.5, 2, size=(m, groups)) / (8 * np.sqrt(k)),
            bias=rng.normal(size=m) if bias else None,
        )

    yield "one row", inputs(1, 3, 48)
    yield "one row, no bias", inputs(1, 5, 33, bias=False)
    yield "one group", inputs(1, 1, 1)
    yield "one neuron", inputs(5, 2, 1)
    yield "no multiple of any tile", inputs(13, 3, 29)
    yield "many rows, no bias", inputs(70, 2, 37, bias=False)
    yield "large values", inputs(5, 4, 7, scale=1e6)
    zeros = inputs(3, 2, 40, bias=False)
    zeros["weight"] = np.full((40, 32), 0x88)
    yield "all weights zero", zeros
    extreme = inputs(3, 2, 40)
    extreme["weight"] = rng.choice([0x00, 0x0F, 0xF0, 0xFF], size=(40, 32))
    yield "only the lowest and the highest weight", extreme
    yield "as long as a model's rows", inputs(2, 66, 3)
    yield "as many outputs as a model has", inputs(2, 1, 2100)
    yield "some sizes", inputs(*rng.integers(2, 40, size=3))


@linear_int4.mistake("the halves of a byte are swapped: the high half is read as the earlier number")
def halves_swapped(x, weight, scales, bias):
    return linear_int4.reference(x, weight % 16 * 16 + weight // 16, scales, bias)


@linear_int4.mistake("the halves of a byte are read as neighbours 2 i and 2 i + 1 instead of i and i + 16")
def halves_as_neighbours(x, weight, scales, bias):
    numbers = np.stack([weight % 16, weight // 16], axis=2).reshape(len(weight), -1) - 8
    return _linear(x, numbers * np.repeat(scales, GROUP, axis=1), bias)


@linear_int4.mistake("8 is not subtracted: the numbers run from 0 to 15")
def not_centred(x, weight, scales, bias):
    return _linear(x, (unpacked(weight) + 8) * np.repeat(scales, GROUP, axis=1), bias)


@linear_int4.mistake("the numbers are read as two's complement, 8 to 15 as -8 to -1, instead of as u - 8")
def twos_complement(x, weight, scales, bias):
    numbers = (unpacked(weight) + 16) % 16 - 8
    return _linear(x, numbers * np.repeat(scales, GROUP, axis=1), bias)


@linear_int4.mistake("the scales are forgotten")
def no_scales(x, weight, scales, bias):
    return _linear(x, unpacked(weight), bias)


@linear_int4.mistake("the scale of the first group is used for the whole row")
def first_scale_only(x, weight, scales, bias):
    return _linear(x, unpacked(weight) * scales[:, :1], bias)


@linear_int4.mistake("the scale changes every 16 weights, as many as a group has bytes")
def group_of_16(x, weight, scales, bias):
    position = np.minimum(np.arange(x.shape[1]) // 16, scales.shape[1] - 1)
    return _linear(x, unpacked(weight) * scales[:, position], bias)


@linear_int4.mistake("the bias is forgotten")
def no_bias(x, weight, scales, bias):
    return linear_int4.reference(x, weight, scales, None)


add_bias_mistakes(linear_int4)


@linear_int4.mistake("the scales of output 0 are used for every output")
def scales_of_first_output(x, weight, scales, bias):
    return linear_int4.reference(x, weight, np.broadcast_to(scales[:1], scales.shape), bias)


@linear_int4.mistake("only the first group of every row is multiplied")
def first_group_only(x, weight, scales, bias):
    kept = scales * (np.arange(scales.shape[1]) == 0)
    return linear_int4.reference(x, weight, kept.astype(scales.dtype), bias)
