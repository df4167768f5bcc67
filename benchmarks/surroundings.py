"""What else used the machine while a sample was taken?

A time is only ours if we had our cores to ourselves. Linux says it in three places:

    waited    /proc/self/task/*/schedstat: how long our threads were ready to run but had no core, in nanoseconds.
    others    /proc/stat: cores kept busy, less what we used ourselves. Counted in ticks of 10 ms: rough for one sample,
              better over many. A process on the core beside ours takes memory bandwidth, even if we never wait.
    stolen    /proc/stat: time that the hypervisor gave to other virtual machines.

Elsewhere (macOS) nothing of this can be read, and the answer is "not detected", which is not the same as "quiet".
"""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

WAITED = 0.02  # of the time that our threads could have run
OTHERS = 0.15  # cores
STOLEN = 0.02  # of the time of all cores

QUIET, DISTURBED, NOT_DETECTED = "quiet", "disturbed", "not detected"


@dataclass(frozen=True)
class Usage:
    """How much was used, up to some moment or between two: all in seconds, over all cores where there are several.

    wall: clock time. own: CPU time of this process and of the children it has waited for. busy: CPU time of all
    processes, ours included. stolen, waited: see above.
    """

    wall: float
    own: float
    busy: float
    stolen: float
    waited: float

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(*(getattr(self, name) - getattr(earlier, name) for name in self.__dataclass_fields__))

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


NO_USAGE = Usage(0.0, 0.0, 0.0, 0.0, 0.0)


def usage_now() -> Usage | None:
    """Usage since the machine started, or None where the system does not tell."""
    try:
        # cpu user nice system idle iowait irq softirq steal guest guest_nice, in ticks; guest is part of user
        ticks = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    second = os.sysconf("SC_CLK_TCK")
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Usage(
        wall=time.perf_counter(),
        own=sum(one.ru_utime + one.ru_stime for one in own),
        busy=(sum(ticks[:3]) + sum(ticks[5:7])) / second,
        stolen=ticks[7] / second,
        waited=_waited(),
    )


def _waited() -> float:
    total = 0
    for task in Path("/proc/self/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[1])
        except (OSError, ValueError, IndexError):  # the thread has just ended, or this kernel keeps no such count
            continue
    return total / 1e9


def disturbance(used: Usage, threads: int, cores: int, samples: int = 1) -> str | None:
    """What disturbed a measurement with `threads` threads that took `used` in all, as a clause, or None.

    samples: number of stretches of time that `used` adds up. A tick more or less at each end of each is no evidence.
    """
    if used.wall <= 0:
        return None
    tick = 1 / os.sysconf("SC_CLK_TCK")
    doubt = 2 * tick * samples**0.5  # errors of many stretches partly cancel
    waited = used.waited / (used.wall * threads)
    if waited > WAITED:
        return f"our threads waited {waited:.0%} of the time for a core"
    others = (used.busy - used.own - doubt) / used.wall
    if others > OTHERS:
        return f"other processes kept {others:.1f} cores busy"
    stolen = (used.stolen - doubt) / (used.wall * cores)
    if stolen > STOLEN:
        return f"{stolen:.0%} of the time was stolen from this virtual machine"
    return None
