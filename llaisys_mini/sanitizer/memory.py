"""Memory as threads see it: every access is checked, and remembered in a shadow beside the numbers.

Two accesses of one element by different threads, one of them a write, are a data race unless something orders them: a
barrier of their block between them, or, within a warp, a `syncwarp`. Accesses from different blocks are never ordered
within a launch. This finds races whatever order the threads happened to run in (the happens-before idea of Lamport
1978); shadow says what is remembered.
"""

import numpy as np

from llaisys_mini.sanitizer import findings
from llaisys_mini.sanitizer.lanes import Active
from llaisys_mini.sanitizer.races import Races
from llaisys_mini.sanitizer.shadow import GIVEN, UNSET, History, Slot


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
        self.address = 0  # of the first element within its allocation, in bytes: for sectors and alignment
        self.written: Slot | None = None  # None: all was written by the host, and the kernel only reads
        self.readers: History | None = None  # None: no races are looked for
        self.atomics: History | None = None  # None: nothing was updated atomically yet

    def watch(self, unset: np.ndarray | bool) -> None:
        """Set up the shadow. unset: which elements are uninitialised."""
        stamps = np.where(unset, UNSET, GIVEN) if isinstance(unset, np.ndarray) else None
        if stamps is None:
            stamps = np.full(len(self.cells), UNSET if unset else GIVEN)
        self.written = Slot(stamps, self.machine.clocks.are_kept)
        if self.is_watched and self.space != "local":
            self.readers = History(self.machine, len(self.cells), self.space == "global")

    def was_written(self) -> np.ndarray | None:
        """Which elements this launch has written; None if none is."""
        if self.written is None:
            return None
        written = self.written.stamps >= 0
        return written if self.atomics is None else written | (self.atomics.first >= 0)

    # ---- accesses: `at` are positions in cells, one per active lane ----------------------------------------------

    def load(self, at: np.ndarray, active: Active, site) -> np.ndarray:
        """The elements at these positions, checked and noted down."""
        machine = self.machine
        if machine.counters is not None:
            machine.counters.note(self, at, active, site, "load")
        if self.written is not None:
            self._check_set(at, active, site)
            if machine.copies.are_there:
                machine.copies.check(self, at, active, site, "reads")
            if self.readers is not None:
                stamps = active.select(machine.stamps) | site.number
                races = Races(self, at, stamps, active, site)
                races.with_slot(self.written, "reads", "wrote")
                if self.atomics is not None:
                    races.with_history(self.atomics, "reads", "updated atomically")
                self.readers.mark(at, stamps, active)
        return self.cells[at]

    def store(self, at: np.ndarray, values, active: Active, site) -> None:
        """Write the elements at these positions, checked and noted down."""
        machine = self.machine
        if machine.counters is not None:
            machine.counters.note(self, at, active, site, "store")
        assert self.written is not None  # what a kernel writes is watched
        if machine.unset_reads.are_there and self.space != "local":
            machine.unset_reads.used(active, self._may_hide(values, site))
        if self.readers is None:  # local: private to the thread
            self.written.stamps[at] = GIVEN
            self.cells[at] = values
            return
        stamps = active.select(machine.stamps) | site.number
        races = Races(self, at, stamps, active, site)
        races.with_slot(self.written, "writes", "wrote", lambda: self._holds(at, values))
        races.with_history(self.readers, "writes", "reads")
        if self.atomics is not None:
            races.with_history(self.atomics, "writes", "updated atomically")
        if machine.copies.are_there:
            machine.copies.check(self, at, active, site, "writes")
        self.written.put(at, stamps, machine.clocks.now(active))
        self.cells[at] = values
        if not np.array_equal(self.written.stamps[at], stamps):  # several lanes of this statement write one element
            races.in_one_step(self.written, self._holds(at, values))
        if machine.copies.are_beginning and self.space == "shared":
            machine.copies.begin(self, at, values, active, site)

    def atomics_at(self, at: np.ndarray, active: Active, site) -> None:
        """Check and mark an atomic update of the elements; the caller computes it."""
        machine = self.machine
        if machine.counters is not None:
            machine.counters.note(self, at, active, site, "atomic")
        self._check_set(at, active, site)
        if machine.copies.are_there and self.written is not None:
            machine.copies.check(self, at, active, site, "updates atomically")
        if machine.unset_reads.are_there:
            machine.unset_reads.used(active, None)
        if self.readers is None or self.written is None:
            return
        stamps = active.select(machine.stamps) | site.number
        races = Races(self, at, stamps, active, site)
        races.with_slot(self.written, "updates atomically", "wrote")
        races.with_history(self.readers, "updates atomically", "reads")
        if self.atomics is None:
            self.atomics = History(machine, len(self.cells), self.space == "global")
        self.atomics.mark(at, stamps, active)

    def _holds(self, at, values):
        """Which elements have these values already; NaN equals NaN."""
        there, new = self.cells[at], np.asarray(values).astype(self.cells.dtype)
        return (there == new) | ((there != there) & (new != new))

    def _may_hide(self, values, site) -> np.ndarray | None:
        """For which lanes a stored value may come from uninitialised memory, which is NaN here; None for all."""
        if self.space == "global" or not site.copies or self.cells.dtype.kind != "f":
            return None
        return np.isnan(np.asarray(values, self.cells.dtype))

    def _check_set(self, at, active, site):
        assert self.written is not None
        unset = self.written.stamps[at] == UNSET
        if not unset.any():
            return
        machine, where = self.machine, int(np.argmax(unset))
        thread = machine.launch.thread_name(active.select(machine.resident.thread)[where])
        message = f"{thread} reads {self.element(int(at[where]))}, which is uninitialised"
        if site.updates or site.verb == "updates":
            message += f": memory is not 0 in the beginning, so set the elements of {self.name} before you add to them"
        if self.space == "shared":  # a thread that stores nothing afterwards does no harm
            machine.unset_reads.note(site, active, unset, message, thread)
        else:
            machine.report(findings.UNINITIALISED, site, message, thread)

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


def nothing_of(dtype: np.dtype):
    """What uninitialised elements hold: NaN or an unlikely integer, so that a use of it shows in the results."""
    return np.nan if dtype.kind == "f" else 0x5A
