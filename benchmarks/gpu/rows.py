"""A row of the report, and the clock of the whole run."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from benchmarks.tables import NOT_RUN


@dataclass
class Row:
    """One result. part: the section it stands in; result: "right", "wrong", "done" or "not run";
    why: for "not run" and "wrong", one sentence; figures: name with unit -> number or text."""

    part: str
    name: str
    result: str
    why: str = ""
    figures: Mapping[str, float | str] = field(default_factory=dict)

    def as_json(self) -> dict:
        return asdict(self)


@dataclass
class Clock:
    """Time left of the whole run, in seconds."""

    seconds: float
    start: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.start)


def each(part: str, names, work, clock: Clock, reserve: float = 0.0) -> Iterator[Row]:
    """`work(name)` yields the rows of each name; an error becomes a row, and so does running out of time.

    reserve: seconds to leave for the parts that follow.
    """
    for name in names:
        if clock.left <= reserve:
            yield Row(part, name, NOT_RUN, "no time was left")
            continue
        try:
            yield from work(name)
        except ImportError as problem:
            yield Row(part, name, NOT_RUN, f"{problem.name or problem} is not installed")
        except Exception as problem:  # a part that fails must not cost the others
            yield Row(part, name, "wrong", f"{type(problem).__name__}: {_first_line(problem)}")


def _first_line(problem):
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), "")
