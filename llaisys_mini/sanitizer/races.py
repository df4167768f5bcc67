"""Data races: one access compared with those that the shadow keeps, and what is said about it."""

from collections.abc import Callable

import numpy as np

from llaisys_mini.sanitizer import findings
from llaisys_mini.sanitizer.shadow import MAX_SITES, History, Slot, stamp_site, stamp_thread


class Races:
    """One execution of an access: positions `at` in the memory's cells and their stamps, one per active lane."""

    def __init__(self, memory, at: np.ndarray, stamps: np.ndarray, active, site):
        self.memory = memory
        self.machine = memory.machine
        self.at = at
        self.stamps = stamps
        self.active = active
        self.site = site

    def with_slot(self, slot: Slot, doing: str, did: str, holds: Callable[[], np.ndarray] | None = None) -> None:
        """Report what nothing orders after the accesses in `slot`. doing, did: the two accesses, as verbs.

        holds: which elements have the written value already; two writes of one value are only remarked.
        """
        is_global = self.memory.space == "global"
        conflicts = slot.conflicts(self.machine, is_global, self.at, self.stamps, self.active)
        if conflicts is None:
            return
        if holds is not None:
            same = holds()
            self._remark_same_value(conflicts & same)
            conflicts &= ~same
        others = slot.stamps[self.at]
        harmless = conflicts & self._is_harmless(others)
        if harmless.any():
            self._remark_harmless(harmless, others)
        self._report(conflicts & ~harmless, others, doing, did)

    def with_history(self, history: History, doing: str, did: str) -> None:
        """Report what nothing orders after the accesses in `history`."""
        for slot in history.slots.values():
            self.with_slot(slot, doing, did)

    def in_one_step(self, written: Slot, same: np.ndarray) -> None:
        """Report the lanes of this statement whose element another lane of it writes, but for `same` values."""
        last = written.stamps[self.at]
        several = last != self.stamps
        self._report(several & ~same, last, "writes", "writes", "in the same step")
        self._remark_same_value(several & same)

    # ---- messages ------------------------------------------------------------------------------------------------

    def _names(self, where: int, stamp: int) -> tuple[str, str, str]:
        """The thread, the element, and the other thread."""
        launch, resident = self.machine.launch, self.machine.resident
        who = launch.thread_name(self.active.select(resident.thread)[where])
        return who, self.memory.element(int(self.at[where])), launch.thread_name(stamp_thread(stamp))

    def _report(self, conflicts, others, doing, did, when="") -> None:
        if not conflicts.any():
            return
        where = int(np.argmax(conflicts))
        who, element, other = self._names(where, others[where])
        there = self.machine.sites[stamp_site(others[where])]
        what = "reads it" if did == "reads" else f"{did} it"
        message = f"{who} {doing} {element}; {other} {what} {self._on_line(there)}"
        if self._is_elsewhere(where, others[where]):
            message += ", and blocks of one launch have no order: no barrier orders them"
        elif when:
            message += f", {when}"
        else:
            earlier = " in the round before" if there.line > self._line and not there.is_library else ""
            message += f"{earlier}, with no barrier between"
        self.machine.report(findings.RACE, self.site, message, who)

    @property
    def _line(self) -> int:
        return (self.machine.caller or self.site).line

    def _on_line(self, there) -> str:
        if there.is_library:
            return f"in {there.function.__name__}"
        return "on the same line" if there.line == self._line else f"on line {there.line}"

    def _is_elsewhere(self, where, stamp) -> bool:
        block = self.active.select(self.machine.resident.block)[where]
        return bool(self.machine.block_of_stamp(stamp) != block)

    def _remark_same_value(self, which) -> None:
        if which.any():
            who, element, _ = self._names(int(np.argmax(which)), 0)
            message = f"several threads, {who} among them, write the same value to {element}"
            self.machine.report(findings.SAME_VALUE, self.site, message, who)

    # ---- races that may be meant -----------------------------------------------------------------------------------

    def _is_harmless(self, others: np.ndarray) -> np.ndarray:
        """Where the pair of accesses is a check before a store of one value, or a first look before a cas."""
        numbers = others & (MAX_SITES - 1)
        sites = self.machine.sites
        kept = [n for n in np.unique(numbers[others >= 0]) if _are_meant(self.site, sites[n])]
        return np.isin(numbers, kept) & (others >= 0) if kept else np.zeros(len(others), bool)

    def _remark_harmless(self, which, others) -> None:
        where = int(np.argmax(which))
        who, element, other = self._names(where, others[where])
        there = self.machine.sites[stamp_site(others[where])]
        if self.site.is_cas or there.is_cas:
            why = "right as long as nothing but the compare-and-swap relies on what is read"
        else:
            why = "right only if every thread would store the same value, or storing it twice does no harm"
        message = f"{element} is read by one of {who} and {other}, and set by the other {self._on_line(there)}: {why}"
        self.machine.report(findings.SAME_VALUE, self.site, message, who)


def _are_meant(one, other) -> bool:
    if one.number in other.checked_by or other.number in one.checked_by:
        return True
    return (
        one.text == other.text
        and bool(one.text)
        and {one.verb, other.verb} == {"reads", "updates"}
        and (one.is_cas or other.is_cas)
    )
