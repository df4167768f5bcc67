"""A second chip, as small as one can be: memory that the host cannot look at, kernels that only its launch can reach.

It runs the CUDA kernels through the sanitizer's interpreter. What matters is the distance: its buffers and arrays raise
on any access from the host, and every byte that crosses over is counted.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from llaisys_mini import sanitizer
from llaisys_mini.devices import Device

_inside: list[bool] = []  # not empty while the chip itself is at work


class OutOfReach(Exception):
    """The host looked at the chip's memory."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise OutOfReach("this memory is the chip's")


class _Guarded:
    """Something on the chip: whatever the host would do with numbers raises."""

    __slots__ = ("_hidden",)
    __array__ = __getitem__ = __setitem__ = __len__ = __iter__ = __contains__ = _refuse
    __float__ = __int__ = __index__ = __bool__ = __add__ = __mul__ = __eq__ = _refuse
    __hash__ = object.__hash__

    def __init__(self, hidden: np.ndarray):
        self._hidden = hidden

    def open(self) -> np.ndarray:
        """The numbers, for the chip alone."""
        if not _inside:
            _refuse()
        return self._hidden


class ChipBuffer(_Guarded):
    """A run of bytes on the chip."""


class ChipArray(_Guarded):
    """What a launcher is handed: it may ask for form, reshape, slice, and hand it on to a kernel."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self._hidden.shape

    @property
    def dtype(self) -> np.dtype:
        return self._hidden.dtype

    @property
    def size(self) -> int:
        return self._hidden.size

    def reshape(self, *shape: Any) -> "ChipArray":
        return ChipArray(self._hidden.reshape(*shape))


class ToyChip(Device):
    """Counts `up` and `down`, the bytes of each copy from and to the host, and `launches` of kernels."""

    name, kernels = "toy", "cuda"

    def __init__(self) -> None:
        self.up: list[int] = []
        self.down: list[int] = []
        self.launches = 0

    def allocate(self, nbytes: int) -> ChipBuffer:
        return ChipBuffer(np.full(nbytes, 0xFF, np.uint8))

    def upload(self, values: np.ndarray, buffer: ChipBuffer, offset: int = 0, stream: Any = None) -> None:
        self.up.append(values.nbytes)
        self._at_work(lambda: self._put(values, buffer, offset))

    def _put(self, values: np.ndarray, buffer: ChipBuffer, offset: int) -> None:
        buffer.open()[offset : offset + values.nbytes] = np.ascontiguousarray(values).reshape(-1).view(np.uint8)

    def download(self, buffer: ChipBuffer, offset: int, nbytes: int) -> np.ndarray:
        self.down.append(nbytes)
        return self._at_work(lambda: buffer.open()[offset : offset + nbytes].copy())

    def copy(self, source, source_offset, target, target_offset, nbytes, stream=None) -> None:
        self._at_work(lambda: self._put(source.open()[source_offset : source_offset + nbytes], target, target_offset))

    def array(self, buffer: ChipBuffer, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> ChipArray:
        return ChipArray(self._at_work(lambda: np.ndarray(shape, dtype, buffer.open(), offset)))

    def memory_info(self) -> tuple[int, int]:
        return 1 << 30, 1 << 30

    def launcher(self, kernel: Any, configuration: Any) -> Callable:
        run = sanitizer.launcher(kernel, configuration)

        def launch(*arguments: Any) -> None:
            self.launches += 1
            self._at_work(lambda: run(*(a.open() if isinstance(a, ChipArray) else a for a in arguments)))

        return launch

    def _at_work(self, work: Callable) -> Any:
        _inside.append(True)
        try:
            return work()
        finally:
            _inside.pop()
