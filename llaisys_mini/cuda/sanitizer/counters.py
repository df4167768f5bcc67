"""What each line of a kernel costs in memory traffic, counted per warp and per execution as a GPU would serve it.

Global memory moves in *sectors* of 32 bytes. One execution of an access by a warp is a *request*; it moves every sector
that one of its lanes touches. 32 neighbouring float32 are 4 sectors; 32 float32 of different rows are 32.
Shared memory has 32 *banks* of 4 bytes; lanes that touch different words of one bank are served one after the other, so
the *degree* of a request is the largest number of different words in one bank. (CUDA C++ Best Practices Guide,
"Coalesced Access to Global Memory" and "Shared Memory and Memory Banks".)
"""

from dataclasses import dataclass

import numpy as np

from llaisys_mini.cuda.sanitizer.lanes import WARP

SECTOR_BYTES, BANKS, BANK_BYTES = 32, 32, 4


@dataclass
class Traffic:
    """One access of the source. operation: "load", "store" or "atomic".

    requests: executions by a warp; accesses: executions by a thread; sectors, ideal_sectors: moved, and what as many
    bytes side by side would take (global memory); degree_sum, worst_degree: of bank conflicts (shared memory).
    """

    kernel: str
    line: int
    space: str
    array: str
    operation: str
    itemsize: int
    requests: int = 0
    accesses: int = 0
    sectors: int = 0
    ideal_sectors: int = 0
    degree_sum: int = 0
    worst_degree: int = 0

    @property
    def bytes_moved(self) -> int:
        return self.sectors * SECTOR_BYTES

    @property
    def sectors_per_request(self) -> float:
        return self.sectors / self.requests if self.requests else 0.0

    @property
    def degree(self) -> float:
        """The mean degree of bank conflicts; 1 is none."""
        return self.degree_sum / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class Access:
    """One execution of an access by the threads of several blocks.

    threads: numbers in the grid; elements: positions in the array, one per thread; itemsize: bytes of an element.
    """

    kernel: str
    line: int
    space: str
    array: str
    shape: tuple[int, ...]
    operation: str
    itemsize: int
    threads_per_block: int
    threads: np.ndarray
    elements: np.ndarray


class Counters:
    """Collects Traffic, and every Access when `traces`."""

    def __init__(self, traces: bool):
        self.traces = traces
        self.traffic: dict[tuple, Traffic] = {}
        self.accesses: list[Access] = []

    def note(self, memory, at: np.ndarray, active, site, operation: str) -> None:
        """Count one execution of an access: positions `at` in memory's cells, one per active lane."""
        if memory.space == "local" or not at.size:
            return
        crew = memory.machine.crew
        if self.traces:
            part = len(memory.cells) // crew.blocks if memory.space == "shared" else len(memory.cells)
            self.accesses.append(
                Access(
                    memory.machine.kernel.__name__,
                    site.line,
                    memory.space,
                    memory.name,
                    memory.shape,
                    operation,
                    memory.cells.itemsize,
                    crew.launch.threads_per_block,
                    active.select(crew.thread),
                    at % part if memory.space == "shared" else at,
                )
            )
        itemsize = memory.cells.itemsize
        key = (memory.machine.kernel.__name__, site.function.__name__, site.line, memory.space, memory.name, operation)
        traffic = self.traffic.get(key)
        if traffic is None:
            traffic = Traffic(site.function.__name__, site.line, memory.space, memory.name, operation, itemsize)
            self.traffic[key] = traffic
        traffic.requests += active.warp_count
        traffic.accesses += len(at)
        warp = active.select(crew.warp)
        if memory.space == "global":
            place = at * itemsize + memory.address
            sectors, lowest = place // SECTOR_BYTES, int(place.min()) // SECTOR_BYTES
            span = int(place.max()) // SECTOR_BYTES - lowest + 1
            traffic.sectors += _distinct(warp * span + (sectors - lowest))
            counts = np.bincount(_values(warp * len(memory.cells) + at) // len(memory.cells))
            traffic.ideal_sectors += int((-(-counts * itemsize // SECTOR_BYTES)).sum())
        else:
            self._note_banks(traffic, memory, at, warp, active, itemsize)

    def _note_banks(self, traffic, memory, at, warp, active, itemsize):
        crew = memory.machine.crew
        if itemsize == 8:  # 64-bit words are served half a warp at a time
            warp = warp * 2 + active.select(crew.lane) // (WARP // 2)
        part = len(memory.cells) // crew.blocks
        words = (at % part) * itemsize // BANK_BYTES
        span = part * itemsize // BANK_BYTES + 1
        distinct = _values(warp * span + words)
        degrees = np.bincount(distinct // span * BANKS + distinct % span % BANKS)
        degrees = np.pad(degrees, (0, -len(degrees) % BANKS)).reshape(-1, BANKS).max(axis=1)
        if itemsize == 8:
            degrees = np.pad(degrees, (0, len(degrees) % 2)).reshape(-1, 2).max(axis=1)
        traffic.degree_sum += int(degrees.sum())
        traffic.worst_degree = max(traffic.worst_degree, int(degrees.max()))


def _values(keys: np.ndarray) -> np.ndarray:
    """The distinct values, sorted."""
    keys = np.sort(keys)
    first = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return keys[first]


def _distinct(keys):
    keys = np.sort(keys)
    return 1 + int(np.count_nonzero(keys[1:] != keys[:-1]))
