"""Running a CUDA kernel in the worker: under the sanitizer, with arrays whose numbers its launcher never sees.

On a GPU the arrays lie in the device's memory: a launcher may hand them on, whole or in part, and nothing else. So here
they are opaque (devices/opaque.py). What a launcher may say at all, kernels/language decides.
"""

import dataclasses
from typing import Any

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.inspect.gpu_traffic import GpuTraffic
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.operator import Operator
from llaisys_mini.sanitizer import SanitizerError


def run(contract: Operator, kernel: Kernel, inputs: dict, outputs: list[np.ndarray], counts: bool) -> dict:
    """Run it on one case. Returns findings, remarks, the types of what it launched and (counts) traffic, as plain
    data; what else it raises goes through."""
    with cuda.sanitized(counts=counts, opaque=True) as report:
        try:
            contract.run_with(kernel, inputs, outputs)
        except SanitizerError:
            counts = False  # its findings are in the report
    found: dict[str, Any] = {
        "findings": list(map(_plain, report.findings)),
        "remarks": list(map(_plain, report.remarks)),
        "launches": [list(launch) for launch in report.argument_types],
    }
    if counts:
        found["traffic"] = dataclasses.asdict(GpuTraffic.of(contract.name, inputs, report))
    return found


def _plain(finding) -> list:
    """kind, kernel, line, message, and the text of the line."""
    return [finding.kind, finding.kernel, finding.line, finding.message, finding.source]
