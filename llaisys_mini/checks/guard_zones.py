"""Guard zones: memory around arrays that shows what a CPU kernel writes out of bounds.

Numba does not check indices. A kernel that writes past the end of an array overwrites whatever lies there, and Python
crashes a moment later without a message. A write into a guard zone is found afterwards; a read from one gives NaN.

Each array has a near zone on both sides. What goes further ends in the far zone: addresses before, between and behind
the arrays that are reserved without memory. The system tells which pages of it were touched. Where the addresses cannot
be had, as in a process whose address space is limited, only the near zones remain.
"""

import contextlib
import ctypes
import mmap
import sys
from functools import cache

import numpy as np

_BYTES = 1 << 16  # of a near zone
_NAN = 0xFF  # each byte, around inputs: NaN as floats, -1 as integers
_MARK = 0xA5  # around outputs: a NaN that is written there is to be seen as well

_BEFORE, _BETWEEN, _BEHIND = 1 << 30, 1 << 28, 8 << 30  # bytes of the far zone; behind, as far as int32 counts float32
_MOST_ARRAYS = 16

REACH = 31
"""An index below 2**REACH, into numbers of up to four bytes, ends within the far zone; one below zero by 2**27."""

FAR = "the kernel reads or writes far outside of its arrays"


class GuardZones:
    """Copies of arrays, each between two guard zones."""

    def __init__(self):
        self._areas: list[tuple[str, int, np.ndarray, np.ndarray]] = []  # name, byte, all bytes, the copy
        self._far: np.ndarray | None = None
        if _touches_are_told():
            with contextlib.suppress(OSError, ValueError):  # not so many addresses
                self._far = _reserved(_BEFORE + _MOST_ARRAYS * _BETWEEN + _BEHIND)

    def around(self, name: str, array: np.ndarray, is_output: bool = False) -> np.ndarray:
        """A C-contiguous copy of `array` between guard zones. name: what `overrun` is to call it."""
        byte = _MARK if is_output else _NAN
        area = self._memory(array.nbytes + 2 * _BYTES)
        area[...] = byte
        copy = area[_BYTES : _BYTES + array.nbytes].view(array.dtype).reshape(array.shape)
        copy[...] = array
        self._areas.append((name, byte, area, copy))
        return copy

    def _memory(self, nbytes: int) -> np.ndarray:
        start = _BEFORE + len(self._areas) * _BETWEEN
        if self._far is None or len(self._areas) == _MOST_ARRAYS or nbytes > _BETWEEN // 2:
            return np.empty(nbytes, np.uint8)
        return self._far[start : start + nbytes]

    def around_call(self, operator, inputs: dict, outputs: list[np.ndarray]) -> tuple[dict, list[np.ndarray]]:
        """The inputs and outputs of one call, each array a copy between guard zones; numbers and None as they are."""
        # Outputs first: what is written out of their bounds is reported first.
        outputs = [self.around(n, v, is_output=True) for n, v in zip(operator.outputs, outputs, strict=True)]
        return {n: self.around(n, v) if isinstance(v, np.ndarray) else v for n, v in inputs.items()}, outputs

    def overrun(self) -> list[str]:
        """What was written out of bounds of each array, nearest element first, as sentences without a full stop."""
        found = []
        for name, byte, area, copy in self._areas:
            before = np.flatnonzero(area[:_BYTES] != byte)
            behind = np.flatnonzero(area[_BYTES + copy.nbytes :] != byte)
            shape = f"{name} {copy.shape} has {copy.size} elements"
            if behind.size:
                element = copy.size + int(behind[0]) // copy.itemsize
                found.append(f"{shape}, and the kernel wrote to element {element}, counted from 0: past the end")
            if before.size:
                element = -(-(_BYTES - int(before[-1])) // copy.itemsize)
                found.append(f"{shape}, and the kernel wrote {element} elements before the first")
        if self._far is not None and self._is_far_touched():
            found.append(FAR)
        return found

    def _is_far_touched(self) -> bool:
        assert self._far is not None
        pages = _touched(self._far)
        for _, _, area, _ in self._areas:
            first = (area.ctypes.data - self._far.ctypes.data) // mmap.PAGESIZE
            if first >= 0:
                pages[first : first + -(-len(area) // mmap.PAGESIZE)] = 0
        return bool(pages.any())


def _reserved(size: int) -> np.ndarray:
    """Bytes that take no memory before they are touched. Raises OSError or ValueError if they cannot be had."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | (_NO_RESERVE if sys.platform == "linux" else 0)
    area = mmap.mmap(-1, size, flags=flags)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        area.madvise(mmap.MADV_NOHUGEPAGE)  # else a touch would take 2 MB
    return np.frombuffer(area, np.uint8)


_NO_RESERVE = 0x4000  # MAP_NORESERVE, which Python's mmap names from 3.13 on


def _touched(area: np.ndarray) -> np.ndarray:
    """For each page of reserved bytes, not 0 if it was touched. Raises OSError if the system does not tell."""
    pages = np.zeros(len(area) // mmap.PAGESIZE, np.uint8)
    mincore = ctypes.CDLL(None).mincore
    failed = mincore(ctypes.c_void_p(area.ctypes.data), ctypes.c_size_t(len(area)), ctypes.c_void_p(pages.ctypes.data))
    if failed:
        raise OSError("mincore")
    return pages


@cache
def _touches_are_told() -> bool:
    """Whether this system tells truly which pages were touched; some say so of all of them."""
    try:
        area = _reserved(4 * mmap.PAGESIZE)
        area[2 * mmap.PAGESIZE] = 1
        return (_touched(area) != 0).tolist() == [False, False, True, False]
    except (OSError, ValueError, AttributeError):
        return False
