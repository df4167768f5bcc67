"""A weight as other programs quantise it, and which of our operators can compute with it.

    weight[m, k] = numbers[m, k] * scales[m, g]          g: the group of k

The whole numbers are what the file stores minus the zero point of the group. They decide how the weight is kept:

    numbers        groups                      kept as                                           bytes per weight
    -8 .. 7        multiples of 32 neighbours  int4; a scale is repeated for each 32 of a group  1/2 + 2/32
    -128 .. 127    neighbours                  int8 in the same groups                           1 + 2/size
    else           any                         floats, each a number times its scale             2 (16-bit scales)

The first two keep every digit of the file. A product in the last row is rounded to the dtype it is kept in, as other
programs do when they dequantise.
"""

from dataclasses import dataclass

import numpy as np

from llaisys_mini.operators.linear_int4 import GROUP, packed

_BLOCK = 2**20  # weights made float at a time


@dataclass(frozen=True)
class Grouped:
    """numbers int8, or int16 where int8 is too small, [M, K]; scales [M, G], float32, float16 or bfloat16.

    group_of: the group of each k, int [K], where the members of a group are not neighbours; else None, and a group is
    K / G neighbours.
    """

    numbers: np.ndarray
    scales: np.ndarray
    group_of: np.ndarray | None = None

    @classmethod
    def of(
        cls, fields: np.ndarray, zeros: np.ndarray, scales: np.ndarray, group_of: np.ndarray | None = None
    ) -> "Grouped":
        """fields [M, K], minus the zero points [M, G] of their groups: whole numbers of at most 8 bits."""
        lowest, highest = int(fields.min()) - int(zeros.max()), int(fields.max()) - int(zeros.min())
        # Both may wrap around when they become int8. Their difference does too, and is right where int8 can hold it.
        dtype = np.int8 if lowest >= -128 and highest <= 127 else np.int16
        zero_of = zeros.astype(dtype)[:, :, None] if group_of is None else zeros.astype(dtype)[:, group_of]
        shape = (*scales.shape, -1) if group_of is None else fields.shape
        numbers = (fields.astype(dtype).reshape(shape) - zero_of).reshape(fields.shape)
        return cls(numbers, scales, group_of)

    def whole(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Weight and scales for linear_int4 (uint8 [M, K / 2]) or linear_int8 (int8 [M, K]), or None where neither can
        express them."""
        lowest, highest = self.numbers.min(), self.numbers.max()
        if self.group_of is not None or lowest < -128 or highest > 127:
            return None
        size = self.numbers.shape[1] // self.scales.shape[1]
        if lowest < -8 or highest > 7 or size % GROUP:
            return self.numbers.astype(np.int8, copy=False), self.scales
        return packed(self.numbers), np.repeat(self.scales, size // GROUP, axis=1)

    def floats(self, dtype: np.dtype) -> np.ndarray:
        """The weight [M, K] in `dtype`, each product rounded once."""
        rows, width = self.numbers.shape
        groups = self.scales.shape[1]
        group_of = np.arange(width) // (width // groups) if self.group_of is None else self.group_of
        weight = np.empty((rows, width), dtype)
        step = max(1, _BLOCK // width)
        for first in range(0, rows, step):
            scales = self.scales[first : first + step].astype(np.float32)
            weight[first : first + step] = self.numbers[first : first + step] * scales[:, group_of]
        return weight
