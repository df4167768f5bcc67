"""Where kernels run, and the memory they work on. The one place that decides what "cuda" means on this machine."""

import ctypes
import os
import sys
from functools import cache

DEVICE, SANITIZER = "device", "sanitizer"

_forced: list[str] = []  # targets forced by open contexts, innermost last


def target() -> str:
    """Where a launch runs now: DEVICE if there is one, unless `cuda.sanitized()` is open; else SANITIZER."""
    if _forced:
        return _forced[-1]
    return DEVICE if is_available() else SANITIZER


def force(where: str) -> None:
    """Run kernels there until `unforce`."""
    _forced.append(where)


def unforce() -> None:
    _forced.pop()


def is_available() -> bool:
    """Whether a CUDA device and its driver answer on this machine, and numba-cuda is there to use them."""
    return device_count() > 0


@cache
def device_count() -> int:
    """The number of CUDA devices, 0 where there is no driver. Asks the driver itself, so Numba need not be imported."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
        return 1  # Numba's simulator stands in for a device
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
