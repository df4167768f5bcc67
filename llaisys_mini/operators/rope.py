"""rope: position as rotation."""

import numpy as np

from llaisys_mini.common_mistakes import add_fixed_scalar_mistakes, add_rotation_mistakes
from llaisys_mini.contract import F32, I64
from llaisys_mini.operator import operator


@operator
def rope(x: F32["L H D"], positions: I64["L"], theta: float) -> F32["L H D"]:
    """Rotate the pair (x[l, h, i], x[l, h, i + D/2]) by an angle that grows with the position.

        angle(l, i) = positions[l] * theta^(-2 i / D)                   for i < D/2
        out[l, h, i]       = x[l, h, i] * cos(angle) - x[l, h, i + D/2] * sin(angle)
        out[l, h, i + D/2] = x[l, h, i + D/2] * cos(angle) + x[l, h, i] * sin(angle)

    D must be even. The halves are split as in Qwen, Llama and LLAISYS; the paper pairs neighbours instead.
    Source: Su et al. 2021 (arXiv:2104.09864); `rope_theta` in config.json.
    """
    angle = angles(positions, theta, x.shape[2])[:, None, :]
    return rotate(x, np.cos(angle), np.sin(angle))


def angles(positions, theta, width):
    """positions [L] -> angles [L, width/2] in radians."""
    return positions[:, None] * np.power(float(theta), -np.arange(0, width, 2) / width)


def rotate(x, cos, sin):
    """x [L, H, D] with cos and sin [L, 1, D/2]: each pair of the two halves rotated."""
    first, second = np.split(x, 2, axis=2)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=2)


def rotation_roundings(x, angle, angle_error):
    """Roundoffs of a rotation whose angles [L, D/2] each carry a relative error of `angle_error` roundoffs."""
    first, second = np.split(np.abs(x), 2, axis=2)
    per_pair = (first + second) * (6 + angle_error * np.abs(angle))[:, None, :]
    return np.concatenate([per_pair, per_pair], axis=2)


@rope.rounding
def rounding(x, positions, theta):
    # theta^(-2i/D) computed as exp(-2i/D * log(theta)) carries log(theta) roundoffs on top of the usual few.
    return rotation_roundings(x, angles(positions, theta, x.shape[2]), 6 + 2 * np.log(theta))


@rope.shape_rule
def even_width(dims):
    if dims["D"] % 2:
        return f"D is {dims['D']}, but the head width must be even: its halves form pairs"


@rope.cases
def cases(rng):
    def inputs(positions, heads, width, theta=10000.0):
        positions = np.asarray(positions)
        return dict(x=rng.normal(size=(len(positions), heads, width)), positions=positions, theta=theta)

    yield "position zero changes nothing", inputs([0], 2, 8)
    yield "one token further on", inputs([5], 3, 8)
    yield "a prompt", inputs(np.arange(7), 2, 16)
    yield "one pair", inputs(np.arange(4), 1, 2)
    yield "positions that do not start at zero", inputs(np.arange(100, 109), 3, 10)
    yield "positions in any order", inputs([3, 0, 40, 3], 2, 6)
    yield "theta of Qwen", inputs(np.arange(20, 30), 4, 64, theta=1e6)
    yield "far away", inputs([8000, 30000], 2, 32, theta=1e6)
    yield "positions in the thousands", inputs([2047, 4096, 1000], 2, 8)
    yield "heads as wide as a real model's", inputs([1, 700], 3, 256)
    yield "many positions", inputs(np.arange(300), 1, 4)
    yield "positions before zero: the gradient of a rotation turns back", inputs(-np.arange(40, 49), 2, 8)
    length, heads, half = rng.integers(1, 20, size=3)
    yield "some sizes", inputs(rng.integers(0, 50, size=length), heads, 2 * half)


@rope.mistake("the exponent is -i/D; it must be -2i/D")
def half_exponent(x, positions, theta):
    angle = (positions[:, None] * np.power(float(theta), -np.arange(x.shape[2] // 2) / x.shape[2]))[:, None, :]
    return rotate(x, np.cos(angle), np.sin(angle))


@rope.mistake("the exponent is -4i/D; it must be -2i/D")
def double_exponent(x, positions, theta):
    angle = (positions[:, None] * np.power(float(theta), -2 * np.arange(0, x.shape[2], 2) / x.shape[2]))[:, None, :]
    return rotate(x, np.cos(angle), np.sin(angle))


add_rotation_mistakes(rope)
add_fixed_scalar_mistakes(rope, "theta", (1e4, 1e6))
