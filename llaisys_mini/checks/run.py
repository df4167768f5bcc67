"""Run one kernel over cases. It is called as an operator call would call it, on copies of the inputs.

A kernel for "cuda" runs under the sanitizer, and then on the device too where there is one. So a mistake that the
device happens to forgive is found, and one that only a device shows as well.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llaisys_mini import operators
from llaisys_mini.checks.bounds import BoundsCheck
from llaisys_mini.checks.compare import Difference, compare, empty_outputs
from llaisys_mini.checks.guard_zones import GuardZones
from llaisys_mini.contract import Contract
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.sanitizer.findings import RUNAWAY, SanitizerError
from llaisys_mini.task import Case


@dataclass(frozen=True)
class Result:
    """What happened on one case: wrong outputs, inputs that the kernel changed, or an exception; none if right.

    out_of_bounds: what a CPU kernel reads or writes out of bounds, see bounds and guard_zones.
    place: where it ran: "cpu", "sanitizer", "device", or a chip with kernels of its own.
    remarks: what the sanitizer says of a kernel without faulting it (sanitizer.Finding).
    """

    case: Case
    results: list[np.ndarray]
    differences: list[Difference]
    changed_inputs: list[str]
    exception: Exception | None = None
    out_of_bounds: tuple[str, ...] = ()
    place: str = "cpu"
    remarks: tuple = ()

    @property
    def passed(self) -> bool:
        return not (self.differences or self.changed_inputs or self.out_of_bounds) and self.exception is None


def places(device: str) -> dict[str, Callable]:
    """Where kernels of this device are run for a check: name -> context manager that has them run there."""
    if device != "cuda":  # the computer itself, or a chip with kernels of its own
        return {device: nullcontext}
    from llaisys_mini import cuda

    return {"sanitizer": cuda.sanitized} | ({"device": nullcontext} if cuda.is_available() else {})


def run_cases(kernel: Kernel, cases: Iterable[Case]) -> Iterator[Result]:
    """Run `kernel` on each case and compare. An exception of the kernel ends up in the result.

    One result per case: that of the first place where it is wrong, or of the last. An access out of bounds ends the
    run, since the next one may end Python; and so does an endless loop of a CUDA kernel, which takes seconds to find.
    """
    contexts = places(kernel.device)
    bounds = BoundsCheck(kernel) if kernel.device == "cpu" else None
    for case in cases:
        remarks = ()
        for place, context in contexts.items():
            with context() as report:
                result = run_case(kernel, case, place, bounds)
            remarks += () if report is None else tuple(report.remarks)
            if not result.passed:
                break
        yield replace(result, remarks=remarks)
        if result.out_of_bounds or _is_endless(result.exception):
            return


def _is_endless(exception: Exception | None) -> bool:
    return isinstance(exception, SanitizerError) and RUNAWAY in {finding.kind for finding in exception.findings}


def run_case(kernel: Kernel, case: Case, where: str = "", bounds: BoundsCheck | None = None) -> Result:
    """Run `kernel` on one case, where kernels of its device run now, and compare. where: what the result is to say.

    bounds: looks at the indices of a kernel for the CPU first; one that is out of bounds ends the case.
    """
    operator = operators.get(kernel.operator)
    outputs = empty_outputs(operator, case.inputs)
    outside = bounds.outside(case.inputs, outputs) if bounds else None
    if outside:
        return Result(case, outputs, [], [], None, (outside,), where)
    zones = GuardZones()
    if kernel.device == "cpu":
        inputs, outputs = zones.around_call(operator, case.inputs, outputs)
    else:  # where there is a sanitizer, it watches every access
        inputs = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in case.inputs.items()}
    try:
        operator.run_with(kernel, inputs, outputs)
    except Exception as exception:  # the kernel is a learner's code: whatever it raises is a finding
        return Result(case, outputs, [], [], exception, place=where)
    changed = changed_inputs(operator, case, inputs)
    overrun = zones.overrun()
    if overrun and bounds and (place := bounds.place(case.inputs, empty_outputs(operator, case.inputs))):
        overrun = [place]
    results = [*outputs, *(inputs[name] for name in operator.written)]
    return Result(case, results, compare(operator, case.inputs, results), changed, None, tuple(overrun), where)


def changed_inputs(operator: Contract, case: Case, after: Mapping[str, Any]) -> list[str]:
    """Names of the inputs that differ in any bit from what they were, though the operator may not write into them."""
    return [
        name
        for name, value in case.inputs.items()
        if isinstance(value, np.ndarray) and name not in operator.written and not _same_bytes(value, after.get(name))
    ]


def _same_bytes(before: np.ndarray, after: Any) -> bool:
    is_alike = isinstance(after, (np.ndarray, np.generic)) and (after.dtype, after.shape) == (
        before.dtype,
        before.shape,
    )
    return is_alike and np.asarray(after).tobytes() == before.tobytes()
