"""Reads of uninitialised shared memory that may do no harm: those of threads that use what they read for nothing.

Threads that stand outside a matrix often compute along with the others and store nothing. So such a read is a finding
only once its thread stores something, or passes something to others, that can depend on it; else it is a remark.
"""

import numpy as np

from llaisys_mini.sanitizer import findings


class UnsetReads:
    """The reads of the resident blocks that nothing was made of so far."""

    def __init__(self, machine):
        self._machine = machine
        self._reads: dict[int, list] = {}  # per site: site, lanes, message, thread

    @property
    def are_there(self) -> bool:
        return bool(self._reads)

    def note(self, site, active, unset: np.ndarray, message: str, thread: str) -> None:
        """Active lanes, those of `unset`, have read what nobody wrote."""
        lanes = np.zeros(active.resident.size, bool)
        lanes[active.index[unset]] = True
        where = self._machine.caller or site
        known = self._reads.get(id(where))
        if known is None:
            self._reads[id(where)] = [where, lanes, message, thread]
        else:
            known[1] |= lanes

    def used(self, active, which: np.ndarray | None) -> None:
        """Active lanes, of them those of `which` (None: all), store something or pass something to others."""
        lanes = active.bits
        if which is not None:
            lanes = np.zeros(active.resident.size, bool)
            lanes[active.index] = which
        for key, (site, readers, message, thread) in list(self._reads.items()):
            if (readers & lanes).any():
                self._machine.report(findings.UNINITIALISED, site, message, thread)
                del self._reads[key]

    def end_wave(self) -> None:
        """The resident blocks have ended: what is left was used for nothing."""
        for site, _, message, thread in self._reads.values():
            told = f"{message}; the thread stores nothing afterwards"
            self._machine.report(findings.UNUSED, site, told, thread)
        self._reads.clear()
