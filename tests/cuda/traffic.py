"""What a CUDA kernel asks of global memory, array by array, counted by the sanitizer."""

from llaisys_mini import cuda, operators
from llaisys_mini.checks.run import run_case
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.task import Case

VECTOR_SECTORS = 16  # of a request for 16 bytes by each of 32 lanes


def traffic(operator, kernel_set, inputs):
    """{(array, "load" or "store"): (bytes moved, sectors of the widest request)} of a call that is right."""
    case = Case("counted", operators.get(operator).convert(inputs))
    with cuda.sanitized(counts=True) as report:
        assert run_case(from_set(kernel_set, operator, "cuda"), case).passed
    found = {}
    for t in report.traffic:
        if t.space == "global":
            moved, widest = found.get((t.array, t.operation), (0, 0))
            found[t.array, t.operation] = moved + t.bytes_moved, max(widest, t.sectors_per_request)
    return found
