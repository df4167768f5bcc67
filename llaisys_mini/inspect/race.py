"""`race("softmax", ...)`: your kernel against its earlier version, NumPy, and the limit of this machine.

The limit is the roofline: a kernel cannot move bytes faster than memory does, nor compute faster than the cores do.
Both limits are measured here, once per process. Numbers that still lie in a cache come faster than from memory;
the figure says where that was so.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from llaisys_mini import operators
from llaisys_mini.errors import KernelError
from llaisys_mini.kernels import choice
from llaisys_mini.kernels.earlier import earlier_kernel
from llaisys_mini.kernels.sets import STUDENT
from llaisys_mini.lectures import plots
from llaisys_mini.operator import Operator

_SECONDS_PER_POINT = 0.1
_LOOKS = {
    "yours": dict(color=plots.BLUE, marker="o"),
    "your earlier version": dict(color=plots.SKY, marker="v"),
    "NumPy": dict(color=plots.ORANGE, marker="s"),
}


def race(
    operator: str,
    inputs: Callable[[int], dict],
    sizes: Sequence[int],
    flops: Callable[[int], float] | None = None,
    size_name: str = "size",
) -> None:
    """Time the learner's kernel over growing inputs and draw it.

    inputs: size -> the operator's arguments by name. flops: size -> floating point operations of one call; without it
    the race is about bytes: GB/s of inputs read once and outputs written once.
    Raises KernelError if the learner has no kernel for the operator.
    """
    contract = operators.get(operator)
    earlier = earlier_kernel(operator)
    runners = {"yours": choice.from_set(STUDENT, operator, "cpu")}
    if earlier is not None:
        runners["your earlier version"] = earlier
    seconds: dict[str, list[float]] = {name: [] for name in [*runners, "NumPy"]}
    moved = []
    for size in sizes:
        given = contract.convert(inputs(size))
        outputs = [np.empty(np.shape(v), s.allowed[0]) for v, s in _expected(contract, given)]
        for name, kernel in runners.items():
            try:
                seconds[name].append(_seconds(partial(contract.run_with, kernel, given, outputs)))
            except Exception as problem:
                raise KernelError(f'{operator}: {name} does not run; check("{operator}") says why') from problem
        seconds["NumPy"].append(_seconds(partial(contract.reference, *given.values())))
        moved.append(sum(a.nbytes for a in [*given.values(), *outputs] if isinstance(a, np.ndarray)))
    work = [flops(size) for size in sizes] if flops else None
    plots.show(*_draw(operator, list(sizes), size_name, seconds, moved, work))


def _expected(contract: Operator, given: dict):
    """(an output of the right shape, its spec) for every output; in float32, which is enough for a shape."""
    result = contract.reference(*given.values())
    return zip(result if isinstance(result, tuple) else (result,), contract.outputs.values(), strict=True)


def _seconds(work: Callable[[], object]) -> float:
    """Median time of one call, after one to warm up."""
    with np.errstate(all="ignore"):
        work()
        times: list[float] = []
        started = time.perf_counter()
        while len(times) < 5 or (time.perf_counter() - started < _SECONDS_PER_POINT and len(times) < 200):
            before = time.perf_counter()
            work()
            times.append(time.perf_counter() - before)
    return statistics.median(times)


@cache
def bytes_per_second() -> float:
    """How fast this machine's memory can be read and written: the best of several copies of 64 MiB."""
    from numba import njit, prange

    @njit(parallel=True)
    def copy(source, target):
        for i in prange(source.size):
            target[i] = source[i]

    source, target = np.ones(1 << 24, np.float32), np.empty(1 << 24, np.float32)
    copy(source, target)
    return 2 * source.nbytes / min(_timed(lambda: copy(source, target)) for _ in range(7))


@cache
def flops_per_second() -> float:
    """How many floating point operations the cores do at best: multiply-adds on numbers that stay in registers."""
    from numba import get_num_threads, njit, prange

    lanes, steps = 128, 200_000

    @njit(parallel=True, fastmath=True)
    def multiply_add(start, out):
        for thread in prange(out.shape[0]):
            s = start.copy()
            for _ in range(steps):
                for lane in range(lanes):
                    s[lane] = s[lane] * np.float32(0.999) + np.float32(0.001)
            out[thread] = s.sum()

    start, out = np.ones(lanes, np.float32), np.zeros(get_num_threads(), np.float32)
    multiply_add(start, out)
    return 2 * lanes * steps * out.size / min(_timed(lambda: multiply_add(start, out)) for _ in range(5))


def _timed(work) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def _draw(operator, sizes, size_name, seconds, moved, flops):
    """The figure of a race, and its text alternative.

    The roofline counts every byte as coming from memory. Where a call took less time than that, its numbers lay in a
    cache; up to the largest such size the figure is shaded.
    """
    amounts, unit = flops or moved, "GFLOP/s" if flops else "GB/s"
    from_memory = limits = [amount / bytes_per_second() for amount in moved]
    if flops:
        limits = [max(limit, work / flops_per_second()) for limit, work in zip(limits, flops, strict=True)]
    rates = {name: _rates(amounts, times) for name, times in seconds.items()}
    roofline = _rates(amounts, limits)
    cached = [i for i, limit in enumerate(from_memory) if any(times[i] < limit for times in seconds.values())]
    fig, axis = plots.figure(width=6.8, height=4.1)
    if cached:
        last = cached[-1]
        end = sizes[last] * 1.2 if last + 1 == len(sizes) else math.sqrt(sizes[last] * sizes[last + 1])
        axis.axvspan(sizes[0] / 1.2, end, color=plots.YELLOW, alpha=0.25, linewidth=0, label="from a cache, not memory")
    axis.plot(sizes, roofline, color=plots.GREY, linestyle="--", label="roofline: all from memory")
    for name, line in rates.items():
        axis.plot(sizes, line, label=name, **_LOOKS[name])
    axis.set(xscale="log", xlabel=size_name, ylabel=unit, title=f"{operator}: higher is faster")
    axis.set(xlim=(sizes[0] / 1.2, sizes[-1] * 1.2), ylim=(0, None))
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.minorticks_off()
    fig.legend(loc="outside lower center", ncols=3)
    ends = ", ".join(f"{name} {line[-1]:.3g}" for name, line in [*rates.items(), ("roofline", roofline)])
    alt = f"{operator} over {size_name} from {sizes[0]} to {sizes[-1]}, in {unit}. At {sizes[-1]}: {ends}."
    if cached:
        alt += f" Up to {sizes[cached[-1]]} the numbers come from a cache, faster than memory delivers them."
    return fig, alt


def _rates(amounts, times):
    return [amount / one / 1e9 for amount, one in zip(amounts, times, strict=True)]
