"""Kernels against torch on the same numbers, and against what the device can do at best.

Both are timed with CUDA events in turns, so that a change of the clock rate hits both; the figure is the median. The
ceilings are measured too: bandwidth by copying a large array, rates by cuBLAS on large squares. Sizes are large enough
that the device, not the launch, takes the time; rows named "decode" are as small as a decoder has them, and are timed
as a decoder calls them.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.gpu.rows import Clock, Row, each
from benchmarks.gpu.subjects import SUBJECTS, Subject
from benchmarks.tables import NOT_RUN

PART = "time"
ROUNDS = 15
SHORTEST = 2.0  # milliseconds of work between two events


def rows(no_device: str | None, clock: Clock, reserve: float) -> Iterator[Row]:
    """One row per subject."""
    if no_device is None:
        try:
            import torch

            if not torch.cuda.is_available():
                no_device = "torch finds no CUDA device"
        except ImportError:
            no_device = "torch is not installed"
    if no_device:
        yield from (Row(PART, name, NOT_RUN, no_device) for name in ("ceilings", *SUBJECTS))
        return
    found: dict[str, float] = {}

    def measured(name):
        if name == "ceilings":
            found.update(_ceilings())
            return [Row(PART, name, "done", figures=found)]
        return [_timed(SUBJECTS[name](), found)]

    yield from each(PART, ("ceilings", *SUBJECTS), measured, clock, reserve)


def _timed(subject: Subject, ceilings: dict[str, float]) -> Row:
    ours, theirs = interleaved(subject.ours, subject.theirs)
    figures: dict[str, float | str] = {"ours, ms": ours, "torch, ms": theirs, "torch / ours": theirs / ours}
    bandwidth = subject.bytes / ours / 1e6
    figures["GB/s"] = bandwidth
    if subject.flops:
        figures["TFLOP/s"] = subject.flops / ours / 1e9
    shortest = max(
        subject.bytes / (ceilings["bandwidth, GB/s"] * 1e6),
        subject.flops / (ceilings[f"{subject.rate}, TFLOP/s"] * 1e9),
    )
    figures["share of the roofline, %"] = 100 * shortest / ours
    if subject.asked:
        figures["asked"] = f"at least {subject.asked}"
    return Row(PART, subject.name, "done", subject.note, figures)


def interleaved(*works: Callable[[], object]) -> list[float]:
    """Milliseconds of one call of each, the median of ROUNDS rounds in which they take turns."""
    repeats = []
    for work in works:
        work()  # compiles
        repeats.append(max(1, math.ceil(SHORTEST / max(_milliseconds(work, 3), 1e-3))))
    times = [[_milliseconds(work, count) for work, count in zip(works, repeats, strict=True)] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def _milliseconds(work, count) -> float:
    import torch

    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(count):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / count


def _ceilings() -> dict[str, float]:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    source = torch.empty(1 << 28, device="cuda")
    target = torch.empty_like(source)
    (copying,) = interleaved(partial(target.copy_, source))
    found = {"bandwidth, GB/s": 2 * source.nbytes / copying / 1e6}
    del source, target
    for name, size in (("float32", 8192), ("bfloat16", 8192)):
        a = torch.randn(size, size, device="cuda", dtype=getattr(torch, name))
        out = torch.empty_like(a)
        (product,) = interleaved(partial(torch.matmul, a, a, out=out))
        found[f"{name}, TFLOP/s"] = 2 * size**3 / product / 1e9
    return found
