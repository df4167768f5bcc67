"""One call of a kernel or device function: its variables, and which lanes are executing.

Lanes leave by `return`, `break` and `continue`, and split at an `if` whose condition differs between them. While some
lanes are away, an assignment must not touch their variables. Two rules make that cheap:

- within a *region* (the body of a split `if`) the lanes outside it execute nothing, so a variable is simply
  overwritten, and the outsiders get their old value back when the region ends;
- within a region, an assignment by fewer lanes than the region still has is merged element by element.
"""

import numpy as np

from llaisys_mini.sanitizer import values
from llaisys_mini.sanitizer.findings import UnsupportedInKernel
from llaisys_mini.sanitizer.lanes import Active
from llaisys_mini.sanitizer.views import View

MISSING = object()


class Region:
    """size: lanes that entered and have not returned; saved: what assigned variables held before."""

    __slots__ = ("saved", "size")

    def __init__(self, size: int):
        self.size = size
        self.saved: dict[str, object] = {}


class Loop:
    """broken, continued: the lanes that left the body of the innermost loop, and how."""

    __slots__ = ("broken", "continued")

    def __init__(self, no_lanes: Active):
        self.broken = self.continued = no_lanes


class Frame:
    """variables by name; active: the lanes executing now; partial: variables that only some lanes have, and which."""

    __slots__ = ("active", "loops", "machine", "partial", "regions", "returned", "variables")

    def __init__(self, machine, variables: dict[str, object], active: Active):
        self.machine = machine
        self.variables = variables
        self.active = active
        self.regions = [Region(active.size)]
        self.loops: list[Loop] = []
        self.returned: list[tuple[Active, object]] = []
        self.partial: dict[str, np.ndarray] = {}

    def assign(self, name: str, value) -> None:
        """`name = value` for the active lanes."""
        region = self.regions[-1]
        old = self.variables.get(name, MISSING)
        region.saved.setdefault(name, old)
        if self.active.size != region.size:
            if old is MISSING:
                self.partial[name] = self.active.bits
            else:
                value = merged(self.active.bits, value, old)
        if name in self.partial:
            self.partial[name] = self.partial[name] | self.active.bits
        self.variables[name] = value

    def lanes_without(self, name: str) -> np.ndarray | None:
        """Which active lanes have no value of a variable that others have; None if all have one."""
        defined = self.partial.get(name)
        if defined is None:
            return None
        without = self.active.bits & ~defined
        return without if without.any() else None

    def split(self, condition: np.ndarray, body, orelse) -> None:
        """Run `body` for the lanes where condition holds, then `orelse` for the others."""
        before = self.active
        chosen = before.only(condition)
        if chosen.size == before.size:
            body(self)
            return
        if not chosen.size:
            orelse(self)
            return
        others = before.without(chosen)
        first = self._in_region(chosen, body)
        second = self._in_region(others, orelse)
        self.rejoin(before, first, second)

    def _in_region(self, lanes: Active, body) -> Active:
        """Run body for these lanes. Returns those that arrive at its end."""
        self.active = lanes
        region = Region(lanes.size)
        self.regions.append(region)
        body(self)
        self.regions.pop()
        outer = self.regions[-1]
        for name, old in region.saved.items():
            outer.saved.setdefault(name, old)
            if old is MISSING:
                self.partial.setdefault(name, lanes.bits)
            else:
                self.variables[name] = merged(lanes.bits, self.variables[name], old)
        return self.active

    def rejoin(self, before: Active, *parts: Active) -> None:
        """Go on with all lanes of `parts`, which were in `before`."""
        together = parts[0]
        for part in parts[1:]:
            together = together.united(part)
        self.active = before if together.size == before.size else together

    def give_back(self, value) -> None:
        """The active lanes return `value`."""
        self.returned.append((self.active, value))
        for region in self.regions:
            region.size -= self.active.size
        self.active = self.active.resident.no_lanes

    def result(self):
        """What the call returned, per lane."""
        if not self.returned:
            return None
        (_, result), *later = self.returned
        for lanes, value in later:
            result = merged(lanes.bits, value, result)
        return result


def merged(bits: np.ndarray, new, old):
    """`new` for the lanes of `bits`, `old` for all others."""
    if new is old:
        return new
    if isinstance(new, values.NUMBERS) and isinstance(old, values.NUMBERS):
        if type(new) is type(old) and type(new) is not np.ndarray and new == old:
            return new
        first, second = values.dtype_of(new), values.dtype_of(old)
        if first != second:
            common = first if {first.kind, second.kind} == {"f"} and first == second else np.result_type(first, second)
            new, old = values.cast(new, common), values.cast(old, common)
        return np.where(bits, new, old)
    if type(new) is tuple and type(old) is tuple and len(new) == len(old):
        return tuple(merged(bits, one, other) for one, other in zip(new, old, strict=True))
    if type(new) is View and type(old) is View and new.memory is old.memory:
        if (new.shape, new.strides) == (old.shape, old.strides):
            return View(new.memory, np.where(bits, new.offset, old.offset), new.shape, new.strides)
    if new is None and old is None:
        return None
    raise UnsupportedInKernel(
        f"a variable or result is {_kind(old)} for some threads and {_kind(new)} for others; it must be of one kind"
    )


def _kind(value):
    return f"the array {value.memory.name}" if type(value) is View else type(value).__name__
