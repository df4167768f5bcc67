"""SmoothQuant: a part of the size of the inputs is moved into the weights, so that both can be rounded.

Xiao et al. 2022 (arXiv:2211.10438). Input k is divided by s[k] and column k of the weight multiplied by it. With
alpha 1 all inputs become equally large, with alpha 0 all columns of the weight.
"""

import numpy as np


def smooth(largest_inputs: np.ndarray, weight: np.ndarray, alpha: float) -> np.ndarray:
    """s[k] = (largest |input k|)^alpha / (largest |weight| of column k)^(1 - alpha), float64 [K].

    largest_inputs [K]; weight [M, K]. Where either is 0 there is nothing to balance: s is 1.
    """
    inputs, weights = np.asarray(largest_inputs, np.float64), np.abs(np.asarray(weight, np.float64)).max(axis=0)
    nothing = (inputs == 0) | (weights == 0)
    return np.where(nothing, 1.0, np.where(nothing, 1, inputs) ** alpha / np.where(nothing, 1, weights) ** (1 - alpha))
