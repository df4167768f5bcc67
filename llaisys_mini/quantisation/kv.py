"""Keys and values of few bits: keys by channel, values by position.

Liu et al. 2024, KIVI (arXiv:2402.02750). In keys some channels are large at every position, so numbers of one channel
share a scale, over a block of positions. Values have no such channels; there a position shares one. Both are rounded
asymmetrically.
"""

import numpy as np

from llaisys_mini.quantisation.grid import rounded_asymmetric


def by_position(x: np.ndarray, bits: int) -> np.ndarray:
    """x [S, ..., D] rounded with a scale and zero point for each run of D numbers."""
    return rounded_asymmetric(np.asarray(x, np.float64).reshape(-1, x.shape[-1]), bits).reshape(x.shape)


def by_channel(x: np.ndarray, bits: int, block: int) -> np.ndarray:
    """x [S, ...] rounded with a scale and zero point for each channel and each `block` of positions.

    Positions of a last block that is not full yet stay as they are: their range is not known.
    """
    x = np.array(x, np.float64)
    for first in range(0, len(x) - block + 1, block):
        here = x[first : first + block]
        here[...] = rounded_asymmetric(here.reshape(block, -1).T, bits).T.reshape(here.shape)
    return x
