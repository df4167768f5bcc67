"""Projections that other programs quantised, as layers of the decoder: what weights/published/ reads, with its bias.

Each keeps its whole numbers if an operator can multiply with them, and becomes floats if none can.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from llaisys_mini.errors import CheckpointError
from llaisys_mini.layers.linear import Linear
from llaisys_mini.layers.quantised import AnyLinear, QuantisedLinear
from llaisys_mini.tensor import Tensor
from llaisys_mini.weights.checkpoint import Checkpoint
from llaisys_mini.weights.published import Published
from llaisys_mini.weights.published.projection import Projection


class PublishedProjections:
    """The projections of a checkpoint that is quantised as `how` says.

    dtype: of those that become floats; None for the dtype of their scales. placed: puts a tensor on the device.
    """

    def __init__(
        self, how: Published, checkpoint: Checkpoint, dtype: np.dtype | None, placed: Callable[[Tensor], Tensor]
    ):
        self.how = how
        self.checkpoint = checkpoint
        self.dtype = dtype
        self.placed = placed
        self.kept_as: Counter[str] = Counter()

    def layer(self, name: str, out_width: int, in_width: int, bias: bool) -> AnyLinear | None:
        """The projection `name`, or None where it is not quantised. Raises CheckpointError."""
        weight = self.how.read(Projection(self.checkpoint, name, out_width, in_width))
        if weight is None:
            return None
        bias_of = self._bias(name, out_width, bias)
        whole = weight.whole()
        if whole is None:
            floats = weight.floats(self.dtype or weight.scales.dtype)
            self.kept_as[floats.dtype.name] += 1
            return Linear(self.placed(Tensor.from_numpy(floats)), bias_of)
        numbers, scales = whole
        self.kept_as["int8" if numbers.dtype == np.int8 else "int4"] += 1
        return QuantisedLinear(self.placed(Tensor.from_numpy(numbers)), self.placed(Tensor.from_numpy(scales)), bias_of)

    def _bias(self, name: str, out_width: int, wanted: bool) -> Tensor | None:
        """Some programs store a bias of zeros for every projection. One that is not zero must have its place."""
        name = f"{name}.bias"
        if not wanted and name not in self.checkpoint:
            return None
        bias = self.checkpoint.take(name, (out_width,)).astype("float32")
        if wanted:
            return self.placed(bias)
        if bias.numpy().any():
            raise CheckpointError(
                f"{self.checkpoint.stored[name].path}: tensor {name!r} is not zero, but models of this `model_type` in "
                "config.json have no such bias."
            )
        return None

    def refuse_embeddings(self, tied: bool) -> None:
        """Raises CheckpointError where the embeddings, or an output matrix that is tied to them, are quantised."""
        for name in ["model.embed_tokens"] + ["lm_head"] * tied:
            if Projection(self.checkpoint, name, 0, 0).has(*self.how.MARKS):
                what = "are tied to a quantised output matrix" if name == "lm_head" else "are quantised"
                raise CheckpointError(
                    f"The embeddings of this {self.how.NAME} checkpoint {what} ({name!r}), which is not supported."
                )

    def shown(self, numbers: Iterable[int]) -> Iterable[int]:
        """The numbers of the blocks. A terminal shows how many are read, since putting weights in order takes time."""
        if not sys.stderr.isatty():
            return numbers
        from rich.console import Console  # not waited for where it is not needed
        from rich.progress import track

        return track(numbers, "reading quantised weights", console=Console(stderr=True), transient=True)

    def note(self) -> str:
        """A line for the user: how the checkpoint is quantised, and what became of its projections."""
        how = self.how
        groups = "one scale per row" if how.group_size is None else f"groups of {how.group_size}"
        kept = ", ".join(f"{count} as {kind}" for kind, count in sorted(self.kept_as.items())) or "none is quantised"
        why = "" if set(self.kept_as) <= {"int4", "int8"} else " (int8 cannot express their groups or zero points)"
        return f"weights: {how.NAME}, {how.bits} bits, {groups}; projections kept: {kept}{why}"
