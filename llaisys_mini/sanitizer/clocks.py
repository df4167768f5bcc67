"""Which accesses of a warp `syncwarp` has ordered: a vector clock per lane (Lamport 1978, Mattern 1989)."""

import numpy as np

from llaisys_mini.sanitizer.lanes import WARP, ResidentBlocks
from llaisys_mini.sanitizer.shadow import MAX_THREADS, SITE_BITS, Slot


class NoClocks:
    """For kernels without `syncwarp`: nothing orders the threads of a warp but barriers of the block."""

    are_kept = False

    def enter(self, resident): ...

    def now(self, active):
        return None

    def ordered(self, slot, at, before, active):
        return np.False_


class WarpClocks:
    """seen[warp, i, j]: how many of lane j's intervals lane i knows to be over. A lane's interval ends at each
    syncwarp."""

    are_kept = True

    def __init__(self, machine):
        self.machine = machine

    def enter(self, resident: ResidentBlocks) -> None:
        """Begin the next wave."""
        self.seen = np.zeros((resident.warps, WARP, WARP), np.int32)
        self.seen[:, range(WARP), range(WARP)] = 1

    def now(self, active) -> np.ndarray:
        """The interval of each active lane."""
        resident = self.machine.resident
        warp, lane = active.select(resident.warp), active.select(resident.lane)
        return self.seen[warp, lane, lane]

    def _thread(self, stamps):
        return (stamps >> SITE_BITS) & (MAX_THREADS - 1)

    def warp_of_stamp(self, stamps: np.ndarray) -> np.ndarray:
        """Which warp of its block made an access."""
        return self._thread(stamps) % self.machine.launch.threads_per_block // WARP

    def ordered(self, slot: Slot, at, before, active) -> np.ndarray:
        """Which lanes know that the access that `slot` keeps of their element, of stamp `before`, was over."""
        assert slot.intervals is not None  # they are kept in such kernels
        resident = self.machine.resident
        block, within = np.divmod(self._thread(before), self.machine.launch.threads_per_block)
        own = active.select(resident.within)
        same_warp = (before >= 0) & (block == active.select(resident.block)) & (within // WARP == own // WARP)
        known = self.seen[active.select(resident.warp), active.select(resident.lane), within % WARP]
        return same_warp & (slot.intervals[at] <= known)

    def synchronise(self, masks: np.ndarray) -> None:
        """All lanes of each warp's mask (0: none) learn what each of them knows."""
        for warp in np.flatnonzero(masks):
            lanes = np.flatnonzero((int(masks[warp]) >> np.arange(WARP)) & 1)
            self.seen[warp, lanes] = self.seen[warp, lanes].max(axis=0)
            self.seen[warp, lanes, lanes] += 1
