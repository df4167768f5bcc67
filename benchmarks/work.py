"""The terms that all benchmarks share: a piece of work, who does it, what must be reached, and what came out."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby

from benchmarks import ceilings
from benchmarks.ceilings import Ceilings
from benchmarks.measure import Comparison, Contestant, Effort
from benchmarks.surroundings import Usage, usage_now

OURS = "ours"
PLAIN = "ours, plain"  # the version that a lab asks for, where an expert version stands beside it
ALONE = "ours, kernel alone"  # without checking the arguments, allocating the result and finding the kernel
NUMPY = "NumPy"
TORCH = "torch f32"
TORCH_BF16 = "torch bf16"

NOT_INSTALLED = "not installed"


@dataclass(frozen=True)
class Settings:
    """How thoroughly to measure. rotate: bytes of weights that decoding rotates among, so that they come from memory;
    small: make models and matrices small, for a quick look that proves nothing."""

    effort: Effort
    long_effort: Effort
    rotate: int
    small: bool = False


@dataclass
class Work:
    """One piece of work, ready to be timed.

    operations, data: floating-point operations and bytes read or written by one call of ours, at least.
    place: where these bytes lie; by default worked out from `data` and the caches.
    amount, unit: what one call achieves, e.g. 8 tokens; without a unit the rate is in GFLOP/s or GB/s.
    targets: for an opponent the ratio of throughput that must be reached; least_share: of the roofline.
    absent: opponents that cannot take part, and why.
    effort: where it differs from the usual. once: only with the largest number of threads, which changes nothing.
    on_threads: told the number of threads before each comparison, for libraries that machine.use_threads does not know.
    close: gives back what freeing the memory alone does not.
    usage: what disturbs this work, where that is not everything that others do.
    remarks: notes on what the comparison found.
    errors: for each contestant its largest error, as a multiple of what the operator's contract allows.
    """

    contestants: list[Contestant]
    operations: float = 0.0
    data: float = 0.0
    place: str | None = None
    amount: float = 0.0
    unit: str = ""
    targets: dict[str, float] = field(default_factory=dict)
    least_share: float | None = None
    absent: dict[str, str] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    effort: Effort | None = None
    once: bool = False
    on_threads: Callable[[int], None] | None = None
    close: Callable[[], None] | None = None
    usage: Callable[[], Usage | None] = usage_now
    remarks: Callable[[Comparison], list[str]] | None = None


@dataclass(frozen=True)
class Plan:
    """Work that is made only when its turn comes, since it may take gigabytes."""

    group: str
    name: str
    build: Callable[[Settings], Work]

    @property
    def title(self) -> str:
        return f"{self.group}: {self.name}"


@dataclass(frozen=True)
class Verdict:
    """One target: what was to be reached, and what was. reached is None where the opponent was absent."""

    against: str
    at_least: float
    reached: float | None

    @property
    def met(self) -> bool | None:
        return None if self.reached is None else self.reached >= self.at_least

    @property
    def short_by(self) -> float:
        """The missing part of the target, 0 to 1."""
        return 0.0 if self.reached is None else max(0.0, 1 - self.reached / self.at_least)

    def __str__(self) -> str:
        if self.reached is None:
            return f"{self.against}: {self.at_least:g} wanted, not measured"
        if self.met:
            return f"{self.against}: {self.reached:.2f}, at least {self.at_least:g} wanted"
        return f"{self.against}: {self.reached:.2f}, short of {self.at_least:g} by {self.short_by:.0%}"


@dataclass(frozen=True)
class Result:
    """What came out for one piece of work with one number of threads. rate: of ours, in `unit`; share: of the roofline,
    0 to 1, None where it has none; bound: what bounds it; intensity: operations per byte."""

    group: str
    name: str
    threads: int
    comparison: Comparison
    rate: float
    unit: str
    share: float | None
    bound: str
    verdicts: tuple[Verdict, ...]
    absent: dict[str, str]
    errors: dict[str, float]
    notes: tuple[str, ...]
    intensity: float = 0.0
    operations_per_second: float = 0.0

    def as_dict(self) -> dict:
        found = asdict(self)
        for verdict, raw in zip(self.verdicts, found["verdicts"], strict=True):
            raw["met"] = verdict.met
        return found


@dataclass
class Report:
    """Everything one run found. machine: see machine.describe; ceilings: per number of threads; remarks: on the run as
    a whole, such as that it was a quick one."""

    machine: dict[str, object]
    ceilings: list[Ceilings]
    results: list[Result] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        return {
            "machine": self.machine,
            "ceilings": [one.as_dict() for one in self.ceilings],
            "remarks": self.remarks,
            "results": [one.as_dict() for one in self.results],
        }

    def groups(self) -> Iterator[tuple[str, int, list[Result]]]:
        """(group, threads, results), groups in the order in which they were measured."""
        order = list(dict.fromkeys(one.group for one in self.results))
        rows = sorted(self.results, key=lambda one: (order.index(one.group), one.threads))  # stable
        for (group, threads), results in groupby(rows, key=lambda one: (one.group, one.threads)):
            yield group, threads, list(results)


def result_of(plan: Plan, work: Work, comparison: Comparison, limits: Ceilings) -> Result:
    """Set a comparison against the roofline and the targets."""
    seconds = comparison[OURS].seconds if OURS in comparison else math.inf
    place = work.place or ceilings.place_of(work.data, limits.threads)
    least, bound = limits.least_seconds(work.operations, work.data, place)
    share = least / seconds if least and OURS in comparison else None
    if work.unit:
        rate, unit = work.amount / seconds, work.unit
    elif bound == "arithmetic":
        rate, unit = work.operations / seconds / 1e9, "GFLOP/s"
    else:
        rate, unit = work.data / seconds / 1e9, "GB/s"
    there = {timing.name: timing.ratio for timing in comparison.timings}
    verdicts = [Verdict(name, wanted, there.get(name)) for name, wanted in work.targets.items()]
    if work.least_share is not None:
        verdicts.append(Verdict("share of the roofline", work.least_share, share))
    return Result(
        plan.group,
        plan.name,
        limits.threads,
        comparison,
        rate,
        unit,
        share,
        bound if least else "",
        tuple(verdicts),
        work.absent,
        work.errors,
        (*work.notes, *(work.remarks(comparison) if work.remarks else ())),
        work.operations / work.data if work.data else 0.0,
        work.operations / seconds,
    )
