"""Calls of operators whose arguments live on the device, and single runs of a kernel there for its check.

`Operator.__call__` hands over to `call` when its first argument is a tensor on a device. The contract is checked as on
the CPU, with one exception: rules about values (ids within the table) would need a copy and a wait at every call. A
device kernel is given ids as they are; `check` and generation look at them while they are still on the host.
"""

from typing import Any

import numpy as np

from llaisys_mini.contract import prepared
from llaisys_mini.cuda import memory, runtime
from llaisys_mini.cuda.transfer import as_kernels_see
from llaisys_mini.errors import ContractError
from llaisys_mini.tensor import Storage, Tensor, contiguous_strides


def call(operator, arguments, out=None) -> list[Tensor]:
    """The results of `operator` for `arguments` (bound, in the contract's order), on their device.

    Raises ContractError as a call on the CPU does, and where arguments lie on different devices.
    """
    device = arguments[0].storage.device
    kinds: list[Any] = []
    for name, value in zip(operator.inputs, arguments, strict=True):
        if type(value) is Tensor:
            if value.storage.device != device:
                raise ContractError(_mixed(operator, name, value.storage.device, device))
            kinds.append((value.shape, value.dtype, value.is_contiguous(), device))
        elif isinstance(value, np.ndarray):
            raise ContractError(_mixed(operator, name, "cpu", device))
        else:
            kinds.append(type(value))
    key = tuple(kinds)
    plan = operator._plans.get(key)
    if plan is None:
        plan = operator._make_plan([_stand_in(value) for value in arguments], key)
    results = _outputs(plan, device) if out is None else _accepted(operator, out, plan, arguments, device)
    choice = device, plan.variant, plan.is_large
    function, prepares = operator._chosen.get(choice) or operator._choose(*choice)
    shapes = dict(plan.reshapes)
    values = [
        as_kernels_see(value, shapes.get(position)) if type(value) is Tensor else value
        for position, value in enumerate(arguments)
    ]
    for position in plan.scalars:
        values[position] = float(values[position])
    for position, prepare in prepares:
        values[position] = prepared(arguments[position], values[position], prepare)
    outputs = [as_kernels_see(result, output.seen_shape) for result, output in zip(results, plan.outputs, strict=True)]
    _launch(function, values, outputs)
    return results


def _launch(function, values, outputs):
    if runtime.target() == runtime.DEVICE:
        function(*values, *outputs)
        return
    from llaisys_mini.sanitizer.uninitialised import registry

    for output in outputs:
        registry.add(output)
    try:
        function(*values, *outputs)
    finally:
        for output in outputs:
            registry.forget(output)


def run(function, values: list, outputs: list[np.ndarray]) -> None:
    """Run a launcher once on copies of the arrays among `values`; `outputs` and whatever it changed come back."""
    if runtime.target() != runtime.DEVICE:
        _launch(function, values, outputs)
        return
    arrays = [value for value in [*values, *outputs] if isinstance(value, np.ndarray)]
    there = {id(value): _uploaded(value) for value in arrays}
    function(*(there.get(id(value), value) for value in [*values, *outputs]))
    runtime.synchronize()
    for value in arrays:
        if value.flags.writeable:
            value[...] = there[id(value)].copy_to_host()


def _uploaded(values):
    buffer = memory.allocate(values.nbytes)
    memory.upload(values, buffer)
    return memory.array(buffer, 0, values.shape, values.dtype)


def _outputs(plan, device):
    made = []
    for output in plan.outputs:
        buffer = memory.allocate(int(np.prod(output.shape)) * output.dtype.itemsize)
        made.append(Tensor(Storage(buffer, device), 0, output.shape, output.strides, output.dtype))
    return made


def _accepted(operator, out, plan, arguments, device):
    given = list(out) if isinstance(out, (tuple, list)) else [out]
    if len(given) != len(plan.outputs):
        raise ContractError(f"{operator.name}: out needs {len(plan.outputs)} arrays ({', '.join(operator.outputs)})")
    for name, target, output in zip(operator.outputs, given, plan.outputs, strict=True):
        if type(target) is not Tensor or target.device != device:
            raise ContractError(f"{operator.name}: {name} must be a Tensor on {device}, as the arguments are")
        if (target.shape, target.dtype) != (output.shape, output.dtype) or not target.is_contiguous():
            raise ContractError(f"{operator.name}: {name} must be contiguous {output.dtype.name} {output.shape}")
        if not operator.is_elementwise and any(target is value for value in arguments):
            raise ContractError(f"{operator.name}: {name} is also an input; pass a tensor of its own")
    return given


def _stand_in(value):
    """What the contract looks at: an array of the tensor's shape, dtype and layout; its memory is never touched."""
    if type(value) is not Tensor:
        return value
    array = np.empty(value.shape, value.dtype)
    if value.strides == contiguous_strides(value.shape) or value.is_contiguous():
        return array
    return np.broadcast_to(np.empty(1, value.dtype), value.shape)


def _mixed(operator, name, here, there):
    first = next(iter(operator.inputs))
    return f"{operator.name}: {name} lies on the {here}, but {first} on {there}; move it with .to({there!r})"
