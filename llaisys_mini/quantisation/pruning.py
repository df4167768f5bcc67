"""Two of four: of every four neighbours of a row, two weights become zero. And a weight as a product of two thin ones.

Some GPUs multiply a 2:4 matrix that is stored without its zeros, with two bits for the place of each number that is
kept. Without such a format and a kernel for it, zeros save nothing.
"""

import numpy as np

from llaisys_mini.quantisation.gptq import inverse_factor, spread


def pruned_by_size(weight: np.ndarray) -> np.ndarray:
    """weight [M, K], K a multiple of 4, with the two smallest of every four neighbours set to 0."""
    groups = np.array(weight, np.float64).reshape(-1, 4)
    np.put_along_axis(groups, np.argsort(np.abs(groups), axis=1)[:, :2], 0, axis=1)
    return groups.reshape(weight.shape)


def pruned_by_sparsegpt(weight: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """The same, chosen and made good on inputs with the Gram matrix `gram` [K, K], as GPTQ does for rounding.

    Of four, those two go whose loss costs the output least, (w / U[k, k])^2. Frantar, Alistarh 2023
    (arXiv:2301.00774).
    """
    weight = np.array(weight, np.float64)
    factor = inverse_factor(gram)
    width = weight.shape[1]
    for first in range(0, width, 4):
        four = slice(first, first + 4)
        costs = np.square(weight[:, four] / np.diagonal(factor)[four])
        goes = np.argsort(np.argsort(costs, axis=1), axis=1) < 2
        for k in range(first, first + 4):
            kept = np.where(goes[:, k - first], 0, weight[:, k])
            spread(weight, kept, factor, k, width)
            weight[:, k] = kept
    return weight


def low_rank(weight: np.ndarray, rank: int) -> np.ndarray:
    """The nearest matrix to weight [M, K] that is a product [M, rank] x [rank, K] (Eckart, Young 1936)."""
    left, sizes, right = np.linalg.svd(np.asarray(weight, np.float64), full_matrices=False)
    return (left[:, :rank] * sizes[:rank]) @ right[:rank]
