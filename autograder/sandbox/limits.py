"""Limits that every Unix has: CPU seconds, address space, file size, open files, processes."""

import contextlib
import resource
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one task of one submission may use.

    wall, cpu: seconds; memory: bytes on top of what the warm parent already maps; file_size: bytes of any file;
    files: open at once; threads: of the whole user where the system counts no finer.
    """

    wall: float = 30.0
    cpu: float = 30.0
    memory: int = 2 << 30
    file_size: int = 1 << 20
    files: int = 64
    threads: int = 256


def apply(limits: Limits) -> None:
    """Limit this process for good. A limit that the system refuses to set is left as it is."""
    # At the first the system sends SIGXCPU, which says why the process ended; at the second it kills.
    _limit(resource.RLIMIT_CPU, int(limits.cpu) + 1, int(limits.cpu) + 3)
    _limit(resource.RLIMIT_AS, _mapped() + limits.memory)
    _limit(resource.RLIMIT_FSIZE, limits.file_size)
    _limit(resource.RLIMIT_NOFILE, limits.files)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(which: int, amount: int, last: int | None = None) -> None:
    _, hard = resource.getrlimit(which)
    last = last or amount
    if hard != resource.RLIM_INFINITY:
        amount, last = min(amount, hard), min(last, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(which, (amount, last))


def _mapped() -> int:
    """Bytes of address space that this process uses already."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 1 << 30
