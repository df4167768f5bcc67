"""The tensors of one projection in a checkpoint that another program quantised, taken with their shapes checked."""

from dataclasses import dataclass

import numpy as np

from llaisys_mini.errors import CheckpointError
from llaisys_mini.weights.checkpoint import Checkpoint

FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class Projection:
    """name: without the part that says which tensor it is, such as "model.layers.0.mlp.up_proj".

    rows, width: M and K of the weight [M, K] that it stands for. All methods raise CheckpointError.
    """

    checkpoint: Checkpoint
    name: str
    rows: int
    width: int

    def has(self, *parts: str) -> bool:
        """Whether the checkpoint has a tensor `name`.`part` for any of these."""
        return any(f"{self.name}.{part}" in self.checkpoint for part in parts)

    def dtype(self, part: str) -> str | None:
        """How `name`.`part` is stored, by the format's names; None where it is absent."""
        stored = self.checkpoint.stored.get(f"{self.name}.{part}")
        return None if stored is None else stored.dtype

    def take(self, part: str, *shape: int, stored_as: tuple[str, ...] = FLOATS) -> np.ndarray:
        """The numbers of `name`.`part`, which must have this shape and one of these dtypes, by the format's names."""
        return self.checkpoint.take(f"{self.name}.{part}", shape, stored_as).numpy()

    def groups(self, group_size: int | None) -> int:
        """G: how many groups a row has; one if group_size is None."""
        if group_size is None:
            return 1
        if self.width % group_size:
            raise CheckpointError(
                f"{self._where()} has rows of {self.width} weights, no multiple of the `group_size` {group_size} in "
                "config.json. Such groups are not supported."
            )
        return self.width // group_size

    def words(self, count: int, bits: int) -> int:
        """How many words of 32 bits hold `count` numbers."""
        if count * bits % 32:
            raise CheckpointError(
                f"{self._where()} has a side of {count}, but {32 // bits} numbers share a word. "
                "Words that are partly filled are not supported."
            )
        return count * bits // 32

    def group_of(self, part: str, groups: int) -> np.ndarray | None:
        """The tensor that says to which group each k belongs, as Grouped.group_of.

        None where there is none, where it is unused (-1), or says what holds without it.
        """
        if not self.has(part):
            return None
        group_of = self.take(part, self.width, stored_as=("I32",))
        if (group_of == -1).all() or (group_of == np.arange(self.width) // (self.width // groups)).all():
            return None
        if group_of.min() < 0 or group_of.max() >= groups:
            raise self.damaged(part, f"runs from {group_of.min()} to {group_of.max()}, but there are {groups} groups")
        return group_of

    def damaged(self, part: str, complaint: str) -> CheckpointError:
        """What to raise about the contents of a tensor. complaint: a clause, such as "runs from 0 to 9, but ..."."""
        name = f"{self.name}.{part}"
        return CheckpointError(f"{self.checkpoint.stored[name].path}: tensor {name!r} {complaint}.")

    def _where(self) -> str:
        """The file, and which of its projections this is."""
        paths = [entry.path for name, entry in self.checkpoint.stored.items() if name.startswith(f"{self.name}.")]
        return f"{paths[0]}: {self.name!r}"


def fields_of(words: np.ndarray, bits: int) -> np.ndarray:
    """The numbers of 4 or 8 bits in words int32 [R, W], lowest bits first -> uint8 [R, W * 32 / bits]."""
    parts = np.ascontiguousarray(words).astype("<i4", copy=False).view(np.uint8)
    if bits == 8:
        return parts
    fields = np.empty((*parts.shape, 2), np.uint8)
    np.bitwise_and(parts, 15, out=fields[:, :, 0])
    np.right_shift(parts, 4, out=fields[:, :, 1])
    return fields.reshape(len(words), -1)
