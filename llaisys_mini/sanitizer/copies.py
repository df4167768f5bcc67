"""Asynchronous copies under the sanitizer: each lands at its thread's wait, and until then its target is nobody's.

A GPU may write the target at any moment between the copy's beginning and the wait. Here that span is kept: the elements
are stamped IN_FLIGHT, hold what no kernel means, and whoever reads or writes them meanwhile is told of the race. When
the copy begins, its target is checked like that of a store, so a thread that may still be reading the old contents is
told of too. At the wait the numbers are put there, stamped as written by the thread at that moment; what others do with
them before a barrier is then a race like any other. The source is read when the copy begins, and not watched after it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from llaisys_mini.cuda.async_copies import commit_copies, copy_async, wait_copies
from llaisys_mini.sanitizer import findings
from llaisys_mini.sanitizer.findings import DoesNotCompile
from llaisys_mini.sanitizer.lanes import Active
from llaisys_mini.sanitizer.memory import Memory, nothing_of
from llaisys_mini.sanitizer.shadow import IN_FLIGHT


@dataclass
class _Copy:
    """One element for each of several lanes: `at` in memory's cells, the value to come, and the group of the lane."""

    memory: Memory
    at: np.ndarray
    values: np.ndarray
    lanes: np.ndarray
    groups: np.ndarray
    site: Any


class Copies:
    """The copies of the resident blocks that have not landed."""

    def __init__(self, machine):
        self._machine = machine
        self._flying: list[_Copy] = []
        self.are_beginning = False  # stores to shared memory are copies now

    def enter(self, resident) -> None:
        """Begin the next wave."""
        self._flying.clear()
        self._groups = np.zeros(resident.size, np.int64)  # per lane: how many it has committed

    @property
    def are_there(self) -> bool:
        return bool(self._flying)

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Within this context a store to shared memory begins a copy."""
        self.are_beginning = True
        try:
            yield
        finally:
            self.are_beginning = False

    def begin(self, memory, at: np.ndarray, values, active: Active, site) -> None:
        """The active lanes begin to copy `values` to the elements `at`, which were checked."""
        values = np.broadcast_to(np.asarray(values), at.shape).astype(memory.cells.dtype)
        groups = self._groups[active.index]
        self._flying.append(_Copy(memory, at, values, active.index, groups, site))
        memory.written.stamps[at] = IN_FLIGHT
        memory.cells[at] = nothing_of(memory.cells.dtype)

    def commit(self, active: Active) -> None:
        """The copies that each active lane has begun since its last commit are a group."""
        self._groups[active.index] += 1

    def wait(self, active: Active, latest: int) -> None:
        """The groups of each active lane land, but for the `latest` ones."""
        flying = []
        for copy in self._flying:
            lands = active.bits[copy.lanes] & (copy.groups < self._groups[copy.lanes] - latest)
            if lands.any():
                self._land(copy, lands)
            if not lands.all():
                flying.append(copy if not lands.any() else self._part(copy, ~lands))
        self._flying = flying

    def _part(self, copy: _Copy, chosen: np.ndarray) -> _Copy:
        at, values, lanes, groups = (part[chosen] for part in (copy.at, copy.values, copy.lanes, copy.groups))
        return _Copy(copy.memory, at, values, lanes, groups, copy.site)

    def _land(self, copy: _Copy, chosen: np.ndarray) -> None:
        machine, landed = self._machine, self._part(copy, chosen)
        bits = np.zeros(machine.resident.size, bool)
        bits[landed.lanes] = True
        stamps = machine.stamps[landed.lanes] | landed.site.number
        assert landed.memory.written is not None  # shared memory is watched
        landed.memory.written.put(landed.at, stamps, machine.clocks.now(Active(machine.resident, bits)))
        landed.memory.cells[landed.at] = landed.values

    def check(self, memory, at: np.ndarray, active: Active, site, doing: str) -> None:
        """Report active lanes that read or write (`doing`) elements of which a copy has not landed."""
        touched = memory.written.stamps[at] == IN_FLIGHT
        if not touched.any():
            return
        machine, where = self._machine, int(np.argmax(touched))
        thread = machine.launch.thread_name(active.select(machine.resident.thread)[where])
        other = machine.launch.thread_name(machine.resident.thread[self._lane_of(memory, at[where])])
        message = (
            f"{thread} {doing} {memory.element(int(at[where]))}, to which a copy of {other} is still on its way: "
            "no wait_copies of that thread has ended it"
        )
        machine.report(findings.RACE, site, message, thread)

    def _lane_of(self, memory, position: int) -> int:
        """The lane whose copy writes an element that is in flight: of several the last."""
        for copy in reversed(self._flying):
            if copy.memory is memory and position in copy.at:
                return int(copy.lanes[copy.at == position][-1])
        raise AssertionError("an element in flight has a copy")


def begins_copy(primitive) -> bool:
    """Whether a primitive's stores to shared memory are copies that land later."""
    return primitive is copy_async


def check_places(target, source) -> None:
    """Refuse a copy that is not from global to shared memory, or changes the type."""
    if target.memory.space != "shared" or source.memory.space != "global":
        spaces = [f"{view.memory.name} is in {view.memory.space} memory" for view in (source, target)]
        raise DoesNotCompile(f"copy_async copies from global to shared memory, but {' and '.join(spaces)}")
    if target.itemsize != source.itemsize:
        raise DoesNotCompile(f"copy_async copies bytes: {source.dtype.name} do not become {target.dtype.name}")


def translated(translator, node, primitive):
    """The translation of commit_copies and wait_copies; None for any other primitive."""
    if primitive is commit_copies:
        return lambda frame: frame.machine.copies.commit(frame.active)
    if primitive is not wait_copies:
        return None
    latest = translator.known(node.args[0]) if len(node.args) == 1 else None
    if type(latest) is not int or latest < 0:
        translator.reject(node, "wait_copies takes one number known before the kernel runs, 0 or more")
    return lambda frame: frame.machine.copies.wait(frame.active, latest)
