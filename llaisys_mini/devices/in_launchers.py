"""What a launcher may ask of the device that runs it, under Numba's names: new arrays, copies, waiting.

Outside a launcher, as in a lecture, they mean "cuda": the GPU, or the sanitizer where there is none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from llaisys_mini.cuda.launching import launching_device


def device_array(shape, dtype=np.float32) -> Any:
    """An uninitialised array for kernels. Under the sanitizer, reading one before it is written is found."""
    return launching_device().new_array(shape, dtype)


def to_device(array: np.ndarray) -> Any:
    """A copy of `array` for kernels."""
    return launching_device().copy_of(array)


def device_array_like(array: Any) -> Any:
    """An uninitialised array of the shape and dtype of `array`."""
    return device_array(array.shape, array.dtype)


def pinned_array(shape, dtype=np.float32) -> np.ndarray:
    """An array of the host to copy from and to. Ordinary memory: right everywhere, and slower to copy than pinned."""
    return np.empty(shape, dtype)


def stream() -> Any:
    """A queue of work, for `kernel[blocks, threads, stream]`. Under the sanitizer everything is done at once."""
    return launching_device().stream() or FinishedStream()


class FinishedStream:
    """A stream of a device that does everything at once."""

    def synchronize(self) -> None:
        """Nothing to wait for."""

    @contextmanager
    def auto_synchronize(self) -> Iterator["FinishedStream"]:
        """Within this context work is put into the stream; at its end the stream is finished."""
        yield self


class LauncherEvent:
    """A mark in a stream, under Numba's names."""

    def __init__(self) -> None:
        self.mark = launching_device().event()

    def record(self, stream: Any = 0) -> None:
        """Put the mark behind the work that the stream holds now."""
        self.mark.record(None if stream == 0 or isinstance(stream, FinishedStream) else stream)

    def synchronize(self) -> None:
        """Wait until the stream has passed the mark."""
        self.mark.synchronise()

    def elapsed_time(self, end: "LauncherEvent") -> float:
        """Milliseconds from this event to `end`."""
        return event_elapsed_time(self, end)


def event(timing: bool = True) -> LauncherEvent:
    """A new event."""
    return LauncherEvent()


def event_elapsed_time(start: LauncherEvent, end: LauncherEvent) -> float:
    """Milliseconds between two events that have passed. Under the sanitizer they say nothing about a GPU."""
    return end.mark.milliseconds_since(start.mark)


def synchronize() -> None:
    """Wait until the device has finished all its work; nothing to wait for under the sanitizer."""
    launching_device().synchronise()
