"""An NVIDIA GPU, through the driver layer of numba-cuda.

Freed buffers are kept and given out again: a decoder asks for the same few sizes for every token, and the driver's own
allocation waits for the device. All kernels go to one stream unless a launch names another, so a buffer that Python
has let go of is written again only after the kernels that were launched with it.
"""

import ctypes
import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from llaisys_mini.cuda import availability
from llaisys_mini.devices.cuda_array import CudaArray
from llaisys_mini.devices.cuda_graph import CaptureStream, CudaGraph
from llaisys_mini.devices.cuda_launches import Launches
from llaisys_mini.devices.device import Device, Event, full, records_launches, refuse_in_recording
from llaisys_mini.devices.faults import Faults
from llaisys_mini.errors import DeviceError

_STEP = 512  # bytes; what the driver aligns to


class Buffer:
    """A run of bytes on the device. `pointer` is the driver's."""

    __slots__ = ("__weakref__", "address", "nbytes", "pointer")

    def __init__(self, nbytes: int, pointer: Any):
        self.nbytes = nbytes
        self.pointer = pointer
        self.address = int(pointer.device_pointer)


_Pool = dict[int, list]
"""Size in bytes -> memory that nothing refers to."""


class _OfThread(threading.local):
    """What a thread that records has of its own: the stream of its launches, and the memory for its results."""

    stream = 0
    pool: _Pool | None = None


class Cuda(Device):
    """The GPU that Numba's current context is on."""

    name = kernels = "cuda"
    records = True

    def __init__(self) -> None:
        self._free: _Pool = defaultdict(list)
        self._faults = Faults()
        self._launches = Launches()
        self._capture_stream: CaptureStream | None = None
        self._here = _OfThread()

    def allocate(self, nbytes: int) -> Buffer:
        size = max(-(-nbytes // _STEP) * _STEP, _STEP)
        free = (self._free if self._here.pool is None else self._here.pool)[size]
        pointer = free.pop() if free else self._from_driver(size)
        buffer = Buffer(nbytes, pointer)
        weakref.finalize(buffer, free.append, pointer).atexit = False
        return buffer

    def release_unused(self) -> None:
        """Give the memory that nothing refers to back to the driver."""
        self._free.clear()

    def _from_driver(self, size: int) -> Any:
        from numba import cuda
        from numba.cuda.cudadrv.driver import CudaAPIError

        try:
            return cuda.current_context().memalloc(size)
        except CudaAPIError as problem:
            self._refuse_lost(problem)
            self.release_unused()
        try:
            return cuda.current_context().memalloc(size)
        except CudaAPIError as problem:
            raise full(size, *self.memory_info()) from problem

    def upload(self, values: np.ndarray, buffer: Buffer, offset: int = 0, stream: Any = None) -> None:
        refuse_in_recording("copies from the host")
        source = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        with self._watched():
            self._bytes(buffer, offset, source.nbytes).copy_to_device(source, stream=stream or 0)

    def download(self, buffer: Buffer, offset: int, nbytes: int) -> np.ndarray:
        refuse_in_recording("copies to the host")
        with self._watched():
            return self._bytes(buffer, offset, nbytes).copy_to_host()

    def copy(self, source, source_offset, target, target_offset, nbytes, stream=None) -> None:
        refuse_in_recording("copies without a kernel")
        into = self._bytes(target, target_offset, nbytes)
        with self._watched():
            into.copy_to_device(self._bytes(source, source_offset, nbytes), stream=stream or 0)

    def _bytes(self, buffer: Buffer, offset: int, nbytes: int) -> Any:
        return CudaArray(buffer, offset, (nbytes,), np.dtype(np.uint8)).numba

    def array(self, buffer: Buffer, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> CudaArray:
        return CudaArray(buffer, offset, shape, dtype)

    def memory_info(self) -> tuple[int, int]:
        from numba import cuda

        free, total = cuda.current_context().get_memory_info()
        return int(free), int(total)

    def stream(self) -> Any:
        from numba import cuda

        return cuda.stream()

    def event(self) -> "CudaEvent":
        return CudaEvent()

    def synchronise(self, stream: Any = None) -> None:
        from numba import cuda

        refuse_in_recording("waits for the device")
        with self._watched():
            stream.synchronize() if stream is not None else cuda.synchronize()

    @property
    def has_tensor_cores(self) -> bool:  # type: ignore[override]
        from numba import cuda

        return cuda.get_current_device().compute_capability >= (8, 0)

    def launcher(self, kernel, configuration) -> Callable:
        launches, here, faults = self._launches, self._here, self._faults

        def launched(*arguments):  # on the path of every token: no context manager
            try:
                launches.launch(kernel, configuration, arguments, here.stream)
            except Exception as problem:
                raise faults.told(problem) from None
            faults.launched = kernel.__name__

        return launched

    @contextmanager
    def recording(self) -> Iterator[CudaGraph]:
        """As of every device. What is computed on the way has memory of the recording's own, used again within it."""
        if self._capture_stream is None:
            self._capture_stream = CaptureStream()
        here = self._here
        pool: _Pool = defaultdict(list)
        recording = CudaGraph(pool)
        here.stream, here.pool = self._capture_stream.handle, pool
        try:
            with records_launches(), self._watched(), self._capture_stream.captured(recording):
                yield recording
        finally:
            here.stream, here.pool = 0, None

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except Exception as problem:
            self._refuse_lost(problem)
            raise

    def _refuse_lost(self, problem: Exception) -> None:
        """Raises DeviceError if this error of the driver means that it does not answer any more."""
        told = self._faults.told(problem)
        if told is not problem:
            raise told from None


class CudaEvent(Event):
    """An event that the GPU itself records."""

    def __init__(self) -> None:
        from numba import cuda

        self._event = cuda.event()

    def record(self, stream: Any = None) -> None:
        self._event.record(stream or 0)

    def synchronise(self) -> None:
        self._event.synchronize()

    def milliseconds_since(self, earlier: Event) -> float:
        from numba import cuda

        assert isinstance(earlier, CudaEvent)
        return float(cuda.event_elapsed_time(earlier._event, self._event))


# ---- is there one? ---------------------------------------------------------------------------------------------------


def is_available() -> bool:
    """Whether a GPU and its driver answer on this machine, and numba-cuda is there to use them."""
    return device_count() > 0 and why_no_device() is None


@cache
def why_no_device() -> str | None:
    """One sentence why kernels cannot run on a GPU here, or None if they can."""
    return None if _is_simulated() else availability.why_no_device()


@cache
def device_count() -> int:
    """The number of GPUs, 0 where there is no driver. Asks the driver itself, so Numba need not be imported."""
    if _is_simulated():
        return 1
    try:
        driver = availability.load_driver()
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def select(number: int) -> None:
    """Make this GPU the current one. Raises DeviceError if there is no such one."""
    from numba import cuda

    if not 0 <= number < device_count():
        raise DeviceError(f"there is no CUDA device {number}: this machine has {device_count()}, from 0 on")
    cuda.select_device(number)


def _is_simulated() -> bool:
    """Whether Numba's simulator stands in for a GPU."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
