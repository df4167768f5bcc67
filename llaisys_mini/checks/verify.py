"""Verify every operator call of a running model against the reference, and name the first that diverges.

with verify_calls(model) as report:
    model.logits(ids)
print(report)
"""

import numpy as np

from llaisys_mini.checks.check import diagnosis
from llaisys_mini.checks.compare import compare
from llaisys_mini.checks.run import Result
from llaisys_mini.kernels.runtime import observe_calls
from llaisys_mini.task import Case
from llaisys_mini.tensor import Tensor

_NARROW = {"float16", "bfloat16"}  # storages that a learner's first kernels do not read


class verify_calls(observe_calls):
    """Within this context each operator call is compared with the float64 reference on the same inputs.

    model: whose decoder knows which layer is being computed, or None.
    calls: number of calls verified; first: text about the first divergence, or None. Much slower than a plain run.
    """

    def __init__(self, model=None):
        super().__init__(self._verify)
        self.calls = 0
        self._decoder = getattr(model, "decoder", None)
        self.first: str | None = None

    def __enter__(self):
        super().__enter__()
        return self

    def _verify(self, operator, arguments, results):
        self.calls += 1
        if self.first is not None or operator.written:  # what was written into is no longer what went in
            return
        values = [value.numpy() if isinstance(value, Tensor) else value for value in arguments]
        inputs = dict(zip(operator.inputs, values, strict=True))
        differences = compare(operator, inputs, results)
        if differences:
            place = f", {self._decoder.place}" if self._decoder is not None else ""
            stored = {value.dtype.name for value in values if isinstance(value, np.ndarray)} & _NARROW
            case = Case(", ".join([f"call {self.calls}{place}", *(f"{name} storage" for name in stored)]), inputs)
            wrong = Result(case, [np.asarray(r) for r in results], differences, [])
            self.first = diagnosis(operator, wrong, [wrong])

    def __str__(self) -> str:
        return self.first or f"{self.calls} operator calls agree with the reference"
