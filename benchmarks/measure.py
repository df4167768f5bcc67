"""Contestants for the same work, timed in turn in one process.

One number per contestant would not do: within seconds the clock rate, the temperature and the other processes of a
machine change. So the contestants take turns, each round in another order, and a ratio is formed within each round,
where both saw the same machine. Reported are the median of these ratios and the quartiles, which tell how far to trust
it.

    round 1    ours    numpy   torch        ratio numpy/ours, torch/ours
    round 2    numpy   torch   ours         ratio ...
    round 3    torch   ours    numpy        ratio ...                        -> median of each

A sample in which another process used the machine (see `surroundings`) is repeated, a bounded number of times. Where it
never gets quiet the figures are kept and called disturbed. Nothing is dropped without being counted.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks import surroundings
from benchmarks.surroundings import DISTURBED, NO_USAGE, NOT_DETECTED, QUIET, Usage


@dataclass(frozen=True)
class Contestant:
    """call: does the work once, timed. prepare: what must be set up before each sample, not timed."""

    name: str
    call: Callable[[], object]
    prepare: Callable[[], object] | None = None


@dataclass(frozen=True)
class Effort:
    """How long to measure. sample: seconds that one timed sample should last; rounds: samples per contestant;
    seconds: no new round begins after this long, except to reach `least_rounds`; tries: per sample, until it is quiet.
    """

    sample: float = 0.06
    rounds: int = 9
    least_rounds: int = 3
    seconds: float = 4.0
    tries: int = 4


class Patience:
    """Seconds that a whole run may spend on repeating what was disturbed: on a busy machine it must still end."""

    def __init__(self, seconds: float):
        self.left = seconds

    def spend(self, seconds: float) -> None:
        self.left -= seconds


@dataclass(frozen=True)
class Timing:
    """One contestant. seconds: median time of one call. spread: half the distance of its quartiles, relative to it.

    ratio: median over the rounds of its time over ours (above 1: ours is faster); ratio_low and ratio_high: quartiles.
    """

    name: str
    seconds: float
    spread: float
    ratio: float
    ratio_low: float
    ratio_high: float


NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Comparison:
    """All contestants of one piece of work. state: quiet, disturbed, not detected or not measured; reason: what
    disturbed it.

    rounds: those that count; repeated: samples thrown away because they were disturbed, and taken again.
    """

    timings: tuple[Timing, ...]
    rounds: int
    repeated: int
    state: str
    reason: str | None = None

    def __contains__(self, name: str) -> bool:
        return any(timing.name == name for timing in self.timings)

    def __getitem__(self, name: str) -> Timing:
        return next(timing for timing in self.timings if timing.name == name)


@dataclass
class Surroundings:
    """How `compare` sees time and neighbours; tests give it an invented machine."""

    threads: int
    cores: int
    clock: Callable[[], float] = time.perf_counter
    usage: Callable[[], Usage | None] = surroundings.usage_now
    pause: Callable[[float], None] = time.sleep
    let_threads_sleep: Callable[[], None] = field(default_factory=lambda: let_spinning_threads_sleep)


def compare(
    contestants: Sequence[Contestant],
    ours: str,
    effort: Effort,
    around: Surroundings,
    patience: Patience,
) -> Comparison:
    """Time all contestants in turn. `ours` names the one that the ratios compare with; without it nothing is timed."""
    if not any(one.name == ours for one in contestants):
        return Comparison((), 0, 0, NOT_MEASURED)
    repeats = {}
    for one in contestants:
        _prepare(one)
        for _ in range(getattr(one.call, "turns", 1)):  # compiles, allocates, reads files; packs each copy of a weight
            one.call()
        repeats[one.name] = _calibrate(one, effort, around)
    rounds: list[_Round] = []
    repeated, start = 0, around.clock()
    while len(rounds) < effort.rounds:
        if len(rounds) >= effort.least_rounds and around.clock() - start > effort.seconds:
            break
        turn = len(rounds) % len(contestants)
        samples = {
            one.name: _quiet_sample(one, repeats[one.name], effort, around, patience)
            for one in [*contestants[turn:], *contestants[:turn]]
        }
        repeated += sum(sample.repeated for sample in samples.values())
        rounds.append(_Round(samples))
    counted, state, reason = _judge(rounds, effort, around)
    times = [{name: sample.seconds for name, sample in one.samples.items()} for one in counted]
    timings = tuple(_summary(one.name, times, ours) for one in contestants)
    return Comparison(timings, len(counted), repeated, state, reason)


@dataclass(frozen=True)
class _Sample:
    seconds: float  # of one call
    trouble: str | None
    used: Usage | None
    repeated: int


@dataclass(frozen=True)
class _Round:
    samples: dict[str, _Sample]

    @property
    def trouble(self) -> str | None:
        return next((sample.trouble for sample in self.samples.values() if sample.trouble), None)


def _judge(rounds: list[_Round], effort: Effort, around: Surroundings) -> tuple[list[_Round], str, str | None]:
    """The rounds that count, their state, and what disturbed them. Undisturbed rounds are enough where there are a few;
    else all count, and are called what they are."""
    if any(sample.used is None for one in rounds for sample in one.samples.values()):
        return rounds, NOT_DETECTED, None
    quiet = [one for one in rounds if one.trouble is None]
    if len(quiet) < min(effort.least_rounds, len(rounds)):
        return rounds, DISTURBED, next(one.trouble for one in rounds if one.trouble)
    # Ticks are too coarse to show a small neighbour in one sample, but not in all samples together.
    used = [sample.used for one in quiet for sample in one.samples.values() if sample.used is not None]
    reason = surroundings.disturbance(sum(used, NO_USAGE), around.threads, around.cores, len(used))
    return quiet, QUIET if reason is None else DISTURBED, reason


def _quiet_sample(one: Contestant, repeats: int, effort: Effort, around: Surroundings, patience: Patience) -> _Sample:
    """An undisturbed sample, or after `effort.tries` (or without patience) the last one taken."""
    repeated = 0
    while True:
        start = around.clock()
        _prepare(one)
        around.let_threads_sleep()
        if repeats > 1:
            one.call()  # brings code, data and threads back
        seconds, used = _timed(one.call, repeats, around)
        trouble = None if used is None else surroundings.disturbance(used, around.threads, around.cores)
        if trouble is None or repeated + 1 >= effort.tries or patience.left <= 0:
            return _Sample(seconds / repeats, trouble, used, repeated)
        repeated += 1
        around.pause(0.05 * repeated)
        patience.spend(around.clock() - start)


def _timed(call, repeats, around) -> tuple[float, Usage | None]:
    was_collecting = gc.isenabled()
    gc.disable()
    before = around.usage()
    try:
        start = around.clock()
        for _ in range(repeats):
            call()
        seconds = around.clock() - start
    finally:
        if was_collecting:
            gc.enable()
    after = around.usage()
    return seconds, None if before is None or after is None else after - before


def _calibrate(one: Contestant, effort: Effort, around: Surroundings) -> int:
    """How many calls fill a sample."""
    repeats = 1
    while True:
        seconds, _ = _timed(one.call, repeats, around)
        if seconds >= effort.sample / 8:
            return max(1, round(repeats * effort.sample / seconds))
        repeats *= 4


def _prepare(one: Contestant) -> None:
    if one.prepare is not None:
        one.prepare()


def _summary(name: str, rounds: list[dict[str, float]], ours: str) -> Timing:
    times = [times[name] for times in rounds]
    ratios = [times[name] / times[ours] for times in rounds]
    low, middle, high = quartiles(times)
    return Timing(name, middle, (high - low) / 2 / middle, *_ordered(quartiles(ratios)))


def _ordered(three):
    low, middle, high = three
    return middle, low, high


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile; of a single value, that value."""
    if len(values) == 1:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def let_spinning_threads_sleep(limit: float = 0.3) -> None:
    """Wait until no thread of ours runs any more, at most `limit` seconds.

    Worker threads of OpenBLAS and OpenMP keep spinning for a while after their work, in hope of more. The next
    contestant must not share its cores with them.
    """
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        wall, cpu = time.perf_counter(), time.process_time()
        time.sleep(0.003)
        if time.process_time() - cpu < 0.2 * (time.perf_counter() - wall):
            return
