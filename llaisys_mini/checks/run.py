"""Run one kernel over cases. It is called as an operator call would call it, on copies of the inputs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from llaisys_mini import operators
from llaisys_mini.checks.compare import Difference, compare, empty_outputs
from llaisys_mini.contract import Case
from llaisys_mini.kernels.registry import Kernel


@dataclass(frozen=True)
class Result:
    """What happened on one case: wrong outputs, inputs that the kernel changed, or an exception; none if right."""

    case: Case
    outputs: list[np.ndarray]
    differences: list[Difference]
    changed_inputs: list[str]
    exception: Exception | None = None

    @property
    def passed(self) -> bool:
        return not self.differences and not self.changed_inputs and self.exception is None


def run_cases(kernel: Kernel, cases: Iterable[Case]) -> Iterator[Result]:
    """Run `kernel` on each case and compare. An exception of the kernel ends up in the result."""
    operator = operators.get(kernel.operator)
    for case in cases:
        outputs = empty_outputs(operator, case.inputs)
        inputs = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in case.inputs.items()}
        try:
            operator.run_with(kernel, inputs, outputs)
        except Exception as exception:  # the kernel is somebody's code: whatever it raises is a finding
            yield Result(case, outputs, [], [], exception)
            continue
        changed = [
            name
            for name, value in case.inputs.items()
            if isinstance(value, np.ndarray) and not np.array_equal(value.view(np.uint8), inputs[name].view(np.uint8))
        ]
        yield Result(case, outputs, compare(operator, case.inputs, outputs), changed)
