"""Where kernels run, and the memory they work on. The one place that decides what "cuda" means on this machine."""

import ctypes
import math
import os
from functools import cache

import numpy as np

from llaisys_mini.cuda.backend import Backend, CudaBackend, HostBackend
from llaisys_mini.errors import DeviceError

DEVICE, SANITIZER = "device", "sanitizer"

_forced: list[str] = []  # targets forced by open contexts, innermost last


def target() -> str:
    """Where a launch runs now: DEVICE if there is one, unless `cuda.sanitized()` is open; else SANITIZER."""
    if _forced:
        return _forced[-1]
    return DEVICE if is_available() else SANITIZER


def is_sanitizing() -> bool:
    """Whether `cuda.sanitized()` is open, so that kernels run on the CPU by somebody's wish."""
    return bool(_forced) and _forced[-1] == SANITIZER


def force(where: str) -> None:
    """Run kernels there until `unforce`."""
    _forced.append(where)


def unforce() -> None:
    """Undo the last `force`."""
    _forced.pop()


def is_available() -> bool:
    """Whether a CUDA device and its driver answer on this machine, and numba-cuda is there to use them."""
    return device_count() > 0 and why_no_device() is None


@cache
def why_no_device() -> str | None:
    """One sentence why kernels cannot run on a device here, or None if they can."""
    from llaisys_mini.cuda import availability

    return None if _is_simulated() else availability.why_no_device()


@cache
def device_count() -> int:
    """The number of CUDA devices, 0 where there is no driver. Asks the driver itself, so Numba need not be imported."""
    if _is_simulated():
        return 1
    from llaisys_mini.cuda import availability

    try:
        driver = availability.load_driver()
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def _is_simulated():
    """Whether Numba's simulator stands in for a device."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


# ---- memory, streams and events: see backend for what there is -------------------------------------------------------


def backend() -> Backend:
    """The device's backend, or the one that stands in for it where kernels run under the sanitizer."""
    return _cuda() if target() == DEVICE else _host()


def device_backend() -> Backend:
    """The device's backend. Raises DeviceError, with the reason, where there is no device."""
    if not is_available():
        raise DeviceError(why_no_device() or "there is no CUDA device here")
    return _cuda()


@cache
def _cuda():
    return CudaBackend()


@cache
def _host():
    return HostBackend()


def synchronize() -> None:
    """Wait until the device has done all it was asked to; nothing to wait for under the sanitizer."""
    backend().synchronize()


def to_device(array: np.ndarray):
    """A copy of `array` for kernels: on the device, or an ordinary array where the sanitizer runs them."""
    if target() == DEVICE:
        from numba import cuda

        return cuda.to_device(np.ascontiguousarray(array))
    return np.array(array, order="C")


def device_array(shape, dtype=np.float32):
    """An array for kernels, its elements not set. Under the sanitizer, reading one before it is written is found."""
    if target() == DEVICE:
        from llaisys_mini.cuda import memory  # which keeps what was freed: launchers ask for the same sizes again

        sizes, dtype = tuple(np.atleast_1d(shape).tolist()), np.dtype(dtype)
        return memory.array(memory.allocate(math.prod(sizes) * dtype.itemsize), 0, sizes, dtype)
    from llaisys_mini.sanitizer.uninitialised import registry

    array = np.full(shape, np.nan if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max, dtype)
    registry.add(array)
    return array
