"""GPTQ: the columns of a weight are rounded one after the other, and what one lost the later ones make good.

Frantar et al. 2022 (arXiv:2210.17323). Asked for is a small error of the *output* on the inputs x [T, K] that a layer
really gets, |x (W - Q)^T|^2. With the Gram matrix G = x^T x it is the sum over rows d of W - Q of d G d^T. Once column
k is rounded, the best change of the columns after it, the others held fixed, is

    W[:, j] -= (W[:, k] - Q[:, k]) / U[k, k] * U[k, j]      j > k,  U upper triangular, U^T U = G^-1
"""

from collections.abc import Callable

import numpy as np

DAMPING = 0.01
"""Of the mean of the Gram matrix's diagonal: added to it, so that it has an inverse."""
_BLOCK = 128  # columns whose changes reach the columns behind them together, by one product


def inverse_factor(gram: np.ndarray, damping: float = DAMPING) -> np.ndarray:
    """U [K, K], upper triangular, of a Gram matrix [K, K]: U^T U is the inverse of the matrix with damping.

    An input that is always 0 has an empty row and column. It gets a 1 on the diagonal: it depends on no other, so its
    column is rounded plainly. Where rounding errors still leave no inverse, the damping grows tenfold.
    """
    gram = np.array(gram, np.float64)
    diagonal = np.diagonal(gram).copy()
    dead = diagonal <= 0
    mean = diagonal[~dead].mean() if not dead.all() else 1.0
    gram[dead], gram[:, dead] = 0, 0
    damping = damping or np.finfo(np.float64).eps
    while True:
        damped = gram + np.diag(np.where(dead, mean, damping * mean))
        try:
            # With J the reversal of order: J G J = L L^T, so G = (J L J)(J L J)^T with J L J upper triangular, and
            # the inverse of that is the U asked for, without forming the inverse of G.
            lower = np.linalg.cholesky(damped[::-1, ::-1])
            return np.triu(np.linalg.inv(lower)[::-1, ::-1])  # exactly 0 below the diagonal
        except np.linalg.LinAlgError:
            damping *= 10


def spread(weight: np.ndarray, rounded: np.ndarray, factor: np.ndarray, column: int, end: int) -> np.ndarray:
    """Change the columns behind `column`, up to `end`, of weight [M, K] in place, now that it is `rounded` [M].

    Returns the error [M] in units of factor[column, column], from which the columns behind `end` follow.
    """
    error = (weight[:, column] - rounded) / factor[column, column]
    weight[:, column + 1 : end] -= np.outer(error, factor[column, column + 1 : end])
    return error


def gptq(
    weight: np.ndarray,
    gram: np.ndarray,
    bits: int,
    size: int,
    scales_of: Callable[[np.ndarray], np.ndarray],
    damping: float = DAMPING,
) -> tuple[np.ndarray, np.ndarray]:
    """Round weight [M, K] in groups of `size` neighbours, for inputs with the Gram matrix `gram` [K, K].

    scales_of: chooses the scales [M] of a group [M, size]; it is asked when the columns before the group are rounded.
    Returns whole numbers int8 [M, K] and scales [M, K / size].
    """
    weight = np.array(weight, np.float64)
    rows, width = weight.shape
    factor = inverse_factor(gram, damping)
    whole, scales = np.empty((rows, width), np.int8), np.empty((rows, width // size))
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    block = max(_BLOCK // size, 1) * size
    for first in range(0, width, block):
        end = min(first + block, width)
        errors = np.empty((rows, end - first))
        for k in range(first, end):
            if k % size == 0:
                scales[:, k // size] = scales_of(weight[:, k : k + size])
            scale = scales[:, k // size]
            inverse = np.divide(1, scale, out=np.zeros(rows), where=scale != 0)
            whole[:, k] = np.rint(weight[:, k] * inverse).clip(lowest, highest)
            errors[:, k - first] = spread(weight, whole[:, k] * scale, factor, k, end)
        weight[:, end:] -= errors @ factor[first:end, end:]
    return whole, scales
