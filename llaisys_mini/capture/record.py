"""Watch one step and write down its operator calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import typeof, types

from llaisys_mini.capture.graph import COMPUTED, CONSTANT, INPUT, STATE, Call, Graph, Value
from llaisys_mini.capture.native import address_of, first_byte
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.operator import Operator
from llaisys_mini.plans import Plan
from llaisys_mini.tensor import Tensor


class CannotCapture(Exception):
    """Why a step cannot be replayed, in words that end a sentence. kernel_set: of the kernel that is in the way."""

    def __init__(self, reason: str, kernel_set: str | None = None):
        super().__init__(reason)
        self.kernel_set = kernel_set


@dataclass(frozen=True)
class Operand:
    """An array as a kernel is handed it: its Numba type, its shape, and the address of its first element.

    is_part: whether it is only a part of `value`, from the step's first position on.
    """

    value: Value
    kind: types.Array
    shape: tuple[int, ...]
    address: int
    is_part: bool = False


@dataclass(frozen=True)
class Launch:
    """How a recorded call is run: the kernel, where its machine code lies, and each argument: an Operand, a number or
    None.

    answers_for: for a call that reads a text of any length, whether this kernel is chosen at a length.
    """

    kernel: Any
    address: int
    arguments: tuple[Any, ...]
    answers_for: Callable[[int], bool] | None = None


class Recorder:
    """An observer of operator calls on the host, for one step.

    inputs: by name, the arrays that are given anew for each step; state: those that outlive it.
    Arrays are known by their addresses, so that a view of an array is that array.
    """

    def __init__(self, inputs: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray]):
        self.calls: list[Call] = []
        self.problem: CannotCapture | None = None
        self._by_address = {
            first_byte(array): Value(name, INPUT, array.shape, array.dtype, array) for name, array in inputs.items()
        }
        self._state = [Value(name, STATE, array.shape, array.dtype, array) for name, array in state.items()]
        self._kept: list[Any] = []  # as long as the recording lasts no address is used twice

    def __call__(self, operator: Operator, arguments: Sequence[Any], results: list[np.ndarray]) -> None:
        if self.problem is None:
            try:
                self.calls.append(self._call(operator, arguments, results))
            except CannotCapture as problem:
                self.problem = problem

    def graph(self, *results: np.ndarray) -> Graph:
        """What was recorded, with these results as its outputs. Raises CannotCapture."""
        outputs = [self._by_address[first_byte(a)] for a in results if first_byte(a) in self._by_address]
        if self.problem is None and len(outputs) < len(results):
            self.problem = CannotCapture("its result comes from no operator")
        if self.problem is not None:
            raise self.problem
        return Graph(self.calls, outputs)

    def _call(self, operator: Operator, arguments: Sequence[Any], results: list[np.ndarray]) -> Call:
        plan, kernel, seen = operator.answer_for(arguments)
        function = kernel.whole_for(plan.dims)
        inputs = [self._input(operator, *pair) for pair in zip(arguments, seen, strict=True)]
        outputs = [
            self._output(operator, *pair) for pair in zip(results, plan.outputs_for_kernel(tuple(results)), strict=True)
        ]
        self._kept += arguments
        kernel_arguments = (*inputs, *outputs)
        address = address_of(function, [_kind(argument) for argument in kernel_arguments])
        if address is None:
            reason = f"the kernel of {operator.name} is not one compiled function that returns nothing"
            raise CannotCapture(reason, kernel.kernel_set)
        values = [argument.value if isinstance(argument, Operand) else argument for argument in inputs]
        written = [value for name, value in zip(operator.inputs, values, strict=True) if name in operator.written]
        return Call(
            operator.name,
            tuple(values),
            tuple(operand.value for operand in outputs),
            tuple(written),
            Launch(function, address, kernel_arguments, _length_rule(operator, plan, kernel, inputs)),
        )

    def _input(self, operator: Operator, argument: Any, seen: Any) -> Any:
        """argument: as it was passed, or None, or a number; seen: as the kernel is handed it."""
        if not isinstance(seen, np.ndarray):
            return seen
        array = argument.numpy() if isinstance(argument, Tensor) else argument
        address = first_byte(array)
        value = self._by_address.get(address)
        if value is None:
            for state in self._state:
                first = first_byte(state.array)
                if first <= address < first + state.array.nbytes:
                    return Operand(state, _array_kind(seen), seen.shape, first, is_part=seen.ndim != state.array.ndim)
        if value is None:
            if not isinstance(argument, Tensor) or argument.prepared is None:
                raise CannotCapture(f"{operator.name} reads an array that is neither a weight nor known to the step")
            name = f"weight{len(self._by_address)}"
            value = self._by_address[address] = Value(name, CONSTANT, array.shape, array.dtype, array)
        # A kernel may want a weight in another layout: then it is another array, kept with the weight.
        self._kept.append(seen)
        return Operand(value, _array_kind(seen), seen.shape, first_byte(seen))

    def _output(self, operator: Operator, result: np.ndarray, seen: np.ndarray) -> Operand:
        value = Value(f"{operator.name}{len(self.calls)}", COMPUTED, result.shape, result.dtype, result)
        self._by_address[first_byte(result)] = value
        return Operand(value, _array_kind(seen), seen.shape, first_byte(seen))


def _length_rule(operator: Operator, plan: Plan, kernel: Kernel, inputs: Sequence[Any]) -> Callable[[int], bool] | None:
    """See Launch.answers_for."""
    parts = [name for name, given in zip(operator.inputs, inputs, strict=True) if getattr(given, "is_part", False)]
    if not parts:
        return None
    dimension = operator.arrays[parts[0]].dims[0]

    def answers(length: int) -> bool:
        chosen = answering_kernel(operator, "cpu", plan.variant, {**plan.dims, dimension: length})
        return chosen.function is kernel.function

    return answers


def _array_kind(array: np.ndarray) -> types.Array:
    """As numba.typeof, for contiguous arrays, of which a decoder has few kinds."""
    known = array.dtype, array.ndim, array.flags.writeable
    if known not in _array_kinds:
        _array_kinds[known] = typeof(array)
    return _array_kinds[known]


_array_kinds: dict[tuple, types.Array] = {}


def _kind(argument: Any) -> types.Type:
    return argument.kind if isinstance(argument, Operand) else typeof(argument)
