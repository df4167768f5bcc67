"""Memory as threads see it: every access is checked, and remembered in a shadow beside the numbers.

For each element the shadow holds who wrote it last and two or three of those who read it last. Who: a *stamp*, 64 bits
that hold

    phase    which block, and how many barriers it had passed (numbered through the launch)
    thread   number in the grid
    site     which source location

Two accesses of one element by different threads, one of them a write, are a data race unless something orders them: a
barrier of their block between them (then the phases differ), or, within a warp, a `syncwarp` (see machine.WarpClocks).
Accesses from different blocks are never ordered within a launch. This finds races whatever order the threads happened
to run in (the happens-before idea of Lamport 1978; the last-accesses shadow follows FastTrack, Flanagan & Freund 2009).
"""

import numpy as np

from llaisys_mini.sanitizer import findings
from llaisys_mini.sanitizer.lanes import Active

SITE_BITS, THREAD_BITS = 13, 24
PHASE_SHIFT = SITE_BITS + THREAD_BITS
MAX_SITES, MAX_THREADS = 1 << SITE_BITS, 1 << THREAD_BITS
_OTHER_THREAD = np.uint64(MAX_THREADS - 1)

UNSET, GIVEN = -1, -2
"""Stamps of uninitialised elements, and of those that the host initialised before the launch."""


def stamp_thread(stamp: int) -> int:
    """The number of the thread in the grid."""
    return (int(stamp) >> SITE_BITS) & (MAX_THREADS - 1)


def stamp_site(stamp: int) -> int:
    """The number of the source location."""
    return int(stamp) & (MAX_SITES - 1)


class Memory:
    """The elements of one array: `cells`, flat, and their shadow.

    space: "global", "shared" or "local". start: per lane, where its block's (shared) or its own (local) part begins;
    None in global memory. is_watched: whether the kernel writes it, so that races must be looked for.
    """

    def __init__(self, machine, name: str, space: str, cells: np.ndarray, shape, start=None, is_watched=True):
        self.machine = machine
        self.name = name
        self.space = space
        self.cells = cells
        self.shape = tuple(shape)
        self.start = start
        self.is_watched = is_watched
        self.address = 0  # of the first element within its allocation, in bytes, for counting sectors
        self.written: np.ndarray | None = None  # None: all was written by the host, and the kernel only reads
        self.readers: dict[str, np.ndarray] | None = None
        self.atomic: np.ndarray | None = None

    def watch(self, unset: np.ndarray | bool) -> None:
        """Set up the shadow. unset: which elements are uninitialised."""
        self.written = np.where(unset, UNSET, GIVEN) if isinstance(unset, np.ndarray) else None
        if self.written is None:
            self.written = np.full(len(self.cells), UNSET if unset else GIVEN)
        if self.is_watched and self.space != "local":
            names = ("first", "second", "elsewhere") if self.space == "global" else ("first", "second")
            self.readers = {name: np.full(len(self.cells), GIVEN) for name in names}

    # ---- accesses: `at` are positions in cells, one per active lane ----------------------------------------------

    def load(self, at: np.ndarray, active: Active, site) -> np.ndarray:
        """The elements at these positions, checked and noted down."""
        machine = self.machine
        if machine.counters is not None:
            machine.counters.note(self, at, active, site, "load")
        if self.written is not None:
            self._check_set(at, active, site)
            if self.readers is not None:
                self._check_load(at, active, site)
        return self.cells[at]

    def store(self, at: np.ndarray, values, active: Active, site) -> None:
        """Write the elements at these positions, checked and noted down."""
        machine = self.machine
        if machine.counters is not None:
            machine.counters.note(self, at, active, site, "store")
        assert self.written is not None  # what a kernel writes is watched
        if self.readers is None:  # local: private to the thread
            self.written[at] = GIVEN
            self.cells[at] = values
            return
        stamps = active.select(machine.stamps) | site.number
        conflicts = self._conflicts("written", self.written, at, stamps, active)
        if conflicts is not None:
            same = self._holds(at, values)
            self._report_race(at, active, site, conflicts & ~same, self.written, "writes", "wrote")
            self._report_same_value(at, active, site, conflicts & same)
        self._check_readers(at, stamps, active, site)
        if self.atomic is not None:
            conflicts = self._conflicts("atomic", self.atomic, at, stamps, active)
            self._report_race(at, active, site, conflicts, self.atomic, "writes", "updated atomically")
        self.written[at] = stamps
        self.cells[at] = values
        machine.clocks.mark(self, "written", at, active)
        last = self.written[at]
        if not np.array_equal(last, stamps):  # several lanes of this statement write one element
            several = last != stamps
            same = self._holds(at, values)
            self._report_race(at, active, site, several & ~same, self.written, "writes", "writes", "in the same step")
            self._report_same_value(at, active, site, several & same)

    def atomics(self, at: np.ndarray, active: Active, site) -> None:
        """Check and mark an atomic update of the elements; the caller computes it."""
        machine = self.machine
        if machine.counters is not None:
            machine.counters.note(self, at, active, site, "atomic")
        self._check_set(at, active, site)
        if self.readers is None:
            return
        stamps = active.select(machine.stamps) | site.number
        conflicts = self._conflicts("written", self.written, at, stamps, active)
        self._report_race(at, active, site, conflicts, self.written, "updates atomically", "wrote")
        self._check_readers(at, stamps, active, site)
        if self.atomic is None:
            self.atomic = np.full(len(self.cells), GIVEN)
        self.atomic[at] = stamps
        machine.clocks.mark(self, "atomic", at, active)

    # ---- the shadow ----------------------------------------------------------------------------------------------

    def _holds(self, at, values):
        """Which elements have these values already; NaN equals NaN."""
        there, new = self.cells[at], np.asarray(values).astype(self.cells.dtype)
        return (there == new) | ((there != there) & (new != new))

    def _check_set(self, at, active, site):
        assert self.written is not None
        unset = self.written[at] == UNSET
        if unset.any():
            self._report(
                findings.UNINITIALISED,
                at,
                active,
                site,
                unset,
                lambda who, element: f"{who} reads {element}, which is uninitialised",
            )

    def _check_load(self, at, active, site):
        stamps = active.select(self.machine.stamps) | site.number
        conflicts = self._conflicts("written", self.written, at, stamps, active)
        self._report_race(at, active, site, conflicts, self.written, "reads", "wrote")
        if self.atomic is not None:
            conflicts = self._conflicts("atomic", self.atomic, at, stamps, active)
            self._report_race(at, active, site, conflicts, self.atomic, "reads", "updated atomically")
        self._mark_readers(at, stamps, active)

    def _mark_readers(self, at, stamps, active):
        """Keep two readers per element that no barrier separates, and in global memory one of another block."""
        assert self.readers is not None
        machine, first, second = self.machine, self.readers["first"], self.readers["second"]
        known = first[at]
        stale = ((known ^ stamps) >> PHASE_SHIFT) != 0
        if self.space == "global":
            stale &= (known < 0) | (machine.block_of_stamp(known) == active.select(machine.resident.block))
        stale |= machine.clocks.ordered(self, "first", at, known, active)
        if stale.any():
            first[at] = np.where(stale, stamps, known)
            machine.clocks.mark(self, "first", at, active)
        known = first[at]
        others = ((known ^ stamps) >> SITE_BITS) != 0
        if self.space == "global" and others.any():
            elsewhere = machine.block_of_stamp(known) != active.select(machine.resident.block)
            self.readers["elsewhere"][at[elsewhere]] = stamps[elsewhere]
            others &= ~elsewhere
        if others.any():
            chosen = np.flatnonzero(others)[::-1]  # of several lanes the first stays, far from the last in `first`
            second[at[chosen]] = stamps[chosen]
            machine.clocks.mark(self, "second", at, active, chosen)

    def _check_readers(self, at, stamps, active, site):
        assert self.readers is not None
        for name, reader in self.readers.items():
            conflicts = self._conflicts(name, reader, at, stamps, active)
            self._report_race(at, active, site, conflicts, reader, "writes", "reads")

    def _conflicts(self, name, shadow, at, stamps, active):
        """Which lanes' accesses nothing orders after the earlier ones in `shadow`; None if there is none."""
        machine, before = self.machine, shadow[at]
        if self.space == "global":
            if before.size == 0 or before.max() < 0:
                return None
            other_thread = ((before ^ stamps) >> SITE_BITS) != 0
            same_phase = ((before ^ stamps) >> PHASE_SHIFT) == 0
            other_block = machine.block_of_stamp(before) != active.select(machine.resident.block)
            conflicts = (before >= 0) & other_thread & (same_phase | other_block)
        else:
            difference = ((before ^ stamps) >> SITE_BITS) - 1
            conflicts = difference.view(np.uint64) < _OTHER_THREAD  # same phase, another thread
        if not conflicts.any():
            return None
        conflicts &= ~machine.clocks.ordered(self, name, at, before, active)
        return conflicts if conflicts.any() else None

    # ---- messages -----------------------------------------------------------------------------------------------

    def element(self, position: int) -> str:
        """An element as the kernel would write it, such as `tile[3, 4]`."""
        if self.space == "shared":
            position %= max(1, len(self.cells) // self.machine.resident.blocks)
        elif self.space == "local":
            position %= max(1, len(self.cells) // self.machine.resident.size)
        size = int(np.prod(self.shape))
        if position < size:
            return f"{self.name}[{', '.join(map(str, np.unravel_index(position, self.shape)))}]"
        return f"{self.name}[element {position}]"

    def _report(self, kind, at, active, site, which, message):
        where = int(np.argmax(which))
        thread = self.machine.launch.thread_name(active.select(self.machine.resident.thread)[where])
        self.machine.report(kind, site, message(thread, self.element(int(at[where]))), thread)

    def _report_race(self, at, active, site, conflicts, others, doing, did, when=""):
        if conflicts is None or not conflicts.any():
            return
        where = int(np.argmax(conflicts))
        other = others[at[where]]
        there = self.machine.sites[stamp_site(other)].line
        line = "the same line" if there == site.line else f"line {there}"
        name = self.machine.launch.thread_name(stamp_thread(other))
        what = "reads it" if did == "reads" else f"{did} it"
        resident = self.machine.resident
        same_block = self.machine.block_of_stamp(other) == active.select(resident.block)[where]
        when = when or ("with no barrier between" if same_block else "and blocks are not ordered within a launch")
        self._report(
            findings.RACE,
            at,
            active,
            site,
            conflicts,
            lambda who, element: f"{who} {doing} {element}; {name} {what} on {line}, {when}",
        )

    def _report_same_value(self, at, active, site, which):
        if which is not None and which.any():
            self._report(
                findings.SAME_VALUE,
                at,
                active,
                site,
                which,
                lambda who, element: f"several threads, {who} among them, write the same value to {element}",
            )
