"""Each operator's CUDA kernels against the float64 reference: under the sanitizer, and on the device."""

from collections.abc import Iterator
from contextlib import nullcontext

from benchmarks.gpu.rows import Clock, Row, each
from benchmarks.tables import NOT_RUN
from llaisys_mini import cuda, operators
from llaisys_mini.checks.check import describe
from llaisys_mini.checks.run import run_case
from llaisys_mini.kernels.sets import EXPERT, KernelSet, expert_set, solutions_set
from tests.cuda.expert_cases import LARGER, larger_cases

PLACES = {"device": nullcontext, "sanitizer": cuda.sanitized}


def rows(place: str, no_device: str | None, clock: Clock, reserve: float) -> Iterator[Row]:
    """One row per operator and kernel set. place: of PLACES; no_device: why there is no device, or None."""
    for kernels in (solutions_set(), expert_set()):
        names = [name for name in operators.names if _has_its_own(kernels, name)]
        part = f"correct: {place}, {kernels.name}"
        if place == "device" and no_device:
            yield from (Row(part, name, NOT_RUN, no_device) for name in names)
        else:
            yield from each(part, names, lambda n, p=part, k=kernels: _check(p, n, k, PLACES[place]), clock, reserve)


def _has_its_own(kernels: KernelSet, name: str) -> bool:
    """Whether the set has a kernel that is not another set's too: the expert set falls back on the labs' answers."""
    path = kernels.path(name, "cuda")
    return path.is_file() and (kernels.name != EXPERT or path.stem.endswith("_expert"))


def _check(part: str, name: str, kernels: KernelSet, context) -> Iterator[Row]:
    operator, kernel = operators.get(name), kernels.get(name, "cuda")
    cases = operator.make_cases(0)
    if name in LARGER and kernels.name == EXPERT:  # the public cases are smaller than an expert kernel's tile
        cases += [case for storage in operator.storages for case in larger_cases(name, storage)]
    for case in cases:
        with context():
            result = run_case(kernel, case)
        if not result.passed:
            yield Row(part, name, "wrong", " ".join(describe(operator, result).split())[:300])
            return
    yield Row(part, name, "right", figures={"cases": len(cases)})
