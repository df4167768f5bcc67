"""Run one kernel over cases. It is called as an operator call would call it, on copies of the inputs.

A kernel for "cuda" runs under the sanitizer, and then on the device too where there is one. So a mistake that the
device happens to forgive is found, and one that only a device shows as well.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from llaisys_mini import operators
from llaisys_mini.checks.compare import Difference, compare, empty_outputs
from llaisys_mini.checks.guard_zones import Margins
from llaisys_mini.contract import Case
from llaisys_mini.kernels.registry import Kernel


@dataclass(frozen=True)
class Result:
    """What happened on one case: wrong outputs, inputs that the kernel changed, or an exception; none if right.

    strayed: what a CPU kernel wrote outside of its arrays, see margins.py.
    place: where it ran: "cpu", "sanitizer" or "device".
    remarks: what the sanitizer says of a kernel without faulting it (sanitizer.Finding).
    """

    case: Case
    outputs: list[np.ndarray]
    differences: list[Difference]
    changed_inputs: list[str]
    exception: Exception | None = None
    strayed: tuple[str, ...] = ()
    place: str = "cpu"
    remarks: tuple = ()

    @property
    def passed(self) -> bool:
        return not (self.differences or self.changed_inputs or self.strayed) and self.exception is None


def places(device: str) -> dict[str, Callable]:
    """Where kernels of this device are run for a check: name -> context manager that has them run there."""
    if device == "cpu":
        return {"cpu": nullcontext}
    from llaisys_mini import cuda

    return {"sanitizer": cuda.sanitized} | ({"device": nullcontext} if cuda.is_available() else {})


def run_cases(kernel: Kernel, cases: Iterable[Case]) -> Iterator[Result]:
    """Run `kernel` on each case and compare. An exception of the kernel ends up in the result.

    One result per case: that of the first place where it is wrong, or of the last.
    """
    contexts = places(kernel.device)
    for case in cases:
        remarks = ()
        for place, context in contexts.items():
            with context() as report:
                result = run_case(kernel, case, place)
            remarks += () if report is None else tuple(report.remarks)
            if not result.passed:
                break
        yield replace(result, remarks=remarks)


def run_case(kernel: Kernel, case: Case, place: str = "") -> Result:
    """Run `kernel` on one case, where kernels of its device run now, and compare. place: what the result is to say."""
    operator = operators.get(kernel.operator)
    outputs = empty_outputs(operator, case.inputs)
    margins = Margins()
    if kernel.device == "cpu":
        inputs, outputs = margins.around_call(operator, case.inputs, outputs)
    else:  # the sanitizer watches every access
        inputs = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in case.inputs.items()}
    try:
        operator.run_with(kernel, inputs, outputs)
    except Exception as exception:  # the kernel is somebody's code: whatever it raises is a finding
        return Result(case, outputs, [], [], exception, place=place)
    changed = [
        name
        for name, value in case.inputs.items()
        if isinstance(value, np.ndarray) and not np.array_equal(value.view(np.uint8), inputs[name].view(np.uint8))
    ]
    differences = compare(operator, case.inputs, outputs)
    return Result(case, outputs, differences, changed, None, tuple(margins.strayed()), place)
