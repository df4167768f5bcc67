"""What a device must be able to do: hold memory, keep work in order, and run kernels. One small class per chip.

Everything above (tensors, operators, the cache, the decoder) speaks to devices through `Device` and asks no other
question. The words are those of LLAISYS's runtime API. docs/devices.md tells how another chip joins.

A *buffer* is a run of bytes on the device, a *stream* a queue of work, an *event* a mark in a stream. What they are
is the device's own affair: they are only handed back to it.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import numpy as np

from llaisys_mini.cuda.launching import launching
from llaisys_mini.errors import DeviceError


class Device(ABC):
    """One chip.

    name: how users call it: "cpu", "cuda", ...
    kernels: the folder of a kernel set whose kernels it runs, `solutions/kernels/<kernels>/`.
    calls_kernels: whether to launch a kernel is nothing but to call it.
    on_host: whether its memory is the computer's own, so that numbers can be looked at without a copy.
    records: whether launches can be recorded and played again, with `recording`.
    """

    name: str
    kernels: str
    has_tensor_cores = True  # for bfloat16; what only interprets kernels computes what they would
    calls_kernels = False
    on_host = False
    records = False

    # ---- memory ----------------------------------------------------------------------------------------------

    @abstractmethod
    def allocate(self, nbytes: int) -> Any:
        """A new buffer, its bytes not set; freed when nothing refers to it. Raises DeviceError where none is left."""

    @abstractmethod
    def upload(self, values: np.ndarray, buffer: Any, offset: int = 0, stream: Any = None) -> None:
        """Copy the numbers of `values`, in C order, into `buffer` from byte `offset` on."""

    @abstractmethod
    def download(self, buffer: Any, offset: int, nbytes: int) -> np.ndarray:
        """A copy of these bytes as uint8 [nbytes]. Waits until the kernels before it have run."""

    @abstractmethod
    def copy(self, source: Any, source_offset: int, target: Any, target_offset: int, nbytes: int, stream: Any = None):
        """Copy bytes within the device, behind the work that was asked for before."""

    @abstractmethod
    def array(self, buffer: Any, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """What a kernel is handed for a C-contiguous array over the bytes of `buffer` from `offset` on."""

    @abstractmethod
    def memory_info(self) -> tuple[int, int]:
        """(free, total) bytes of its memory."""

    # ---- order -----------------------------------------------------------------------------------------------

    def stream(self) -> Any:
        """A new stream. A device that does everything at once needs none."""
        return None

    def event(self) -> "Event":
        """A mark that can be put into a stream."""
        return Event()

    def synchronise(self, stream: Any = None) -> None:  # noqa: B027 - nothing to wait for is a fine answer
        """Wait until the stream, or without one the device, has done all it was asked to."""

    # ---- kernels ---------------------------------------------------------------------------------------------

    @abstractmethod
    def launcher(self, kernel: Any, configuration: Any) -> Callable:
        """What `kernel[configuration]` is here for a kernel under `@cuda.jit`: a function of its arguments."""

    def launch(self, function: Callable, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Call a kernel of the folder `kernels` with arrays of this device. Whatever it launches is run here."""
        token = launching.set(self)
        try:
            function(*inputs, *outputs)
        finally:
            launching.reset(token)

    def run(self, function: Callable, inputs: Sequence[Any], outputs: Sequence[np.ndarray]) -> None:
        """`launch` on copies of host arrays: `outputs`, and whatever the kernel changed, come back into them."""
        hosts = [value for value in [*inputs, *outputs] if isinstance(value, np.ndarray)]
        copies = {id(value): self._copied(value) for value in hosts}
        there = [copies[id(value)][1] if id(value) in copies else value for value in [*inputs, *outputs]]
        self.launch(function, there[: len(inputs)], there[len(inputs) :])
        self.synchronise()
        for value in hosts:
            if value.flags.writeable:
                back = self.download(copies[id(value)][0], 0, value.nbytes)
                value[...] = back.view(value.dtype).reshape(value.shape)

    def _copied(self, value: np.ndarray) -> tuple[Any, Any]:
        buffer = self.allocate(value.nbytes)
        self.upload(value, buffer)
        return buffer, self.array(buffer, 0, value.shape, value.dtype)

    def new_array(self, shape: int | Sequence[int], dtype: Any = np.float32) -> Any:
        """An array for kernels, its elements not set: `cuda.device_array` while a launcher runs on this device."""
        sizes, dtype = tuple(int(n) for n in np.atleast_1d(shape)), np.dtype(dtype)
        return self.array(self.allocate(math.prod(sizes) * dtype.itemsize), 0, sizes, dtype)

    def copy_of(self, values: np.ndarray) -> Any:
        """A copy of a host array for kernels: `cuda.to_device` while a launcher runs on this device."""
        return self._copied(np.ascontiguousarray(values))[1]

    def recording(self) -> AbstractContextManager["Recording"]:
        """Within this context launches are not run but recorded. They are run each time the Recording is played, on the
        arrays that they were given; memory that is allocated here stays theirs as long as the Recording lives.

        What needs the numbers of the moment, a copy from the host or to it, or waiting, raises DeviceError here.
        Only where `records`.
        """
        raise DeviceError(f"launches on {self.name} cannot be recorded")

    def narrow(self, source: Any, target: Any) -> None:
        """Round float32 numbers to 16 bits without leaving the device. target: as kernels see it, uint16 for bfloat16
        and int16 for float16 (see dtypes)."""
        from llaisys_mini.cuda.narrow import narrow

        self.launch(narrow, (source,), (target,))

    def __repr__(self) -> str:
        return f"<device {self.name}: {type(self).__name__}>"


class Recording(ABC):
    """Launches that were recorded."""

    @abstractmethod
    def play(self) -> None:
        """Run them all, in their order, behind the work that was asked for before."""


_records_now: ContextVar[bool] = ContextVar("records launches", default=False)


def is_recording() -> bool:
    """Whether this thread records launches now."""
    return _records_now.get()


@contextmanager
def records_launches() -> Iterator[None]:
    """For devices: within this context `is_recording`."""
    token = _records_now.set(True)
    try:
        yield
    finally:
        _records_now.reset(token)


def refuse_in_recording(what: str) -> None:
    """Raises DeviceError where launches are recorded."""
    if _records_now.get():
        raise DeviceError(f"a launcher {what}, which only counts for the moment and cannot be recorded")


_chosen: ContextVar[Mapping[str, Device]] = ContextVar("devices", default=MappingProxyType({}))


def chosen_devices() -> Mapping[str, Device]:
    """The devices that `use_device` put in force here, by name."""
    return _chosen.get()


@contextmanager
def use_device(device: Device) -> Iterator[Device]:
    """Within this context `device` answers to its name. Other threads do not see it."""
    token = _chosen.set({**_chosen.get(), device.name: device})
    try:
        yield device
    finally:
        _chosen.reset(token)


class Event:
    """A mark in a stream of a device that does everything at once."""

    def __init__(self):
        self._seconds = math.nan

    def record(self, stream: Any = None) -> None:
        """Put the mark behind the work that the stream holds now."""
        self._seconds = time.perf_counter()

    def synchronise(self) -> None:
        """Wait until the stream has passed the mark."""

    def milliseconds_since(self, earlier: "Event") -> float:
        """Time between two events that have passed."""
        return (self._seconds - earlier._seconds) * 1e3


def full(asked: int, free: int, total: int) -> DeviceError:
    """The error of an allocation that does not fit."""
    mib = 2**20
    return DeviceError(
        f"the device's memory is full: {asked / mib:,.0f} MiB asked for, {free / mib:,.0f} of {total / mib:,.0f} MiB "
        "free; use a smaller model or --dtype bfloat16"
    )
