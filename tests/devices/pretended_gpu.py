"""The device of NVIDIA GPUs without a GPU: over ordinary memory all of its own code runs, and behind the driver's calls
stands the sanitizer.

A launch arrives here as it does at the driver: the number of a function, sizes, and the address of an array of pointers
to parameters. What is wrong with them makes the results wrong.
"""

import ctypes
import math
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from llaisys_mini import sanitizer
from llaisys_mini.devices.cuda import Cuda
from llaisys_mini.devices.cuda_array import CudaArray
from llaisys_mini.devices.cuda_launches import Launches, PreparedKernel
from llaisys_mini.devices.device import refuse_in_recording

_CAPTURE_STREAM = 7


class PretendedGpu(Cuda):
    """launched: names of the kernels that were run, played ones too. calls: how often the driver was called to launch
    one kernel."""

    has_tensor_cores = True

    def __init__(self):
        super().__init__()
        self.launched: list[str] = []
        self.calls = 0
        self._launches = _Launches(self._launch)
        self._capture_stream = self
        self.handle = _CAPTURE_STREAM
        self._captured: list | None = None

    # ---- memory ------------------------------------------------------------------------------------------------------

    def _from_driver(self, size):
        memory = np.full(size + 512, 255, np.uint8)  # NaN
        start = -(-memory.ctypes.data // 512) * 512
        return SimpleNamespace(device_pointer=start, memory=memory)

    def _bytes(self, buffer, offset, nbytes):
        return _Bytes(buffer.address + offset, nbytes)

    def synchronise(self, stream=None):
        refuse_in_recording("waits for the device")

    # ---- the driver's calls ------------------------------------------------------------------------------------------

    def _launch(self, function, gx, gy, gz, bx, by, bz, shared_bytes, stream, pointers, extra):
        self.calls += 1
        kernel, kinds = self._launches.functions[function]
        arguments = _read_parameters(kinds, pointers)

        def run():
            self.launched.append(kernel.__name__)
            sanitizer.launcher(kernel, ((gx, gy, gz), (bx, by, bz), 0, shared_bytes))(*arguments)

        if stream == _CAPTURE_STREAM:
            assert self._captured is not None
            self._captured.append(run)
        else:
            assert stream == 0
            run()
        return 0

    @contextmanager
    def captured(self, recording):
        self._captured = actions = []
        try:
            yield
        finally:
            self._captured = None
        recording.play = lambda: [run() for run in actions]


class _Bytes:
    """Bytes of the device, with the copies of numba-cuda's arrays."""

    def __init__(self, address, nbytes):
        self.address, self.nbytes = address, nbytes

    def copy_to_device(self, source, stream=0):
        assert source.nbytes == self.nbytes
        ctypes.memmove(self.address, getattr(source, "address", None) or source.ctypes.data, self.nbytes)

    def copy_to_host(self):
        result = np.empty(self.nbytes, np.uint8)
        ctypes.memmove(result.ctypes.data, self.address, self.nbytes)
        return result


class _Launches(Launches):
    """functions: by the number that stands for the driver's handle, a kernel and the arguments it was compiled for."""

    def __init__(self, launch_kernel):
        super().__init__(launch_kernel)
        self.functions = {}

    def _prepare(self, kernel, arguments):
        number = 1 + len(self.functions)
        self.functions[number] = kernel, arguments
        return PreparedKernel(number, arguments)


def _read_parameters(kinds, pointers):
    """What a kernel that was compiled for arguments of these kinds finds at the addresses."""
    count = sum(5 + 2 * a.ndim if isinstance(a, CudaArray) else 1 for a in kinds)
    places = iter((ctypes.c_void_p * count).from_address(pointers))
    return [_read(kind, places) for kind in kinds]


def _read(kind, places):
    def word():
        return ctypes.c_int64.from_address(next(places)).value

    if isinstance(kind, CudaArray):
        _, _, size, itemsize, address = (word() for _ in range(5))
        shape = tuple(word() for _ in range(kind.ndim))
        strides = tuple(word() for _ in range(kind.ndim))
        assert (size, itemsize) == (math.prod(shape), kind.dtype.itemsize)
        memory = (ctypes.c_uint8 * (size * itemsize)).from_address(address)
        return np.ndarray(shape, kind.dtype, memory, 0, strides)
    if kind is None:
        assert word() == 0
        return None
    place = next(places)
    if isinstance(kind, np.generic):
        return kind.dtype.type(np.ctypeslib.as_ctypes_type(kind.dtype).from_address(place).value)
    kinds = {bool: ctypes.c_bool, int: ctypes.c_int64, float: ctypes.c_double}
    return kinds[type(kind)].from_address(place).value
