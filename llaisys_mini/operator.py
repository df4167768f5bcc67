"""The one call path of an operator, for every device: bind the arguments, plan, choose a kernel, launch it.

    operators.linear(x, weight, bias)

1. bind      names and defaults become positions                                          here
2. plan      are the arguments allowed, what comes out? once for each kind of call        plans
3. choose    which kernel answers, by the Runtime in force; once for each kind of call    kernels
4. launch    the device that holds the arguments runs it                                  devices

What an operator is stands in `contract`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from llaisys_mini import devices
from llaisys_mini.contract import Contract
from llaisys_mini.errors import ContractError
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime, changes, current
from llaisys_mini.plans import Answer, Plan, make_plan
from llaisys_mini.tensor import Tensor

_MOST_PLANS = 8192  # of one operator: decoding makes one per cache length, and a long run must not grow without end


class Operator(Contract):
    """A function with a fixed contract, answered by one of its kernels. Call it like a function.

    Arrays go in as NumPy arrays or Tensors, C-contiguous and all on one device; results come back as the kind of the
    first argument. `out=` takes the array (or tuple of arrays) to write into.
    Raises ContractError for arguments the contract does not allow.
    """

    def __init__(self, function: Callable):
        super().__init__(function)
        self._arity = len(self.inputs)
        self._plans: dict[tuple, Plan] = {}

    def __call__(self, *arguments, out=None, **named):
        if named or len(arguments) != self._arity:
            arguments = self._bound(arguments, named)
        plan = self._plan(arguments)
        results = plan.new_outputs() if out is None else plan.accept(out, arguments)
        if self._value_rule is not None:
            self._require_values(plan, arguments)
        runtime = current()
        answer = plan.answer
        if answer.runtime is not runtime.answered or answer.changes != changes():
            answer = self._choose(plan, runtime)
        values: Any = arguments
        if plan.adapts or answer.prepares:
            values = plan.values(arguments)
            for position, prepare in answer.prepares:
                values[position] = prepared(arguments[position], values[position], prepare)
        plan.launch(answer.function, values, plan.outputs_for_kernel(results) if plan.adapts_outputs else results)
        for observer in runtime.observers:
            observer(self, arguments, results)
        return out if out is not None else plan.returned(results, arguments)

    def run_with(self, kernel: Kernel, inputs: Mapping[str, Any], outputs: list[np.ndarray]) -> None:
        """Check host arrays `inputs` as a call would, then have `kernel` write into `outputs`.

        A kernel for "cuda" runs on the GPU if there is one and `cuda.sanitized()` is not open, else under the
        sanitizer; the arrays are copied to the device and back.
        """
        arguments = [inputs[name] for name in self.inputs]
        plan = self._plan(arguments)
        if self._value_rule is not None:
            self._require_values(plan, arguments)
        values = plan.values(arguments)
        for position, prepare in self._prepares(kernel):
            values[position] = prepared(arguments[position], values[position], prepare)
        devices.get(kernel.device).run(kernel.function, values, plan.outputs_for_kernel(outputs))

    # ---- bind ------------------------------------------------------------------------------------------------

    def _bound(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        values = dict(zip(self.inputs, arguments, strict=False))
        unknown = [name for name in named if name not in self.inputs]
        missing = [n for n in self.inputs if n not in values and n not in named and n not in self.defaults]
        if len(arguments) > len(self.inputs) or unknown or missing or any(name in values for name in named):
            raise ContractError(f"{self.name} takes ({', '.join(self.inputs)}), each once")
        return tuple(named[n] if n in named else values.get(n, self.defaults.get(n)) for n in self.inputs)

    # ---- plan ------------------------------------------------------------------------------------------------

    def _plan(self, arguments: Sequence[Any]) -> Plan:
        """The plan for arguments of these kinds. Raises ContractError."""
        key = tuple(
            [
                (value.shape, value.dtype, value.flags.c_contiguous)
                if value.__class__ is np.ndarray
                else (Tensor, value.kind)
                if value.__class__ is Tensor
                else _other_kind(value)
                for value in arguments
            ]
        )
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[key] = make_plan(self, arguments)
        return plan

    def _require_values(self, plan: Plan, arguments: Sequence[Any]) -> None:
        if plan.device.on_host:
            problem = self.problem_of_values([v.on_host() if isinstance(v, Tensor) else v for v in arguments])
            if problem:
                raise ContractError(f"{self.name}: {problem}")

    # ---- choose ----------------------------------------------------------------------------------------------

    def _choose(self, plan: Plan, runtime: Runtime) -> Answer:
        """The kernel that answers; remembered with the plan."""
        seen = changes()
        kernel = answering_kernel(self, plan.device.kernels, plan.variant, plan.dims)
        plan.answer = answer = Answer(runtime.answered, seen, kernel.function, self._prepares(kernel))
        runtime.answered.setdefault((self.name, plan.device.kernels), {})[plan.variant] = kernel.kernel_set
        return answer

    def _prepares(self, kernel: Kernel) -> list[tuple[int, Callable]]:
        return [(list(self.inputs).index(name), prepare) for name, prepare in kernel.prepare.items()]


def _other_kind(value: Any) -> Any:
    """The kind of an argument that is neither an ordinary array nor a tensor."""
    if isinstance(value, np.ndarray):  # np.memmap and its like
        return type(value), value.shape, value.dtype, value.flags.c_contiguous
    return type(value)


def prepared(argument: Any, value: Any, prepare: Callable) -> Any:
    """`value` in the layout that a kernel wants; remembered with the argument if that is a frozen Tensor."""
    if type(argument) is not Tensor or argument.prepared is None:
        return prepare(value)
    if prepare not in argument.prepared:
        argument.prepared[prepare] = prepare(value)
    return argument.prepared[prepare]


def operator(function: Callable) -> Operator:
    """Turn an annotated reference function into an Operator. See the head of `contract`."""
    return Operator(function)
