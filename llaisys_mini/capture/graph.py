"""The list of operator calls that a step consists of, and the arrays between them.

A Graph is what every pass takes and gives. Calls stand in an order in which they can run: an array is computed before
it is read.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

INPUT, CONSTANT, STATE, COMPUTED = "input", "constant", "state", "computed"


@dataclass(eq=False)
class Value:
    """An array of a step. Two values are the same only if they are one object.

    kind: INPUT, given anew for each step, such as ids and positions; CONSTANT, such as weights; STATE, which outlives
    the step and is written in place, such as the pages of a KV cache; COMPUTED, by a call of the step.
    array: the memory of a constant or of state; of a computed array, while a step is recorded, what came out.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.float32))
    array: Any = None

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operator.

    inputs: in the operator's order: Values, numbers, and None for what is left out. outputs: what it computes.
    writes: state that it changes. how: what a back end needs to know to run it.
    """

    operator: str
    inputs: tuple[Any, ...]
    outputs: tuple[Value, ...]
    writes: tuple[Value, ...] = ()
    how: Any = None

    @property
    def reads(self) -> list[Value]:
        """The arrays among the inputs."""
        return [value for value in self.inputs if isinstance(value, Value)]

    def __repr__(self) -> str:
        given = ", ".join(str(value) for value in self.inputs)
        made = ", ".join(value.name for value in self.outputs) or "-"
        return f"{made} = {self.operator}({given})"


@dataclass
class Graph:
    """The calls of a step, and what is asked of it: outputs, computed by some of the calls."""

    calls: Sequence[Call]
    outputs: Sequence[Value]

    def __repr__(self) -> str:
        return "\n".join([*map(repr, self.calls), f"return {', '.join(value.name for value in self.outputs)}"])

    @property
    def computed(self) -> Iterator[Value]:
        """All arrays that calls compute, in their order."""
        return (value for call in self.calls for value in call.outputs)

    @property
    def bytes_moved(self) -> int:
        """Bytes that the calls read and write if every array comes from memory and goes there."""
        return sum(value.nbytes for call in self.calls for value in [*call.reads, *call.outputs])
