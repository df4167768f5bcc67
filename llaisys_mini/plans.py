"""What a call of an operator needs, worked out once for arguments of one kind: are they allowed, what comes out?

`contract` says what an operator is. Here its arguments are held against that, each problem in one sentence, and the
answer becomes a Plan. A decoder makes the same few kinds of calls for every token, so that a plan is only looked up.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.contract import ArraySpec, Contract
from llaisys_mini.devices import HOST, Device
from llaisys_mini.errors import ContractError
from llaisys_mini.tensor import Storage, Tensor, contiguous_strides

if TYPE_CHECKING:
    from llaisys_mini.kernels.registry import Kernel

FIT = 0x401
"""Bits of ndarray.flags.num: C-contiguous, and writable."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a call: what the caller gets, and the shape its kernel sees."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...]  # in elements
    seen_shape: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What was chosen to answer: a `kernel`, its `function`, and the (position, prepare) of some arguments.
    It counts in the circumstances it was chosen in: `runtime`, the Runtime.answered of then, and `changes` of kernels.
    """

    runtime: dict | None
    changes: int
    kernel: "Kernel"
    function: Callable
    prepares: list[tuple[int, Callable]]
    is_direct: bool  # whether to launch it is to call it with the caller's own arguments and outputs


def _nothing_chosen(*_: Any) -> None:
    raise AssertionError("no kernel was chosen yet")


_UNANSWERED = Answer(None, 0, cast(Any, None), _nothing_chosen, [], False)


@dataclass(slots=True)
class Plan:
    """What a call with arguments of certain shapes, dtypes and devices needs.

    variant: name of the weights' storage dtype, and dims: the lengths by name ("..." is the product of the leading
    ones). Both may decide which kernel answers.
    adapts: (position, function) of each argument that its kernel sees in another form.
    adapts_outputs: whether its kernel sees any output in another form than the caller.
    fitting_shape, fitting_dtype: an array `out` of these, with the flags FIT, is accepted as it is.
    """

    operator: str
    device: Device
    variant: str = "float32"
    dims: dict[str, int] = field(default_factory=dict)
    adapts: list[tuple[int, Callable[[Any], Any]]] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    fitting_shape: tuple[int, ...] | None = None
    fitting_dtype: np.dtype | None = None
    adapts_outputs: bool = False
    may_overwrite: bool = False  # whether an output may be an input
    answer: Answer = _UNANSWERED

    def values(self, arguments: Sequence[Any], prepares: Sequence[tuple[int, Callable]]) -> tuple[Any, ...]:
        """The arguments as a kernel sees them, those of `prepares` in the layout that it wants."""
        values = list(arguments)
        for position, adapt in self.adapts:
            values[position] = adapt(values[position])
        for position, prepare in prepares:
            values[position] = _prepared(arguments[position], values[position], prepare)
        return tuple(values)

    def new_outputs(self) -> tuple[Any, ...]:
        """Outputs for the kernel to fill: arrays on the host, tensors elsewhere."""
        if self.device is HOST:
            return tuple([np.empty(output.shape, output.dtype) for output in self.outputs])
        return tuple(
            Tensor(Storage(self.device.allocate(o.nbytes), self.device), 0, o.shape, o.strides, o.dtype)
            for o in self.outputs
        )

    @property
    def is_plain(self) -> bool:
        """Whether a kernel sees arguments and outputs as the caller does, and is called as a function."""
        return self.device.calls_kernels and not self.adapts and not self.adapts_outputs

    def accept(self, out: Any, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """The arrays, or tensors off the host, of `out`, each checked. Raises ContractError."""
        given = list(out) if isinstance(out, (tuple, list)) else [out]
        if len(given) != len(self.outputs):
            names = ", ".join(output.name for output in self.outputs)
            raise ContractError(f"{self.operator}: out needs {len(self.outputs)} arrays ({names})")
        results = []
        for target, output in zip(given, self.outputs, strict=True):
            if not self.may_overwrite:
                for value in arguments:
                    if target is value:
                        raise ContractError(
                            f"{self.operator}: {output.name} is also an input; pass an array of its own"
                        )
            results.append(self._accept_host(target, output) if self.device is HOST else self._accept(target, output))
        return tuple(results)

    def _accept_host(self, target: Any, output: Output) -> np.ndarray:
        array = target.numpy() if isinstance(target, Tensor) and target.storage.device is HOST else target
        if not isinstance(array, np.ndarray) or array.shape != output.shape or array.dtype != output.dtype:
            raise ContractError(
                f"{self.operator}: {output.name} must be {output.dtype.name} {output.shape}, not {describe(target)}"
            )
        flags = array.flags
        if not flags.c_contiguous or not flags.writeable:
            raise ContractError(f"{self.operator}: {output.name} must be C-contiguous and writable")
        return array

    def _accept(self, target: Any, output: Output) -> Tensor:
        if not isinstance(target, Tensor) or target.storage.device is not self.device:
            raise ContractError(
                f"{self.operator}: {output.name} must be a Tensor on {self.device.name}, as the arguments are"
            )
        if (target.shape, target.dtype) != (output.shape, output.dtype) or not target.is_contiguous():
            raise ContractError(f"{self.operator}: {output.name} must be contiguous {output.dtype.name} {output.shape}")
        return target

    def outputs_for_kernel(self, results: tuple[Any, ...]) -> tuple[Any, ...]:
        """Outputs as a kernel sees them: their leading dimensions merged into one."""
        if not self.adapts_outputs:
            return results
        if self.device is not HOST:
            return tuple(result.for_kernel(o.seen_shape) for result, o in zip(results, self.outputs, strict=True))
        return tuple(result.reshape(o.seen_shape) for result, o in zip(results, self.outputs, strict=True))

    def returned(self, results: tuple[Any, ...], arguments: Sequence[Any]) -> Any:
        """What the caller gets: as the first argument came, arrays or tensors; several as a tuple."""
        if self.device is HOST and type(arguments[0]) is Tensor:
            results = tuple([Tensor.over(array, o.strides) for array, o in zip(results, self.outputs, strict=True)])
        return results[0] if len(results) == 1 else results or None


def _prepared(argument: Any, value: Any, prepare: Callable) -> Any:
    """`value` in the layout that a kernel wants; remembered with the argument if that is a frozen Tensor."""
    if type(argument) is not Tensor or argument.prepared is None:
        return prepare(value)
    if prepare not in argument.prepared:
        argument.prepared[prepare] = prepare(value)
    return argument.prepared[prepare]


def make_plan(contract: Contract, arguments: Sequence[Any]) -> Plan:
    """The plan of a call with these arguments, in the contract's order: arrays, tensors, numbers and None.

    Only kinds are looked at: shapes, dtypes, layouts, devices. Raises ContractError for what the contract forbids.
    """
    plan = Plan(contract.name, _device_of(contract, arguments), may_overwrite=contract.is_elementwise)
    lengths: dict[str, tuple[int, str]] = {}  # dimension -> (length, where it was seen first)
    leading: tuple[tuple[int, ...], str] | None = None
    for position, (name, value) in enumerate(zip(contract.inputs, arguments, strict=True)):
        spec = contract.arrays.get(name)
        if spec is None:
            _plan_number(contract, plan, position, name, value)
            continue
        if value is None and spec.optional:
            continue
        _require_allowed(contract, name, spec, value)
        named_dims = spec.dims[1:] if spec.any_leading else spec.dims
        front, named = value.shape[: value.ndim - len(named_dims)], value.shape[value.ndim - len(named_dims) :]
        where = f"{name} {value.shape}"
        for dim, length in zip(named_dims, named, strict=True):
            seen, first = lengths.setdefault(dim, (length, where))
            if seen != length:
                raise ContractError(f"{contract.name}: {dim} is {seen} in {first} but {length} in {where}")
        if spec.any_leading:
            leading = leading or (front, where)
            if leading[0] != front:
                raise ContractError(f"{contract.name}: the leading dimensions of {where} differ from {leading[1]}")
        if spec.is_stored:
            if plan.variant != "float32" and value.dtype.name not in (plan.variant, "float32"):
                raise ContractError(f"{contract.name}: {name} is {value.dtype.name} but another is {plan.variant}")
            if value.dtype != dtypes.float32:
                plan.variant = value.dtype.name
        seen_shape = (math.prod(front), *named) if spec.any_leading else value.shape
        _plan_array(plan, position, value, seen_shape)
    plan.dims = {dim: length for dim, (length, _) in lengths.items()}
    problem = contract.problem_of_shapes(plan.dims)
    if problem:
        raise ContractError(f"{contract.name}: {problem}")
    _plan_outputs(contract, plan, leading[0] if leading else ())
    if leading:
        plan.dims["..."] = math.prod(leading[0])
    return plan


def _device_of(contract: Contract, arguments: Sequence[Any]) -> Device:
    """Where the call's arrays lie. Raises ContractError where they lie on several devices."""
    found: tuple[Device, str] | None = None
    for name, value in zip(contract.inputs, arguments, strict=True):
        if isinstance(value, (np.ndarray, Tensor)):
            device = value.storage.device if isinstance(value, Tensor) else HOST
            found = found or (device, name)
            if device is not found[0]:
                there, first = found
                raise ContractError(
                    f"{contract.name}: {name} lies on {device.name}, but {first} on {there.name}; move it with "
                    f".to({there.name!r})"
                )
    return found[0] if found else HOST


def _plan_number(contract: Contract, plan: Plan, position: int, name: str, value: Any) -> None:
    if contract.inputs[name] is int:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ContractError(f"{contract.name}: {name} must be a whole number, not {describe(value)}")
        if type(value) is not int:
            plan.adapts.append((position, int))
    else:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise ContractError(f"{contract.name}: {name} must be a number, not {describe(value)}")
        if type(value) is not float:
            plan.adapts.append((position, float))


def _plan_array(plan: Plan, position: int, value: Any, seen_shape: tuple[int, ...]) -> None:
    """How this argument is handed to a kernel, unless as it is."""
    seen_dtype = dtypes.seen_by_kernels(value.dtype)
    if isinstance(value, Tensor):
        if seen_shape == value.shape:
            is_plain = value.storage.device is HOST and seen_dtype == value.dtype
            plan.adapts.append((position, Tensor.numpy if is_plain else Tensor.for_kernel))
        else:
            plan.adapts.append((position, partial(_tensor_for_kernel, shape=seen_shape)))
    elif type(value) is not np.ndarray or seen_shape != value.shape or seen_dtype != value.dtype:
        plan.adapts.append((position, partial(_array_for_kernel, shape=seen_shape)))


def _tensor_for_kernel(value: Tensor, shape: tuple[int, ...]) -> Any:
    return value.for_kernel(shape)


def _array_for_kernel(value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return dtypes.kernel_view(value.view(np.ndarray).reshape(shape))


def _plan_outputs(contract: Contract, plan: Plan, front: tuple[int, ...]) -> None:
    for name, spec in contract.outputs.items():
        named = tuple(plan.dims[dim] for dim in spec.dims if dim != "...")
        shape, seen_shape = ((*front, *named), (math.prod(front), *named)) if spec.any_leading else (named, named)
        dtype = spec.allowed[0]
        nbytes = math.prod(shape) * dtype.itemsize
        plan.outputs.append(Output(name, shape, dtype, contiguous_strides(shape), seen_shape, nbytes))
        plan.adapts_outputs = plan.adapts_outputs or plan.device is not HOST or shape != seen_shape
    if len(plan.outputs) == 1 and plan.may_overwrite and plan.device is HOST:
        plan.fitting_shape, plan.fitting_dtype = plan.outputs[0].shape, plan.outputs[0].dtype


def _require_allowed(contract: Contract, name: str, spec: ArraySpec, value: Any) -> None:
    if not isinstance(value, (np.ndarray, Tensor)):
        raise ContractError(f"{contract.name}: {name} must be an array or Tensor of {spec}, not {describe(value)}")
    if value.dtype not in spec.allowed:
        raise ContractError(f"{contract.name}: {name} must be {spec}, not {value.dtype.name} {value.shape}")
    least = len(spec.dims) - 1 if spec.any_leading else len(spec.dims)
    if value.ndim < least or (not spec.any_leading and value.ndim != least):
        raise ContractError(
            f"{contract.name}: {name} must have the dimensions [{', '.join(spec.dims)}], not {value.shape}"
        )
    if value.size == 0:
        raise ContractError(f"{contract.name}: {name} {value.shape} is empty")
    is_contiguous = value.is_contiguous() if isinstance(value, Tensor) else value.flags.c_contiguous
    if not is_contiguous:
        raise ContractError(
            f"{contract.name}: {name} {value.shape} is not C-contiguous; "
            "pass Tensor.contiguous() or np.ascontiguousarray"
        )
    if spec.written and isinstance(value, np.ndarray) and not value.flags.writeable:
        raise ContractError(f"{contract.name}: {name} is written into, but the array is read-only")


def describe(value: Any) -> str:
    """An argument in a few words, for error messages."""
    if isinstance(value, (np.ndarray, Tensor)):
        return f"{value.dtype.name} {value.shape}"
    return f"{type(value).__name__} {value!r}"[:60]
