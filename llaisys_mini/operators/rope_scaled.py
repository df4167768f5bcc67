"""rope_scaled: rope with its frequencies given, for models whose context was stretched (linear, YaRN)."""

import numpy as np

from llaisys_mini.common_mistakes import add_rotation_mistakes
from llaisys_mini.contract import F32, I64
from llaisys_mini.operator import operator
from llaisys_mini.operators.rope import rope, rotate, rotation_roundings


@operator
def rope_scaled(x: F32["L H D"], positions: I64["L"], frequencies: F32["F"], factor: float) -> F32["L H D"]:
    """Like rope, with the rotation speed of each pair given instead of derived from theta; F is D/2.

        angle(l, i) = positions[l] * frequencies[i]                     radians
        out[l, h, i]       = factor * (x[l, h, i] * cos(angle) - x[l, h, i + D/2] * sin(angle))
        out[l, h, i + D/2] = factor * (x[l, h, i + D/2] * cos(angle) + x[l, h, i] * sin(angle))

    Source: Peng et al. 2023, YaRN (arXiv:2309.00071), whose attention factor scales q and k alike;
    `rope_scaling` or `rope_parameters` in config.json.
    """
    angle = (positions[:, None] * frequencies)[:, None, :]
    return factor * rotate(x, np.cos(angle), np.sin(angle))


@rope_scaled.rounding
def rounding(x, positions, frequencies, factor):
    return abs(factor) * rotation_roundings(x, positions[:, None] * frequencies, 4)


@rope_scaled.shape_rule
def one_frequency_per_pair(dims):
    if dims["D"] != 2 * dims["F"]:
        return f"D is {dims['D']} and there are {dims['F']} frequencies; each pair needs one, so D must be twice that"


@rope_scaled.cases
def cases(rng):
    def inputs(positions, heads, width, factor=1.0, stretch=1.0):
        positions = np.asarray(positions)
        frequencies = np.power(10000.0, -np.arange(0, width, 2) / width) / stretch
        x = rng.normal(size=(len(positions), heads, width))
        return dict(x=x, positions=positions, frequencies=frequencies, factor=factor)

    yield "position zero", inputs([0], 2, 8, factor=1.2)
    yield "a prompt", inputs(np.arange(7), 2, 16)
    yield "stretched four times", inputs(np.arange(50, 60), 3, 10, stretch=4.0)
    yield "one pair", inputs(np.arange(4), 1, 2, factor=0.7)
    yield "positions in any order", inputs([3, 0, 40, 3], 2, 6, factor=1.1)
    yield "positions in the thousands", inputs([2047, 4096, 1000], 2, 8, factor=1.1, stretch=4.0)
    yield "heads as wide as a real model's", inputs([1, 700], 3, 256)
    yield "many positions", inputs(np.arange(300), 1, 4)
    length, heads, half = rng.integers(1, 20, size=3)
    yield "some sizes", inputs(rng.integers(0, 50, size=length), heads, 2 * half, factor=float(rng.uniform(0.5, 2)))


@rope_scaled.mistake("the attention factor is left out")
def no_factor(x, positions, frequencies, factor):
    return rope_scaled.reference(x, positions, frequencies, 1.0)


@rope_scaled.mistake("the frequencies are ignored: they are derived from theta = 10000 as in plain rope")
def ignores_frequencies(x, positions, frequencies, factor):
    return factor * rope.reference(x, positions, 10000.0)


@rope_scaled.mistake("factor multiplies the angle instead of the result")
def factor_on_angle(x, positions, frequencies, factor):
    return rope_scaled.reference(x, positions, frequencies * factor, 1.0)


@rope_scaled.mistake("factor multiplies the cosine only, not the sine")
def factor_on_cosine(x, positions, frequencies, factor):
    angle = (positions[:, None] * frequencies)[:, None, :]
    return rotate(x, factor * np.cos(angle), np.sin(angle))


add_rotation_mistakes(rope_scaled)
