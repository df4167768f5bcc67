"""What each line of a kernel costs in memory traffic, counted per warp and per execution as a GPU would serve it.

Global memory moves in *sectors* of 32 bytes. One execution of an access by a warp is a *request*; it moves every sector
that one of its lanes touches. 32 neighbouring float32 are 4 sectors; 32 float32 of different rows are 32.
Shared memory has 32 *banks* of 4 bytes; lanes that touch different words of one bank are served one after the other, so
the *degree* of a request is the largest number of different words in one bank. (CUDA C++ Best Practices Guide,
"Coalesced Access to Global Memory" and "Shared Memory and Memory Banks".)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from llaisys_mini.sanitizer.lanes import WARP

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
        self._parts: dict | None = None  # of an access that is being collected

    def note(self, memory, at: np.ndarray, active, site, operation: str) -> None:
        """Count one execution of an access: positions `at` in memory's cells, one per active lane."""
        if memory.space == "local" or not at.size:
            return
        if self.traces:
            self._trace(memory, at, active, site, operation)
        if self._parts is not None:
            self._parts.setdefault((memory, operation), []).append((at, active, site))
        else:
            self._count(memory, operation, [(at, active, site)])

    @contextmanager
    def one_access(self, caller) -> Iterator[None]:
        """The accesses of this context count as one, at the site `caller`: a vector load is one request per warp."""
        self._parts = {}
        try:
            yield
        finally:
            parts, self._parts = self._parts, None
            for (memory, operation), accesses in parts.items():
                self._count(memory, operation, [(at, active, caller) for at, active, _ in accesses])

    def _trace(self, memory, at, active, site, operation):
        resident = memory.machine.resident
        part = len(memory.cells) // resident.blocks if memory.space == "shared" else len(memory.cells)
        self.accesses.append(
            Access(
                memory.machine.kernel.__name__,
                site.line,
                memory.space,
                memory.name,
                memory.shape,
                operation,
                memory.cells.itemsize,
                resident.launch.threads_per_block,
                active.select(resident.thread),
                at % part if memory.space == "shared" else at,
            )
        )

    def _count(self, memory, operation, accesses):
        """accesses: (positions, lanes, site) of all parts of one access."""
        first, active, site = accesses[0]
        itemsize, resident = memory.cells.itemsize, memory.machine.resident
        key = (memory.machine.kernel.__name__, site.function.__name__, site.line, memory.space, memory.name, operation)
        traffic = self.traffic.get(key)
        if traffic is None:
            traffic = Traffic(site.function.__name__, site.line, memory.space, memory.name, operation, itemsize)
            self.traffic[key] = traffic
        traffic.requests += active.warp_count
        traffic.accesses += len(first)
        at = np.concatenate([at for at, _, _ in accesses])
        warp = np.concatenate([lanes.select(resident.warp) for _, lanes, _ in accesses])
        if memory.space == "global":
            address = at * itemsize + memory.address
            sectors, lowest = address // SECTOR_BYTES, int(address.min()) // SECTOR_BYTES
            span = int(address.max()) // SECTOR_BYTES - lowest + 1
            traffic.sectors += len(_distinct(warp * span + (sectors - lowest)))
            counts = np.bincount(_distinct(warp * len(memory.cells) + at) // len(memory.cells))
            traffic.ideal_sectors += int((-(-counts * itemsize // SECTOR_BYTES)).sum())
        else:
            lane = np.concatenate([lanes.select(resident.lane) for _, lanes, _ in accesses])
            self._count_banks(traffic, memory, at, warp, lane, itemsize, len(accesses))

    def _count_banks(self, traffic, memory, at, warp, lane, itemsize, parts):
        # 8 bytes per lane are served half a warp at a time, 16 bytes a quarter
        turns = max(1, itemsize * parts // BANK_BYTES)
        part = len(memory.cells) // memory.machine.resident.blocks
        words = (at % part) * itemsize // BANK_BYTES
        span = part * itemsize // BANK_BYTES + 1
        distinct = _distinct((warp * turns + lane // (WARP // turns)) * span + words)
        degrees = np.bincount(distinct // span * BANKS + distinct % span % BANKS)
        degrees = np.pad(degrees, (0, -len(degrees) % (BANKS * turns))).reshape(-1, turns * BANKS).max(axis=1)
        traffic.degree_sum += int(degrees.sum())
        traffic.worst_degree = max(traffic.worst_degree, int(degrees.max()))


def _distinct(keys: np.ndarray) -> np.ndarray:
    """The distinct values, sorted."""
    keys = np.sort(keys)
    first = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return keys[first]
