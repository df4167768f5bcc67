"""What a call of an operator needs, worked out once for arguments of one kind: are they allowed, what comes out?

`contract` says what an operator is. Here its arguments are held against that, each problem in one sentence, and the
answer becomes a Plan. A decoder makes the same few kinds of calls for every token, so that a plan is only looked up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.errors import ContractError
from llaisys_mini.tensor import Tensor, contiguous_strides

if TYPE_CHECKING:
    from llaisys_mini.contract import ArraySpec, Operator

LARGE = 1 << 18
"""Numbers in the array arguments of a call, all together, from which on the call is large: then an expert kernel
answers where there is one. Below, the plain kernel is done before the expert's compilation would ever pay. An operator
may set its own, `operator.large_from`."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a call: what the caller gets, and the shape its kernel sees."""

    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...]  # in elements
    seen_shape: tuple[int, ...]


@dataclass(slots=True)
class Plan:
    """What a call with arguments of certain shapes and dtypes needs."""

    variant: str  # name of the storage dtype, which may decide which kernel answers
    reshapes: list[tuple[int, tuple[int, ...]]]  # (argument, the shape its kernel sees)
    views: list[tuple[int, np.dtype]]  # (argument, the integer dtype its kernel sees)
    scalars: list[int]
    outputs: list[Output]
    is_large: bool = False  # which too may decide it
    merges_outputs: bool = False  # whether a kernel sees any output in another shape than the caller


def make_plan(operator: "Operator", values: Sequence[Any]) -> Plan:
    """The plan of a call with these arguments: NumPy arrays, numbers and None, in the contract's order.

    Only shapes, dtypes and layouts are looked at. Raises ContractError for what the contract does not allow.
    """
    lengths: dict[str, tuple[int, str]] = {}  # dimension -> (length, where it was seen first)
    leading: tuple[tuple[int, ...], str] | None = None
    plan = Plan("float32", [], [], [], [])
    arrays = operator.arrays
    for position, (name, value) in enumerate(zip(operator.inputs, values, strict=True)):
        spec = arrays.get(name)
        if spec is None:
            if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
                raise ContractError(f"{operator.name}: {name} must be a number, not {describe(value)}")
            plan.scalars.append(position)
            continue
        if value is None and spec.optional:
            continue
        _check_array(operator, name, spec, value)
        named_shape = value.shape[len(value.shape) - len(spec.dims) + 1 :] if spec.any_leading else value.shape
        named_dims = spec.dims[1:] if spec.any_leading else spec.dims
        where = f"{name} {value.shape}"
        for dim, length in zip(named_dims, named_shape, strict=True):
            seen, first = lengths.setdefault(dim, (length, where))
            if seen != length:
                raise ContractError(f"{operator.name}: {dim} is {seen} in {first} but {length} in {where}")
        if spec.any_leading:
            front = value.shape[: len(value.shape) - len(named_dims)]
            leading = leading or (front, where)
            if leading[0] != front:
                raise ContractError(f"{operator.name}: the leading dimensions of {where} differ from {leading[1]}")
            seen_shape = (math.prod(front), *named_shape)
            if seen_shape != value.shape:
                plan.reshapes.append((position, seen_shape))
        if spec.is_stored:
            if plan.variant != "float32" and value.dtype.name not in (plan.variant, "float32"):
                raise ContractError(f"{operator.name}: {name} is {value.dtype.name} but another is {plan.variant}")
            if value.dtype != dtypes.float32:
                plan.variant = value.dtype.name
            seen_as = dtypes.kernel_view(value).dtype
            if seen_as != value.dtype:
                plan.views.append((position, seen_as))
    plan.is_large = sum(value.size for value in values if isinstance(value, np.ndarray)) >= operator.large_from
    dims = {dim: length for dim, (length, _) in lengths.items()}
    problem = operator.problem_of_shapes(dims)
    if problem:
        raise ContractError(f"{operator.name}: {problem}")
    front = leading[0] if leading else ()
    for spec in operator.outputs.values():
        named = tuple(dims[dim] for dim in spec.dims if dim != "...")
        shape, seen_shape = ((*front, *named), (math.prod(front), *named)) if spec.any_leading else (named, named)
        plan.outputs.append(Output(shape, spec.allowed[0], contiguous_strides(shape), seen_shape))
        plan.merges_outputs = plan.merges_outputs or shape != seen_shape
    return plan


def _check_array(operator: "Operator", name: str, spec: "ArraySpec", value: Any) -> None:
    if not isinstance(value, np.ndarray):
        raise ContractError(f"{operator.name}: {name} must be an array or Tensor of {spec}, not {describe(value)}")
    if value.dtype not in spec.allowed:
        raise ContractError(f"{operator.name}: {name} must be {spec}, not {value.dtype.name} {value.shape}")
    least = len(spec.dims) - 1 if spec.any_leading else len(spec.dims)
    if len(value.shape) < least or (not spec.any_leading and len(value.shape) != least):
        raise ContractError(
            f"{operator.name}: {name} must have the dimensions [{', '.join(spec.dims)}], not {value.shape}"
        )
    if value.size == 0:
        raise ContractError(f"{operator.name}: {name} {value.shape} is empty")
    if not value.flags.c_contiguous:
        raise ContractError(
            f"{operator.name}: {name} {value.shape} is not C-contiguous; "
            "pass Tensor.contiguous() or np.ascontiguousarray"
        )


def accepted_outputs(operator: "Operator", out: Any, plan: Plan, arguments: Sequence[Any]) -> list[np.ndarray]:
    """The arrays of `out`, each checked against the shape and dtype that this call produces. Raises ContractError."""
    given = list(out) if isinstance(out, (tuple, list)) else [out]
    if len(given) != len(plan.outputs):
        raise ContractError(f"{operator.name}: out needs {len(plan.outputs)} arrays ({', '.join(operator.outputs)})")
    results = []
    for name, target, output in zip(operator.outputs, given, plan.outputs, strict=True):
        if not operator.is_elementwise and any(target is value for value in arguments):
            raise ContractError(f"{operator.name}: {name} is also an input; pass an array of its own")
        array = target.numpy() if type(target) is Tensor else target
        if not isinstance(array, np.ndarray) or (array.shape, array.dtype) != (output.shape, output.dtype):
            raise ContractError(
                f"{operator.name}: {name} must be {output.dtype.name} {output.shape}, not {describe(target)}"
            )
        if not array.flags.c_contiguous or not array.flags.writeable:
            raise ContractError(f"{operator.name}: {name} must be C-contiguous and writable")
        results.append(array)
    return results


def as_kernels_see(results: Sequence[np.ndarray], plan: Plan) -> list[np.ndarray]:
    """The output arrays with their leading dimensions merged into one."""
    return [result.reshape(output.seen_shape) for result, output in zip(results, plan.outputs, strict=True)]


def describe(value: Any) -> str:
    """An argument in a few words, for error messages."""
    if isinstance(value, (np.ndarray, Tensor)):
        return f"{value.dtype.name} {value.shape}"
    return f"{type(value).__name__} {value!r}"[:60]
