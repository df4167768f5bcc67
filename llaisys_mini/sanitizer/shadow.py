"""What the sanitizer remembers of each element: which accesses a later one could be in a race with.

An access is a *stamp*, 64 bits that hold

    phase    which block, and how many barriers it had passed (numbered through the launch)
    thread   number in the grid
    site     which source location

A `History` keeps, of all reads (or all atomic updates) of an element that nothing has ordered yet, few that stand for
all. Whichever thread comes next and conflicts with one of them conflicts with one that is kept: two threads of a warp,
one of another warp, and one of another block. (The idea of keeping only what nothing orders is that of FastTrack,
Flanagan & Freund 2009.) Of writes the last one is enough, since an earlier one is ordered before it or was reported.
"""

import numpy as np

SITE_BITS, THREAD_BITS = 13, 24
PHASE_SHIFT = SITE_BITS + THREAD_BITS
MAX_SITES, MAX_THREADS = 1 << SITE_BITS, 1 << THREAD_BITS
_OTHER_THREAD = np.uint64(MAX_THREADS - 1)

UNSET, GIVEN, IN_FLIGHT = -1, -2, -3
"""Stamps of uninitialised elements, of those that the host initialised before the launch, and of those that an
asynchronous copy is writing."""


def stamp_thread(stamp: int) -> int:
    """The number of the thread in the grid."""
    return (int(stamp) >> SITE_BITS) & (MAX_THREADS - 1)


def stamp_site(stamp: int) -> int:
    """The number of the source location."""
    return int(stamp) & (MAX_SITES - 1)


class Slot:
    """One access of each element: its stamp, and in kernels with `syncwarp` the interval of its lane (see clocks)."""

    __slots__ = ("intervals", "stamps")

    def __init__(self, stamps: np.ndarray, with_intervals: bool):
        self.stamps = stamps
        self.intervals = np.zeros(len(stamps), np.int32) if with_intervals else None

    def put(self, at: np.ndarray, stamps: np.ndarray, intervals: np.ndarray | None) -> None:
        self.stamps[at] = stamps
        if self.intervals is not None and intervals is not None:
            self.intervals[at] = intervals

    def conflicts(self, machine, is_global: bool, at, stamps, active) -> np.ndarray | None:
        """Which lanes' accesses nothing orders after those kept here; None if there is none."""
        before = self.stamps[at]
        if is_global:
            if before.size == 0 or before.max() < 0:
                return None
            other_thread = ((before ^ stamps) >> SITE_BITS) != 0
            same_phase = ((before ^ stamps) >> PHASE_SHIFT) == 0
            other_block = machine.block_of_stamp(before) != active.select(machine.resident.block)
            found = (before >= 0) & other_thread & (same_phase | other_block)
        else:
            difference = ((before ^ stamps) >> SITE_BITS) - 1
            found = difference.view(np.uint64) < _OTHER_THREAD  # same phase, another thread
        if not found.any():
            return None
        found &= ~machine.clocks.ordered(self, at, before, active)
        return found if found.any() else None


class History:
    """Accesses that stand for all of one kind: `first`; `second` by another thread, of the same warp where warps are
    told apart; `warp` by another warp of the block, where they are; `block` by another block, in global memory."""

    def __init__(self, machine, count: int, is_global: bool):
        names = ["first", "second"]
        if machine.clocks.are_kept:
            names.append("warp")
        if is_global:
            names.append("block")
        self.machine = machine
        self.is_global = is_global
        self.slots = {name: Slot(np.full(count, GIVEN), machine.clocks.are_kept) for name in names}

    @property
    def first(self) -> np.ndarray:
        return self.slots["first"].stamps

    def mark(self, at: np.ndarray, stamps: np.ndarray, active) -> None:
        """Note accesses of the elements `at`."""
        machine, first, clocks = self.machine, self.slots["first"], self.machine.clocks
        intervals = clocks.now(active)
        known = first.stamps[at]
        stale = ((known ^ stamps) >> PHASE_SHIFT) != 0
        if self.is_global:
            stale &= (known < 0) | (machine.block_of_stamp(known) == active.select(machine.resident.block))
        stale |= clocks.ordered(first, at, known, active)
        if stale.any():
            if first.intervals is not None and intervals is not None:
                first.intervals[at] = np.where(stale, intervals, first.intervals[at])
            first.stamps[at] = np.where(stale, stamps, known)
        known = first.stamps[at]
        others = ((known ^ stamps) >> SITE_BITS) != 0
        if self.is_global and others.any():
            elsewhere = machine.block_of_stamp(known) != active.select(machine.resident.block)
            self._put("block", at, stamps, intervals, others & elsewhere)
            others &= ~elsewhere
        if clocks.are_kept and others.any():
            apart = clocks.warp_of_stamp(known) != active.select(machine.resident.warp_in_block)
            self._put("warp", at, stamps, intervals, others & apart)
            others &= ~apart
        self._put("second", at, stamps, intervals, others)

    def _put(self, name, at, stamps, intervals, chosen) -> None:
        lanes = np.flatnonzero(chosen)[::-1]  # of several lanes the first stays, far from the last in `first`
        if lanes.size:
            self.slots[name].put(at[lanes], stamps[lanes], None if intervals is None else intervals[lanes])
