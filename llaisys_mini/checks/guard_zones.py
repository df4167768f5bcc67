"""Guard zones: memory on both sides of an array that shows what a CPU kernel writes out of bounds.

Numba does not check indices. A kernel that writes past the end of an array overwrites whatever lies there, and Python
crashes a moment later without a message. A write into a guard zone is found afterwards; a read from one gives NaN.
"""

import numpy as np

_BYTES = 1 << 16  # on each side
_NAN = 0xFF  # each byte, around inputs: NaN as floats, -1 as integers
_MARK = 0xA5  # around outputs: a NaN that is written there is to be seen as well


class GuardZones:
    """Copies of arrays, each between two guard zones."""

    def __init__(self):
        self._areas: list[tuple[str, int, np.ndarray, np.ndarray]] = []  # name, byte, all bytes, the copy

    def around(self, name: str, array: np.ndarray, is_output: bool = False) -> np.ndarray:
        """A C-contiguous copy of `array` between guard zones. name: what `overrun` is to call it."""
        byte = _MARK if is_output else _NAN
        area = np.full(array.nbytes + 2 * _BYTES, byte, np.uint8)
        copy = area[_BYTES : _BYTES + array.nbytes].view(array.dtype).reshape(array.shape)
        copy[...] = array
        self._areas.append((name, byte, area, copy))
        return copy

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
        return found
