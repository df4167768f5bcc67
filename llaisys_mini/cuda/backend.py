"""What a course's device must be able to do besides running kernels: devices, streams, events, memory, copies.

`Backend` is the interface, in the shape of LLAISYS's runtime API. `CudaBackend` asks numba-cuda's driver layer for it;
`HostBackend` is ordinary memory, for machines without a device. Another chip would be one more class here.
"""

import ctypes
import time
from abc import ABC, abstractmethod
from enum import Enum

import numpy as np

from llaisys_mini.errors import DeviceError


class Copy(Enum):
    """From where to where memory is copied."""

    HOST_TO_HOST = "host to host"
    HOST_TO_DEVICE = "host to device"
    DEVICE_TO_HOST = "device to host"
    DEVICE_TO_DEVICE = "device to device"


class Backend(ABC):
    """One kind of device. Host memory is uint8 NumPy arrays; streams, events and device memory are its own."""

    name: str

    @abstractmethod
    def device_count(self) -> int:
        """How many devices there are."""

    @abstractmethod
    def set_device(self, number: int) -> None:
        """All that follows concerns this device. Raises DeviceError if there is no such device."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until the device has done all it was asked to."""

    @abstractmethod
    def create_stream(self):
        """A new queue of work; work of different streams may overlap."""

    @abstractmethod
    def synchronize_stream(self, stream) -> None:
        """Wait until the stream's work is done."""

    @abstractmethod
    def create_event(self):
        """A mark that can be put into a stream."""

    @abstractmethod
    def record_event(self, event, stream=None) -> None:
        """Put the mark behind the work that the stream holds now."""

    @abstractmethod
    def synchronize_event(self, event) -> None:
        """Wait until the stream has passed the mark."""

    @abstractmethod
    def elapsed_milliseconds(self, start, end) -> float:
        """Time between two events that have passed."""

    @abstractmethod
    def malloc_device(self, nbytes: int):
        """Device memory, not set. Raises DeviceError if there is not enough."""

    @abstractmethod
    def free_device(self, memory) -> None:
        """Give device memory back."""

    @abstractmethod
    def malloc_host(self, nbytes: int) -> np.ndarray:
        """Host memory that the device can copy from and to without a detour (page-locked), as uint8."""

    @abstractmethod
    def memcpy(self, target, source, nbytes: int, kind: Copy) -> None:
        """Copy, and wait until it is done."""

    @abstractmethod
    def memcpy_async(self, target, source, nbytes: int, kind: Copy, stream) -> None:
        """Queue a copy in a stream. The host memory must stay as it is until the stream has done it."""

    @abstractmethod
    def memory_info(self) -> tuple[int, int]:
        """(free, total) bytes of the device's memory."""


class CudaBackend(Backend):
    """NVIDIA devices through the driver layer of numba-cuda."""

    name = "cuda"

    def __init__(self):
        from numba import cuda
        from numba.cuda.cudadrv import driver

        self._cuda, self._driver = cuda, driver

    def device_count(self) -> int:
        return len(self._cuda.gpus)

    def set_device(self, number: int) -> None:
        if not 0 <= number < self.device_count():
            raise DeviceError(f"there is no CUDA device {number}: this machine has {self.device_count()}, from 0 on")
        self._cuda.select_device(number)

    def synchronize(self) -> None:
        self._cuda.synchronize()

    def create_stream(self):
        return self._cuda.stream()

    def synchronize_stream(self, stream) -> None:
        stream.synchronize()

    def create_event(self):
        return self._cuda.event()

    def record_event(self, event, stream=None) -> None:
        event.record(stream or 0)

    def synchronize_event(self, event) -> None:
        event.synchronize()

    def elapsed_milliseconds(self, start, end) -> float:
        return float(self._cuda.event_elapsed_time(start, end))

    def malloc_device(self, nbytes: int):
        try:
            return self._cuda.current_context().memalloc(nbytes)
        except self._driver.CudaAPIError as problem:
            free, total = self.memory_info()
            raise DeviceError(
                f"{nbytes / 2**20:,.0f} MiB of device memory asked for, but only {free / 2**20:,.0f} of "
                f"{total / 2**20:,.0f} MiB are free"
            ) from problem

    def free_device(self, memory) -> None:
        memory.free()

    def malloc_host(self, nbytes: int) -> np.ndarray:
        return self._cuda.pinned_array(nbytes, np.uint8)

    def memcpy(self, target, source, nbytes: int, kind: Copy) -> None:
        self._copy(target, source, nbytes, kind, 0)
        self.synchronize()

    def memcpy_async(self, target, source, nbytes: int, kind: Copy, stream) -> None:
        self._copy(target, source, nbytes, kind, stream)

    def _copy(self, target, source, nbytes, kind, stream):
        if kind is Copy.HOST_TO_HOST:
            target[:nbytes] = source[:nbytes]
            return
        copy = {
            Copy.HOST_TO_DEVICE: self._driver.host_to_device,
            Copy.DEVICE_TO_HOST: self._driver.device_to_host,
            Copy.DEVICE_TO_DEVICE: self._driver.device_to_device,
        }[kind]
        copy(target, source, nbytes, stream)

    def memory_info(self) -> tuple[int, int]:
        free, total = self._cuda.current_context().get_memory_info()
        return int(free), int(total)


class HostBackend(Backend):
    """Ordinary memory in the place of a device. Everything is done at once, so streams and events order nothing."""

    name = "host"

    def device_count(self) -> int:
        return 0

    def set_device(self, number: int) -> None:
        if number != 0:
            raise DeviceError(
                f"there is no CUDA device {number}: this machine has none, and the sanitizer stands in for 0"
            )

    def synchronize(self) -> None:
        pass

    def create_stream(self):
        return 0

    def synchronize_stream(self, stream) -> None:
        pass

    def create_event(self):
        return [float("nan")]

    def record_event(self, event, stream=None) -> None:
        event[0] = time.perf_counter()

    def synchronize_event(self, event) -> None:
        pass

    def elapsed_milliseconds(self, start, end) -> float:
        return (end[0] - start[0]) * 1e3

    def malloc_device(self, nbytes: int) -> np.ndarray:
        return np.empty(nbytes, np.uint8)

    def free_device(self, memory) -> None:
        pass

    def malloc_host(self, nbytes: int) -> np.ndarray:
        return np.empty(nbytes, np.uint8)

    def memcpy(self, target, source, nbytes: int, kind: Copy) -> None:
        if nbytes > min(target.nbytes, source.nbytes):
            raise DeviceError(f"{nbytes} bytes to copy {kind.value}, from {source.nbytes} to {target.nbytes}")
        ctypes.memmove(target.ctypes.data, source.ctypes.data, nbytes)

    def memcpy_async(self, target, source, nbytes: int, kind: Copy, stream) -> None:
        self.memcpy(target, source, nbytes, kind)

    def memory_info(self) -> tuple[int, int]:
        import os

        pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        return pages * size, os.sysconf("SC_PHYS_PAGES") * size
