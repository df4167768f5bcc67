"""How long something takes, measured so that two runs agree. For lectures and labs; nothing here prints or compares."""

import math
import time
from collections.abc import Callable

SHORTEST_ROUND = 1e-3
"""Seconds: quicker work is repeated within a round, since clocks cannot see single microseconds."""


def seconds(work: Callable, *arguments, repeats: int = 5, clock: Callable[[], float] = time.thread_time) -> float:
    """Seconds that one call of `work(*arguments)` takes: the shortest of several rounds, after one that does not count
    because it may compile.

    The clock counts the processor time of the calling thread, so other programs hardly matter. Work that runs on
    several threads needs `clock=time.perf_counter`, and a machine that has nothing else to do.
    """
    work(*arguments)
    calls = math.ceil(SHORTEST_ROUND / max(_round(work, arguments, 1, clock), 1e-9))
    return min(_round(work, arguments, calls, clock) for _ in range(repeats))


def _round(work, arguments, calls, clock) -> float:
    start = clock()
    for _ in range(calls):
        work(*arguments)
    return (clock() - start) / calls
