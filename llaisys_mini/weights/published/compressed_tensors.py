"""compressed-tensors: the form of llm-compressor and vLLM. Weights alone are quantised here, not what they multiply.

A number is stored in one of two ways:

    `pack-quantized`: plus 2^(bits - 1), in words along k; the last word of a row may be partly filled
        <name>.weight_packed       int32 [M, K * bits / 32]   lowest bits first
        <name>.weight_shape        int64 [2]                  M, K
        <name>.weight_zero_point   int32 [M * bits / 32, G]   likewise, along m; int8 [M, G] in early versions

    `int-quantized`, `naive-quantized`: as it is
        <name>.weight              int8 [M, K]
        <name>.weight_zero_point   int8 [M, G]

    both
        <name>.weight_scale        float [M, G]    one group per row for the strategy "channel"; [1] for "tensor"
        <name>.weight_g_idx        int32 [K]       the group of each k; in early versions only

    weight[m, k] = (number[m, k] - zero_point[m, g]) * weight_scale[m, g]

If `symmetric` is true, zero points are usually absent, and are 0.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from llaisys_mini.weights.published.grouped import Grouped
from llaisys_mini.weights.published.projection import Projection, fields_of


@dataclass(frozen=True)
class CompressedTensors:
    """How a checkpoint's weights are stored.

    bits: 4 or 8. group_size: neighbours that share a scale; None for one scale per row.
    symmetric: there need be no zero points.
    packed: several numbers in a word; else each in a byte.
    one_scale: one scale for the whole weight.
    """

    NAME: ClassVar[str] = "compressed-tensors"
    MARKS: ClassVar[tuple[str, ...]] = ("weight_scale", "weight_packed")
    bits: int
    group_size: int | None
    symmetric: bool
    packed: bool
    one_scale: bool = False

    def read(self, projection: Projection) -> Grouped | None:
        """The weight of a projection, or None where it is not quantised. Raises CheckpointError."""
        if not projection.has(*self.MARKS):
            return None
        rows, width = projection.rows, projection.width
        groups = projection.groups(self.group_size)
        scales = self._scales(projection, groups)
        group_of = projection.group_of("weight_g_idx", groups)
        if not self.packed:
            numbers = projection.take("weight", rows, width, stored_as=("I8",))
            return Grouped.of(numbers, self._zeros(projection, groups), scales, group_of)
        words = -(-width * self.bits // 32)
        numbers = fields_of(projection.take("weight_packed", rows, words, stored_as=("I32",)), self.bits)[:, :width]
        shape = projection.take("weight_shape", 2, stored_as=("I64", "I32"))
        if shape.tolist() != [rows, width]:
            raise projection.damaged("weight_shape", f"says {shape.tolist()}, but config.json asks for {[rows, width]}")
        return Grouped.of(numbers, self._zeros(projection, groups) + 2 ** (self.bits - 1), scales, group_of)

    def _scales(self, projection: Projection, groups: int) -> np.ndarray:
        """[M, G]."""
        if not self.one_scale:
            return projection.take("weight_scale", projection.rows, groups)
        return np.repeat(projection.take("weight_scale", 1), projection.rows)[:, None]

    def _zeros(self, projection: Projection, groups: int) -> np.ndarray:
        """The zero points [M, G], as signed numbers."""
        part, rows = "weight_zero_point", projection.rows
        if self.symmetric and not projection.has(part):
            return np.zeros((rows, groups), np.int16)
        if self.one_scale:
            return np.repeat(projection.take(part, 1, stored_as=("I8",)), rows)[:, None].astype(np.int16)
        if self.packed and projection.dtype(part) != "I8":
            words = projection.take(part, -(-rows * self.bits // 32), groups, stored_as=("I32",))
            return fields_of(words.T, self.bits)[:, :rows].T.astype(np.int16) - 2 ** (self.bits - 1)
        return projection.take(part, rows, groups, stored_as=("I8",)).astype(np.int16)
