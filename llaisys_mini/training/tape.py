"""The tape: what was computed, in order, so that gradients can be worked out from the last result back to the first.

It is the autograd of lecture 03 with arrays in the place of numbers: each function writes down how its gradients
follow from that of its result, and `backward` plays the tape from its end.
"""

from collections.abc import Callable

import numpy as np

from llaisys_mini import operators as ops


class Variable:
    """An array that has a gradient. value: float32; gradient: of the same shape, None as long as there is none."""

    __slots__ = ("gradient", "value")

    def __init__(self, value: np.ndarray):
        self.value = value
        self.gradient: np.ndarray | None = None

    def add(self, gradient: np.ndarray) -> None:
        """One use of this variable contributes `gradient`. Arrays that are given are kept, never written into."""
        self.gradient = gradient if self.gradient is None else ops.add(self.gradient, gradient)


class Tape:
    """Steps of a computation, each as a function that passes gradients on to what the step was computed from."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], None]] = []

    def record(self, backward: Callable[[], None]) -> None:
        self._steps.append(backward)

    def backward(self) -> None:
        """Play the steps from the last to the first. Each is dropped with what it held, so memory shrinks."""
        while self._steps:
            self._steps.pop()()


def gradient_of(variable: Variable) -> np.ndarray:
    """The gradient of a result, or zeros where nothing that followed used it."""
    return np.zeros_like(variable.value) if variable.gradient is None else variable.gradient
