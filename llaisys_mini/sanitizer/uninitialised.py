"""Arrays in global memory that are not initialised yet, so that reading them is a finding.

An element counts as uninitialised until a kernel or the host writes it. A write by the host is seen by its bytes: they
differ from what they were when the array was registered.
"""

import weakref

import numpy as np


class Uninitialised:
    """One registered array, C-contiguous."""

    def __init__(self, array: np.ndarray):
        self._array = weakref.ref(array)
        self.address = array.__array_interface__["data"][0]
        self.nbytes = array.nbytes
        self.before = _bytes(array).copy()
        self.written = np.zeros(array.nbytes, bool)

    @property
    def array(self) -> np.ndarray | None:
        """None when it is gone."""
        return self._array()

    def overlap(self, start: int, end: int) -> tuple[int, int] | None:
        """Which of its bytes lie between two addresses."""
        if self.array is None:
            return None
        first, last = max(start, self.address), min(end, self.address + self.nbytes)
        return (first - self.address, last - self.address) if first < last else None

    def unset(self, first: int, last: int, itemsize: int) -> np.ndarray:
        """Which elements between its bytes `first` and `last` are uninitialised."""
        part = slice(first, last)
        untouched = ~self.written[part] & (_bytes(self.array)[part] == self.before[part])
        return untouched.reshape(-1, itemsize).all(axis=1)


class Registry:
    """The arrays registered so far; those that are gone are forgotten."""

    def __init__(self):
        self._entries: list[Uninitialised] = []

    def add(self, array: np.ndarray) -> None:
        self._entries = [entry for entry in self._entries if entry.array is not None]
        self._entries.append(Uninitialised(array))

    def forget(self, array: np.ndarray) -> None:
        """Count all elements of an array that was added as initialised."""
        self._entries = [entry for entry in self._entries if entry.array is not array]

    def unset(self, start: int, end: int, itemsize: int) -> np.ndarray | None:
        """Which elements of the memory between two addresses are uninitialised; None if there are none."""
        result = None
        for entry in self._entries:
            span = entry.overlap(start, end)
            if span is None:
                continue
            part = entry.unset(*span, itemsize)
            if result is None:
                result = np.zeros((end - start) // itemsize, bool)
            first = (entry.address + span[0] - start) // itemsize
            result[first : first + len(part)] |= part
        return result if result is not None and result.any() else None

    def note(self, start: int, end: int, written: np.ndarray, itemsize: int) -> None:
        """A launch has written these elements of the memory between two addresses."""
        for entry in self._entries:
            span = entry.overlap(start, end)
            if span is not None:
                first = (entry.address + span[0] - start) // itemsize
                count = (span[1] - span[0]) // itemsize
                entry.written[span[0] : span[1]] |= np.repeat(written[first : first + count], itemsize)


def _bytes(array):
    return array.reshape(-1).view(np.uint8)


registry = Registry()
"""The one registry: `cuda.device_array` and `sanitized(outputs=...)` add to it."""
