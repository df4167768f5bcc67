"""AWQ: the weights that meet large inputs are rounded on a finer grid.

Lin et al. 2023 (arXiv:2306.00978). Column k of the weight is multiplied by s[k] before it is rounded, and the input k
divided by it. In real numbers nothing changes. Rounding moves a product w * s by up to half a scale, and divided by s
again that is less, for columns with a large s. Which s? A power of the mean size of the input, whose exponent is
searched for.
"""

from collections.abc import Callable

import numpy as np

EXPONENTS = np.arange(10) / 10
"""What is tried; 0 leaves the weight as it is."""
_SMALLEST = 1e-4  # of the largest mean: an input that is always 0 gets no scale of 0


def candidates(mean_sizes: np.ndarray) -> list[np.ndarray]:
    """The scales [K] to try for inputs with these mean sizes [K], each with a geometric middle of 1."""
    largest = mean_sizes.max()
    sizes = np.maximum(mean_sizes / largest, _SMALLEST) if largest > 0 else np.ones_like(mean_sizes)
    tried = [sizes**exponent for exponent in EXPONENTS]
    return [scale / np.sqrt(scale.max() * scale.min()) for scale in tried]


def output_error(weight: np.ndarray, other: np.ndarray, gram: np.ndarray) -> float:
    """|x (weight - other)^T|^2 for inputs x with the Gram matrix [K, K]; weight and other [M, K]."""
    difference = weight - other
    return float(np.sum((difference @ gram) * difference))


def awq_scale(
    weight: np.ndarray, gram: np.ndarray, mean_sizes: np.ndarray, round_weight: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """The s [K] for which rounding weight [M, K] * s costs the output least, on inputs with this Gram matrix [K, K].

    mean_sizes [K]: the mean |input|. round_weight: weight [M, K] -> the same after rounding, such as grid.rounded.
    """
    weight, gram = np.asarray(weight, np.float64), np.asarray(gram, np.float64)
    tried = candidates(np.asarray(mean_sizes, np.float64))
    errors = [output_error(weight, round_weight(weight * s) / s, gram) for s in tried]
    return tried[int(np.argmin(errors))]
