"""What a kernel is: one implementation of one operator for one kind of device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEVICES = ("cpu", "cuda")
"""Folders of a kernel set: what kernels are written for. Several devices may run the same ones (Device.kernels)."""

PYTHON = "python"
"""The folder of answers to exercises, which are ordinary Python."""


@dataclass(frozen=True)
class Kernel:
    """One implementation of one operator for one of DEVICES; or, on PYTHON, the answer to an exercise.

    function: takes the contract's inputs, then its outputs.
    prepare: for some arguments a function array -> array that puts it into the layout this kernel wants. Weights that
    never change are prepared once, see Tensor.freeze.
    when: for an expert kernel, from the lengths of the contract's dimensions by name ("..." is the product of the
    leading ones): whether it answers such a call, or leaves it to the plain kernel. None for every call.
    whole: for a function that only picks among compiled ones: from the same lengths, the compiled function with the
    same arguments that does all of such a call; or None where no single one does.
    """

    operator: str
    device: str
    kernel_set: str
    function: Callable
    prepare: dict[str, Callable] = field(default_factory=dict)
    when: Callable[[Mapping[str, int]], bool] | None = None
    whole: Callable[[Mapping[str, int]], Callable | None] | None = None
    path: Path | None = None

    def whole_for(self, dims: Mapping[str, int]) -> Callable | None:
        """The one function that does all of a call of these dimensions, without Python in between where it can be."""
        return self.function if self.whole is None else self.whole(dims)
