"""AWQ: Lin et al. 2023 (arXiv:2306.00978), in the form that AutoAWQ calls "gemm".

    <name>.qweight   int32 [K, M / 8]    numbers of 4 bits; a word holds neighbours along m
    <name>.qzeros    int32 [G, M / 8]    zero points, in the same order
    <name>.scales    float [G, M]

    weight[m, k] = (qweight[k, m] - zero[g, m]) * scales[g, m]

From its lowest bits on, a word holds the neighbours 0 2 4 6 1 3 5 7. Almost every zero point differs from 8, so that
the numbers run from -15 to 15: they are kept as int8.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from llaisys_mini.weights.published.grouped import Grouped
from llaisys_mini.weights.published.projection import Projection, fields_of

_PLACES = [0, 4, 1, 5, 2, 6, 3, 7]  # where in a word the neighbours 0 to 7 are


@dataclass(frozen=True)
class AWQ:
    """How a checkpoint's AWQ weights are stored. group_size: neighbours that share a scale; None: one scale per row."""

    NAME: ClassVar[str] = "AWQ"
    MARKS: ClassVar[tuple[str, ...]] = ("qweight", "qzeros", "scales")
    bits: ClassVar[int] = 4
    group_size: int | None

    def read(self, projection: Projection) -> Grouped | None:
        """The weight of a projection, or None where it is not quantised. Raises CheckpointError."""
        if not projection.has(*self.MARKS):
            return None
        rows, width = projection.rows, projection.width
        groups, words = projection.groups(self.group_size), projection.words(rows, self.bits)
        numbers = projection.take("qweight", width, words, stored_as=("I32",))
        zeros = projection.take("qzeros", groups, words, stored_as=("I32",))
        scales = projection.take("scales", groups, rows)
        return Grouped.of(_along_m(numbers), _along_m(zeros), np.ascontiguousarray(scales.T))


def _along_m(words: np.ndarray) -> np.ndarray:
    """The numbers in words [R, M / 8] -> [M, R]."""
    fields = fields_of(words, AWQ.bits).reshape(len(words), -1, 8)
    return np.ascontiguousarray(fields[:, :, _PLACES].reshape(len(words), -1).T)
