"""Outputs that no launch has written everywhere: which elements, by which kernel, and with how many threads."""

from typing import Any

import numpy as np

from llaisys_mini.sanitizer import findings
from llaisys_mini.sanitizer.findings import Finding
from llaisys_mini.sanitizer.uninitialised import registry


class Writers:
    """The kernels that wrote arrays in global memory: by the addresses where the memory begins and ends."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], tuple[str, Any, int]] = {}

    def note(self, memory, start: int, kernel, threads: int) -> None:
        """A launch of so many threads may have written this memory."""
        self._last[start, start + memory.cells.nbytes] = (memory.name, kernel, threads)

    def finding(self, array: np.ndarray) -> Finding | None:
        """What is said about an output that was not written everywhere; None if it was, or if no kernel had it."""
        start = array.__array_interface__["data"][0]
        unset = registry.unset(start, start + array.nbytes, array.itemsize) if array.nbytes else None
        by = [of for (first, end), of in self._last.items() if first < start + array.nbytes and start < end]
        if unset is None or not by:
            return None
        name, kernel, threads = by[-1]
        count, first = int(np.count_nonzero(unset)), int(np.argmax(unset))
        where = ", ".join(map(str, np.unravel_index(first, array.shape)))
        few = f"; the launch has {threads} threads" if threads < array.size else ""
        message = f"{count} of the {array.size} elements of {name} are never written, the first is {name}[{where}]{few}"
        code = kernel.py_func.__code__
        return Finding(findings.UNWRITTEN, message, kernel.__name__, code.co_filename, code.co_firstlineno)
