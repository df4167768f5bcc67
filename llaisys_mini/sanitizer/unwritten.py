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
        if _is_past_the_blocks(unset.reshape(array.shape)):
            few += ". Is the number of blocks rounded down? (n + 15) // 16 rounds up"
        message = f"{count} of the {array.size} elements of {name} are never written, the first is {name}[{where}]{few}"
        code = kernel.py_func.__code__
        return Finding(findings.UNWRITTEN, message, kernel.__name__, code.co_filename, code.co_firstlineno)


def _is_past_the_blocks(unset: np.ndarray) -> bool:
    """Whether what was written is a box at the beginning that ends at whole blocks, as too small a grid leaves it."""
    written = [
        np.flatnonzero(~unset.all(axis=tuple(other for other in range(unset.ndim) if other != axis)))
        for axis in range(unset.ndim)
    ]
    sides = [len(places) for places in written]
    if 0 in sides or np.count_nonzero(~unset) != np.prod(sides) or any(p[-1] >= len(p) for p in written):
        return False
    cut = [side for side, length in zip(sides, unset.shape, strict=True) if side < length]
    return bool(cut) and all(side % _SMALLEST_BLOCK == 0 for side in cut)


_SMALLEST_BLOCK = 8  # threads along one side
