"""Running a CUDA kernel in the worker: under the sanitizer, with arrays whose numbers its launcher never sees.

On a GPU the arrays lie in the device's memory: a launcher may hand them on, whole or in part, and nothing else. Here
they lie in ordinary memory, so `OnDevice` stands in for the distance. What a launcher may say at all stands in
launchers.py.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.contract import Operator
from llaisys_mini.cuda import runtime
from llaisys_mini.errors import KernelError
from llaisys_mini.inspect.gpu_traffic import GpuTraffic
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.sanitizer import SanitizerError

LOOP_LIMIT = 20_000
"""Rounds after which a `while` loop is taken to be endless: some seconds of computing, far above what a case needs."""


class HostComputation(KernelError):
    """A launcher tried to see or compute numbers of an array."""


def _refuse(*_, **__):
    raise HostComputation(
        "the launcher computes with an array's numbers, which on a GPU it cannot even see: the kernel has to do that"
    )


class OnDevice(np.ndarray):
    """An array that can be reshaped, sliced, viewed as another type, filled with one number, and handed to a kernel."""

    __array_ufunc__ = __array_function__ = _refuse
    __iter__ = __contains__ = __float__ = __int__ = __index__ = __bool__ = __complex__ = _refuse

    def __getitem__(self, index):
        part = super().__getitem__(index)
        return part if isinstance(part, OnDevice) else _refuse()

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray) or not isinstance(value, (int, float, np.number)):
            _refuse()
        super().__setitem__(index, value)

    def __repr__(self):
        return f"array of {self.dtype} {self.shape} on the device"

    __str__ = __repr__

    def __format__(self, _):
        return repr(self)


def keep_arrays_on_device() -> None:
    """From now on launchers get their new arrays as OnDevice too."""
    runtime.device_array = _on_device(runtime.device_array)
    runtime.to_device = _on_device(runtime.to_device)


def _on_device(make: Callable) -> Callable:
    return lambda *arguments, **named: make(*arguments, **named).view(OnDevice)


def apart(kernel: Kernel) -> Kernel:
    """The kernel with its launcher given arrays that are OnDevice."""

    def launch(*arguments):
        kernel.function(*(a.view(OnDevice) if isinstance(a, np.ndarray) else a for a in arguments))

    return dataclasses.replace(kernel, function=launch)


def run(contract: Operator, kernel: Kernel, inputs: dict, outputs: list[np.ndarray], counts: bool) -> dict:
    """Run it on one case. Returns findings, remarks and (counts) traffic as plain data; what else it raises goes
    through."""
    with cuda.sanitized(counts=counts, loop_limit=LOOP_LIMIT) as report:
        try:
            contract.run_with(kernel, inputs, outputs)
        except SanitizerError:
            counts = False  # its findings are in the report
    found: dict[str, Any] = {
        "findings": list(map(_plain, report.findings)),
        "remarks": list(map(_plain, report.remarks)),
    }
    if counts:
        found["traffic"] = dataclasses.asdict(GpuTraffic.of(contract.name, inputs, report))
    return found


def _plain(finding) -> list:
    """kind, kernel, line, message, and the text of the line."""
    return [finding.kind, finding.kernel, finding.line, finding.message, finding.source]
