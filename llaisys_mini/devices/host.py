"""The computer's own processor and memory."""

import ctypes
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.devices.device import Device
from llaisys_mini.errors import DeviceError, KernelError


class Host(Device):
    """Buffers are uint8 NumPy arrays, kernels compiled functions that are called. Everything is done at once."""

    name = kernels = "cpu"
    calls_kernels = True
    on_host = True

    def allocate(self, nbytes: int) -> np.ndarray:
        return np.empty(nbytes, np.uint8)

    def upload(self, values: np.ndarray, buffer: np.ndarray, offset: int = 0, stream: Any = None) -> None:
        _copy_bytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8), 0, buffer, offset, values.nbytes)

    def download(self, buffer: np.ndarray, offset: int, nbytes: int) -> np.ndarray:
        return buffer[offset : offset + nbytes].copy()

    def copy(self, source, source_offset, target, target_offset, nbytes, stream=None) -> None:
        _copy_bytes(source, source_offset, target, target_offset, nbytes)

    def array(self, buffer: np.ndarray, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.ndarray(shape, dtype, buffer, offset)

    def memory_info(self) -> tuple[int, int]:
        size, total = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
        free = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else total  # macOS does not say
        return free * size, total * size

    def launcher(self, kernel, configuration) -> Callable:
        raise KernelError(f"{kernel.__name__}: a kernel under @cuda.jit runs on 'cuda', not on 'cpu'")

    def launch(self, function: Callable, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        function(*inputs, *outputs)

    run = launch  # host arrays are this device's arrays

    def narrow(self, source: np.ndarray, target: np.ndarray) -> None:
        stored = dtypes.stored_view(target)
        stored[...] = source.astype(stored.dtype)


def _copy_bytes(source: np.ndarray, source_offset: int, target: np.ndarray, target_offset: int, nbytes: int) -> None:
    if source_offset + nbytes > source.nbytes or target_offset + nbytes > target.nbytes:
        raise DeviceError(
            f"{nbytes} bytes to copy, from byte {source_offset} of {source.nbytes} to byte {target_offset} of "
            f"{target.nbytes}"
        )
    ctypes.memmove(target.ctypes.data + target_offset, source.ctypes.data + source_offset, nbytes)


HOST = Host()
"""The one host: every tensor without another device lies here."""
