"""Whole numbers and scales: w is kept as scale * q, q a whole number of few bits.

    symmetric     q from -2^(b-1) to 2^(b-1) - 1,  w = scale * q                  0 stays 0
    asymmetric    q from 0 to 2^b - 1,             w = scale * (q - zero point)   the ends of the range are used up

What shares a scale is a row of `groups` [G, size]: the whole tensor, a channel (a row of the weight), or a group of
neighbours in a row.
"""

import numpy as np

from llaisys_mini.errors import ConfigError

SHARES = np.linspace(1.0, 0.5, 26)
"""Of the plain scale: what `best_scales` tries."""


def as_groups(weight: np.ndarray, size: int | None) -> np.ndarray:
    """weight [M, K] -> [M * K / size, size], float64: neighbours of a row that share a scale. None: whole rows.

    Raises ConfigError where the groups do not divide the rows.
    """
    width = weight.shape[-1]
    size = size or width
    if width % size:
        raise ConfigError(f"rows of {width} weights cannot be cut into groups of {size}: {width % size} would be left")
    return np.asarray(weight, np.float64).reshape(-1, size)


def plain_scales(groups: np.ndarray, bits: int) -> np.ndarray:
    """groups [G, size] -> [G]: the largest weight of a group becomes the largest number, 2^(bits - 1) - 1."""
    return np.abs(groups).max(axis=1) / (2 ** (bits - 1) - 1)


def numbers(groups: np.ndarray, scales: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers [G, size] for groups [G, size] with scales [G], clipped to what `bits` hold; 0 for a scale 0."""
    scales = scales[:, None]
    ratio = np.divide(groups, scales, out=np.zeros_like(groups), where=scales != 0)
    return np.rint(ratio).clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def squared_errors(groups: np.ndarray, scales: np.ndarray, bits: int) -> np.ndarray:
    """[G]: what rounding groups [G, size] with scales [G] loses."""
    return np.square(scales[:, None] * numbers(groups, scales, bits) - groups).sum(axis=1)


def best_scales(groups: np.ndarray, bits: int) -> np.ndarray:
    """groups [G, size] -> [G]: of the plain scale times each of SHARES, the one with the smallest squared error.

    A smaller scale clips the largest weights and is finer for all others.
    """
    plain = plain_scales(groups, bits)
    best, error = plain, squared_errors(groups, plain, bits)
    for share in SHARES[1:]:
        other = squared_errors(groups, plain * share, bits)
        best, error = np.where(other < error, plain * share, best), np.minimum(error, other)
    return best


def rounded(weight: np.ndarray, bits: int, size: int | None = None, best: bool = False) -> np.ndarray:
    """weight [M, K] after symmetric rounding in groups of `size` (None: a scale per row), float64.

    best: with best_scales, not plain_scales.
    """
    groups = as_groups(weight, size)
    scales = (best_scales if best else plain_scales)(groups, bits)
    return (scales[:, None] * numbers(groups, scales, bits)).reshape(weight.shape)


def rounded_asymmetric(groups: np.ndarray, bits: int) -> np.ndarray:
    """groups [G, size] after asymmetric rounding, float64. The range of a group is stretched to contain 0."""
    lowest = np.minimum(groups.min(axis=1, keepdims=True), 0)
    highest = np.maximum(groups.max(axis=1, keepdims=True), 0)
    scale = (highest - lowest) / (2**bits - 1)
    scale = np.where(scale == 0, 1, scale)
    zero = np.rint(-lowest / scale)
    return scale * ((np.rint(groups / scale) + zero).clip(0, 2**bits - 1) - zero)
