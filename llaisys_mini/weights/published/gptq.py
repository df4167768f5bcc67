"""GPTQ: Frantar et al. 2022 (arXiv:2210.17323), in the form that AutoGPTQ and GPTQModel write.

    <name>.qweight   int32 [K * bits / 32, M]    numbers of `bits` bits; a word holds neighbours along k, lowest
                                                 bits first
    <name>.qzeros    int32 [G, M * bits / 32]    zero points; a word holds neighbours along m
    <name>.scales    float [G, M]
    <name>.g_idx     int32 [K]                   the group of each k; may be absent

    weight[m, k] = (qweight[k, m] - zero[g, m]) * scales[g, m]

Groups are neighbours, unless weights were rounded in the order of their importance ("act-order", `desc_act`): then
g_idx has them in any order.

The first version of the form stores the zero point minus 1, `gptq_v2` stores it as it is. If `sym` is true the zero
point is the middle, 8 or 128; published files that say `gptq` store it either way, so both are read as the middle.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from llaisys_mini.weights.published.grouped import Grouped
from llaisys_mini.weights.published.projection import Projection, fields_of


@dataclass(frozen=True)
class GPTQ:
    """How a checkpoint's GPTQ weights are stored.

    bits: 4 or 8. group_size: neighbours that share a scale; None for one scale per row.
    symmetric: every zero point is the middle.
    zeros_minus_one: zero points are stored minus 1 (the first version).
    whole_words: what wrote them subtracted the 1 from whole words, so that a zero point of 0 borrows from the next.
    """

    NAME: ClassVar[str] = "GPTQ"
    MARKS: ClassVar[tuple[str, ...]] = ("qweight", "qzeros", "scales")
    bits: int
    group_size: int | None
    symmetric: bool
    zeros_minus_one: bool
    whole_words: bool = False

    def read(self, projection: Projection) -> Grouped | None:
        """The weight of a projection, or None where it is not quantised. Raises CheckpointError."""
        if not projection.has(*self.MARKS):
            return None
        rows, width, bits = projection.rows, projection.width, self.bits
        groups = projection.groups(self.group_size)
        words = projection.take("qweight", projection.words(width, bits), rows, stored_as=("I32",))
        scales = projection.take("scales", groups, rows)
        group_of = projection.group_of("g_idx", groups)
        return Grouped.of(
            fields_of(words.T, bits), self._zeros(projection, groups), np.ascontiguousarray(scales.T), group_of
        )

    def _zeros(self, projection: Projection, groups: int) -> np.ndarray:
        """The zero points [M, G]."""
        words = projection.take("qzeros", groups, projection.words(projection.rows, self.bits), stored_as=("I32",))
        stored, middle, top = fields_of(words, self.bits), 2 ** (self.bits - 1), 2**self.bits - 1
        if self.symmetric:
            if not any((stored == either).all() for either in (middle - 1, middle)):
                complaint = f"holds zero points other than {middle}, but config.json says `sym`: true"
                raise projection.damaged("qzeros", complaint)
            return np.full((projection.rows, groups), middle)
        if not self.zeros_minus_one:
            return stored.T
        if not self.whole_words and (stored == top).any():
            raise projection.damaged(
                "qzeros",
                f"holds {top}, a zero point of 0 minus 1, which the form `gptq` cannot express: programs read it in "
                "different ways. Choose a checkpoint in the form `gptq_v2`",
            )
        ones = np.uint32(0x11111111 if self.bits == 4 else 0x01010101)
        return fields_of((words.view(np.uint32) + ones).view(np.int32), self.bits).T
