"""What the compiler makes of each kernel: needs no device."""

from collections.abc import Iterator

from benchmarks.gpu.rows import Clock, Row, each
from benchmarks.tables import NOT_RUN
from llaisys_mini import operators
from llaisys_mini.inspect import compile_check
from llaisys_mini.kernels.sets import solutions_set

PART = "compiled"


def rows(clock: Clock, reserve: float, architectures: tuple[str, ...]) -> Iterator[Row]:
    """One row per kernel and architecture."""
    reason = compile_check.unavailable()
    if reason:
        yield from (Row(PART, name, NOT_RUN, reason.removeprefix("not run: ")) for name in operators.names)
        return
    yield from each(PART, operators.names, lambda name: _build(name, architectures), clock, reserve)


def _build(name, architectures) -> Iterator[Row]:
    for made in compile_check.builds_of(solutions_set().get(name, "cuda"), architectures, storages=("float32",)):
        problems = made.problems()
        figures: dict[str, float | str] = {
            "architecture": made.architecture,
            "registers": made.registers,
            "shared, bytes": made.shared,
            "spilled, bytes": made.spilled,
            "occupancy, %": round(100 * made.occupancy.share),
        }
        yield Row(PART, f"{name}: {made.kernel}", "wrong" if problems else "right", " ".join(problems), figures)
