"""Memory of the CUDA device: runs of bytes, and arrays over them for kernels to be launched with.

Without a device, and within `cuda.sanitized()`, the same functions work on ordinary memory: a buffer is then a uint8
NumPy array and an array is a NumPy view of it, which the sanitizer watches.

On a device, freed buffers are kept and given out again: a decoder asks for the same few sizes for every token, and the
driver's own allocation waits for the device. All work goes to one stream, so a buffer that Python has let go of is
written again only after the kernels that were launched with it.
"""

import weakref
from collections import defaultdict

import numpy as np

from llaisys_mini.cuda import runtime
from llaisys_mini.errors import DeviceError

_STEP = 512  # bytes; what the driver aligns to

_free: dict[int, list] = defaultdict(list)  # size in bytes -> buffers that nobody uses


class DeviceBuffer:
    """A run of bytes on the device. `pointer` is the driver's."""

    __slots__ = ("__weakref__", "nbytes", "pointer")

    def __init__(self, nbytes: int, pointer):
        self.nbytes = nbytes
        self.pointer = pointer


Buffer = DeviceBuffer | np.ndarray


def allocate(nbytes: int) -> Buffer:
    """A new buffer, its bytes not set. Raises DeviceError if the device's memory is full."""
    if runtime.target() != runtime.DEVICE:
        return np.empty(nbytes, np.uint8)
    size = max(-(-nbytes // _STEP) * _STEP, _STEP)
    pointer = _free[size].pop() if _free[size] else _from_driver(size)
    buffer = DeviceBuffer(nbytes, pointer)
    weakref.finalize(buffer, _free[size].append, pointer).atexit = False
    return buffer


def release_unused() -> None:
    """Give the buffers that nobody uses back to the driver."""
    _free.clear()


def array(buffer: Buffer, offset: int, shape: tuple[int, ...], dtype: np.dtype):
    """C-contiguous array over the bytes of `buffer` from `offset`: what a kernel takes as argument."""
    if isinstance(buffer, np.ndarray):
        return np.ndarray(shape, dtype, buffer, offset)
    from numba.cuda.cudadrv.devicearray import DeviceNDArray

    strides, step = [], dtype.itemsize
    for length in reversed(shape):
        strides.append(step)
        step *= length
    made = DeviceNDArray(shape, tuple(reversed(strides)), dtype, gpu_data=buffer.pointer.view(offset, offset + step))
    made.owner = buffer  # the bytes stay in use as long as the array does
    return made


def upload(values: np.ndarray, buffer: Buffer, offset: int = 0) -> None:
    """Copy the numbers of `values`, in C order, to `buffer`."""
    source = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    target = array(buffer, offset, source.shape, source.dtype)
    if isinstance(target, np.ndarray):
        target[:] = source
    else:
        target.copy_to_device(source)


def download(buffer: Buffer, offset: int, nbytes: int) -> np.ndarray:
    """A copy of these bytes as a uint8 NumPy array. Waits until the kernels before it have run."""
    source = array(buffer, offset, (nbytes,), np.dtype(np.uint8))
    return source.copy() if isinstance(source, np.ndarray) else source.copy_to_host()


def copy(source: Buffer, source_offset: int, target: Buffer, target_offset: int, nbytes: int) -> None:
    """Copy bytes within the device; nothing waits."""
    into = array(target, target_offset, (nbytes,), np.dtype(np.uint8))
    given = array(source, source_offset, (nbytes,), np.dtype(np.uint8))
    if isinstance(into, np.ndarray) and isinstance(given, np.ndarray):
        into[:] = given
    else:
        into.copy_to_device(given)


def _from_driver(size: int):
    from numba import cuda
    from numba.cuda.cudadrv.driver import CudaAPIError

    try:
        return cuda.current_context().memalloc(size)
    except CudaAPIError:
        release_unused()
    try:
        return cuda.current_context().memalloc(size)
    except CudaAPIError as problem:
        free, total = cuda.current_context().get_memory_info()
        raise DeviceError(
            f"the device's memory is full: {size / 2**20:,.0f} MiB asked for, {free / 2**20:,.0f} of "
            f"{total / 2**20:,.0f} MiB free; use a smaller model or --dtype bfloat16"
        ) from problem
