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
from numpy import ndarray

from llaisys_mini import devices
from llaisys_mini.contract import Contract
from llaisys_mini.errors import ContractError
from llaisys_mini.kernels import runtime as runtimes
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime, current
from llaisys_mini.plans import FIT, Answer, Plan, make_plan
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
        self._indices = [i for i, name in enumerate(self.inputs) if name in self.arrays and self.arrays[name].is_index]
        self._numbers = [i for i, name in enumerate(self.inputs) if name not in self.arrays]

    def __call__(self, *arguments, out=None, **named):
        if named or len(arguments) != self._arity:
            arguments = self._bound(arguments, named)
        # A small model's kernel takes no longer than this method, so it is written for speed: the common case first.
        key = _kind_of_call(arguments)
        plan = self._plans.get(key) or self._make_plan(arguments, key)
        if out is None:
            results = plan.new_outputs()
        elif (
            out.__class__ is ndarray
            and out.shape == plan.fitting_shape
            and out.dtype is plan.fitting_dtype
            and out.flags.num & FIT == FIT
        ):
            results = (out,)
        else:
            results = plan.accept(out, arguments)
        runtime = current()
        answer = self._answer(plan, runtime)
        if runtime.starters:
            for starter in runtime.starters:
                starter(self, arguments)
        if answer.is_direct:
            answer.function(*(arguments + results))
        else:
            self._launch(plan, answer, arguments, results)
        if runtime.observers:
            for observer in runtime.observers:
                observer(self, arguments, list(results))
        for pause in runtime.pauses:
            pause()
        return out if out is not None else plan.returned(results, arguments)

    def run_with(self, kernel: Kernel, inputs: Mapping[str, Any], outputs: list[np.ndarray]) -> None:
        """Check host arrays `inputs` as a call would, then have `kernel` write into `outputs`.

        A kernel for "cuda" runs on the GPU if there is one and `cuda.sanitized()` is not open, else under the
        sanitizer; the arrays are copied to the device and back.
        """
        arguments = [inputs[name] for name in self.inputs]
        plan = make_plan(self, arguments)
        self._require_values(plan, arguments)
        values = plan.values(arguments, self._prepares(kernel))
        devices.get(kernel.device).run(kernel.function, values, plan.outputs_for_kernel(tuple(outputs)))

    def answer_for(self, arguments: Sequence[Any]) -> tuple[Plan, Kernel, tuple[Any, ...]]:
        """The kernel that a call with these arguments, in the contract's order, would run, and the arguments as it
        sees them. Raises ContractError and KernelError."""
        key = _kind_of_call(arguments)
        plan = self._plans.get(key) or self._make_plan(arguments, key)
        answer = self._answer(plan, current())
        return plan, answer.kernel, plan.values(arguments, answer.prepares)

    def exact(self, *arguments):
        """What the reference gives for these arguments, in their own precision, told to observers as a call is.

        The references of exercises are written with it, so that a learner's calls can be held against theirs.
        """
        result = self.reference(*arguments)
        for observer in current().observers:
            observer(self, arguments, list(result) if isinstance(result, tuple) else [result])
        return result

    # ---- bind ------------------------------------------------------------------------------------------------

    def _bound(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        values = dict(zip(self.inputs, arguments, strict=False))
        unknown = [name for name in named if name not in self.inputs]
        missing = [n for n in self.inputs if n not in values and n not in named and n not in self.defaults]
        if len(arguments) > len(self.inputs) or unknown or missing or any(name in values for name in named):
            raise ContractError(f"{self.name} takes ({', '.join(self.inputs)}), each once")
        return tuple(named[n] if n in named else values.get(n, self.defaults.get(n)) for n in self.inputs)

    # ---- plan ------------------------------------------------------------------------------------------------

    def _make_plan(self, arguments: Sequence[Any], key: tuple) -> Plan:
        """The plan for arguments of these kinds, from now on remembered. Raises ContractError."""
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        plan = self._plans[key] = make_plan(self, arguments)
        return plan

    def _require_values(self, plan: Plan, arguments: Sequence[Any]) -> None:
        if self._value_rule is None or not plan.device.on_host:
            return
        # The layers of a decoder hand over the same ids and tables: those that do not change are looked at once.
        indices = [arguments[position] for position in self._indices]
        looked_at = [plan, *indices, *(arguments[position] for position in self._numbers)]
        frozen = all(type(value) is Tensor and value.prepared is not None for value in indices)
        if frozen and indices and indices[0].prepared.get(self) == looked_at:
            return
        problem = self.problem_of_values([v.on_host() if isinstance(v, Tensor) else v for v in arguments])
        if problem:
            raise ContractError(f"{self.name}: {problem}")
        if frozen and indices:
            indices[0].prepared[self] = looked_at

    # ---- launch ----------------------------------------------------------------------------------------------

    def _launch(self, plan: Plan, answer: Answer, arguments: Sequence[Any], results: tuple[Any, ...]) -> None:
        """Have the kernel run on the arguments' device, each argument and result in the form that it sees."""
        self._require_values(plan, arguments)
        plan.device.launch(answer.function, plan.values(arguments, answer.prepares), plan.outputs_for_kernel(results))

    # ---- choose ----------------------------------------------------------------------------------------------

    def _answer(self, plan: Plan, runtime: Runtime) -> Answer:
        """The kernel that answers; remembered with the plan."""
        answer, changes = plan.answer, runtimes.changes
        if answer.runtime is runtime.answered and answer.changes == changes:
            return answer
        kernel = answering_kernel(self, plan.device.kernels, plan.variant, plan.dims)
        prepares = self._prepares(kernel)
        is_direct = plan.is_plain and not prepares and self._value_rule is None
        plan.answer = answer = Answer(runtime.answered, changes, kernel, kernel.function, prepares, is_direct)
        runtime.answered.setdefault((self.name, plan.device.kernels), {})[plan.variant] = kernel.kernel_set
        return answer

    def _prepares(self, kernel: Kernel) -> list[tuple[int, Callable]]:
        return [(list(self.inputs).index(name), prepare) for name, prepare in kernel.prepare.items()]


def _kind_of_call(arguments: Sequence[Any]) -> tuple[Any, ...]:
    """What a plan depends on."""
    key: tuple[Any, ...] = ()
    for value in arguments:
        kind = value.__class__
        if kind is ndarray:
            key += (value.shape, value.dtype, value.flags.c_contiguous)
        elif kind is Tensor:
            key += (Tensor, value.kind)
        else:
            key += (_other_kind(value),)
    return key


def _other_kind(value: Any) -> Any:
    """The kind of an argument that is neither an ordinary array nor a tensor."""
    if isinstance(value, ndarray):  # np.memmap and its like
        return type(value), value.shape, value.dtype, value.flags.c_contiguous
    return type(value)


def operator(function: Callable) -> Operator:
    """Turn an annotated reference function into an Operator. See the head of `contract`."""
    return Operator(function)
