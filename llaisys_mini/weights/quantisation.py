"""Weights of one byte, or half a byte, each: how a float matrix is rounded to whole numbers with scales.

    weight of a projection    [ w w w w ... w | w w w w ... w | ... ]       float, out x in
    cut into groups of 32     numbers q = round(w / scale), one scale per group, chosen by the largest |w| of the group
    stored                    <name>.weight  int8 [out, in], or uint8 [out, in / 2] for int4
                              <name>.scales  bfloat16 [out, in / 32]

The scale is rounded to bfloat16 first and q is computed with the rounded one, so its few digits cost nothing; its range
is that of float32. What is multiplied with these weights is said in operators/linear_int8.py and linear_int4.py;
models/quantise.py makes a whole checkpoint of them.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.contract import SMALLEST_NORMAL
from llaisys_mini.operators.linear_int4 import packed


@dataclass(frozen=True)
class Quantisation:
    """How the projections' weights are stored: whole numbers, each group of a row with a scale.

    bits: 8 (operator linear_int8) or 4 (linear_int4).
    group_size: neighbours that share a scale; None for one scale per row.
    """

    METHOD: ClassVar[str] = "llaisys_mini"  # `quant_method` in config.json: tells our files from those of others
    bits: int
    group_size: int | None

    def to_dict(self) -> dict[str, Any]:
        """The value of config.json's `quantization_config`."""
        return {"quant_method": self.METHOD, "bits": self.bits, "group_size": self.group_size}


DTYPES = {"int8": Quantisation(8, 32), "int4": Quantisation(4, 32)}

_BLOCK = 2**22  # weights rounded at a time

# Which number the weight of largest magnitude in a group becomes. For int8 the obvious choice is good enough. With
# four bits it pays to try a few and keep the one with the smallest squared error: -9 clips the largest weight and is
# finer for all others, 7 and 8 put it on the shorter side of the range.
_STEPS = {8: (127.0,), 4: (-8.0, -9.0, -8.5, -7.5, 7.0, 8.0)}
_RANGE = {8: (-127, 127), 4: (-8, 7)}


def round_weights(weight: np.ndarray, how: Quantisation) -> tuple[np.ndarray, np.ndarray]:
    """Quantise weight [out, in] (float32, float16 or bfloat16; `in` a multiple of the group size).

    Returns what is stored: int8 [out, in] or uint8 [out, in / 2], and scales bfloat16 [out, groups].
    """
    rows, width = weight.shape
    group = how.group_size or width
    numbers, scales = np.empty((rows, width), np.int8), np.empty((rows, width // group), dtypes.bfloat16)
    step = max(1, _BLOCK // width)
    for first in range(0, rows, step):
        block = weight[first : first + step].astype(np.float32)
        of_block = round_groups(block.reshape(-1, group), how.bits)
        numbers[first : first + step] = of_block[0].reshape(block.shape)
        scales[first : first + step] = of_block[1].reshape(len(block), -1)
    return (packed(numbers) if how.bits == 4 else numbers), scales


def round_groups(values: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """values float32 [groups, size] -> whole numbers int8 of that shape, scales bfloat16 [groups]."""
    largest = np.take_along_axis(values, np.abs(values).argmax(axis=1)[:, None], axis=1)
    best = np.full(largest.shape, np.inf, np.float32)
    numbers, scales = np.zeros(values.shape, np.int8), np.zeros(largest.shape, dtypes.bfloat16)
    for step in _STEPS[bits]:
        tried = (largest / np.float32(step)).astype(dtypes.bfloat16)
        scale = tried.astype(np.float32)
        usable = np.abs(scale) >= SMALLEST_NORMAL  # else every weight of the group is as good as zero
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=usable)
        rounded = np.rint(values * inverse).clip(*_RANGE[bits])
        # In units of the largest weight, so that the squares neither overflow nor vanish.
        error = np.square((rounded * scale - values) / np.where(usable, np.abs(largest), 1)).sum(axis=1, keepdims=True)
        better = error < best
        best = np.where(better, error, best)
        numbers = np.where(better, rounded.astype(np.int8), numbers)
        scales = np.where(better & usable, tried, scales)
    return numbers, scales[:, 0]
