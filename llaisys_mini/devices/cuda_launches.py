"""Launches on a GPU, prepared once for each kernel and each kind of arguments.

numba-cuda looks at the types of all arguments anew for each launch and makes their parameters one by one, which takes
100 to 200 microseconds of Python; a decoder makes hundreds of launches for a token. Here the parameters of a kernel lie
ready in one block of memory. A launch writes its own into it and calls the driver.

The driver takes an array of pointers, one to each parameter:
https://docs.nvidia.com/cuda/cuda-driver-api, "cuLaunchKernel".
"""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from llaisys_mini.cuda.compiler import numba_type
from llaisys_mini.cuda.jit import CudaKernel, launch_configuration
from llaisys_mini.devices.cuda_array import CudaArray, of_numba
from llaisys_mini.devices.device import refuse_in_recording
from llaisys_mini.devices.faults import driver_error

_WORD = 8  # bytes of a parameter's place; each is aligned so
_FORMATS = {"int64": "q", "int32": "i", "float32": "f", "float64": "d", "bool": "?"}
_MOST = 4096  # configurations that are remembered


class Launches:
    """All prepared launches on one device.

    launch_kernel: the driver's cuLaunchKernel, as a ctypes function; by default the one of this machine.
    """

    def __init__(self, launch_kernel: Callable[..., int] | None = None):
        self._launch_kernel = launch_kernel
        self._prepared: dict[tuple, PreparedKernel | None] = {}
        self._configurations: dict[Any, tuple] = {}
        self._lock = threading.Lock()
        self._here = threading.local()  # the driver's context counts for one thread

    def launch(self, kernel: CudaKernel, configuration: Any, arguments: tuple, stream: int = 0) -> None:
        """Run the kernel. configuration: what stands between the brackets of a launch.
        stream: the driver's handle of the one to use where the configuration names none.

        Raises KernelError for a configuration that is none, what the compiler raises, and CudaAPIError.
        """
        grid, block, own_stream, shared_bytes = self._read(kernel, configuration)
        if own_stream:
            refuse_in_recording("uses a stream of its own")
        else:
            key = (kernel, *[_kind(argument) for argument in arguments])
            if key not in self._prepared:
                self._prepared[key] = self._prepare(kernel, arguments)
            prepared = self._prepared[key]
            if prepared is not None:
                if not hasattr(self._here, "context"):
                    self._enter()
                with self._lock:  # the parameters are the kernel's, not the thread's
                    code = prepared.run(self._launch_kernel, grid, block, shared_bytes, stream, arguments)
                if code:
                    raise driver_error(code, f"the launch of {kernel.__name__}")
                return
        self._by_numba(kernel, (grid, block, own_stream or _numba_stream(stream), shared_bytes), arguments)

    def _read(self, kernel: CudaKernel, configuration: Any) -> tuple:
        try:
            known = self._configurations.get(configuration)
        except TypeError:  # lists in it
            return launch_configuration(kernel, configuration)
        if known is None:
            if len(self._configurations) >= _MOST:
                self._configurations.clear()
            known = self._configurations[configuration] = launch_configuration(kernel, configuration)
        return known

    def _prepare(self, kernel: CudaKernel, arguments: tuple) -> "PreparedKernel | None":
        """None for a kernel that only numba-cuda knows how to launch."""
        if kernel.options.get("debug") or not all(_is_simple(argument) for argument in arguments):
            return None
        compiled = kernel.dispatcher.compile(tuple(numba_type(argument) for argument in arguments))
        try:
            handle = int(compiled._codelibrary.get_cufunc().kernel.handle)
        except AttributeError:  # another version of numba-cuda
            return None
        return None if compiled.cooperative else PreparedKernel(handle, arguments)

    def _enter(self) -> None:
        """Once in each thread: let the driver know which context its launches are for."""
        if self._launch_kernel is None:
            from numba import cuda

            from llaisys_mini.cuda.availability import load_driver

            cuda.current_context()
            function = load_driver().cuLaunchKernel
            function.argtypes = [ctypes.c_void_p, *[ctypes.c_uint] * 7, *[ctypes.c_void_p] * 3]
            self._launch_kernel = function
        self._here.context = True

    def _by_numba(self, kernel: CudaKernel, configuration: tuple, arguments: tuple) -> None:
        kernel.dispatcher[configuration](*map(of_numba, arguments))


class PreparedKernel:
    """A compiled kernel with a place for each of its parameters. function: the driver's handle.

    arguments: of the kind that it was compiled for.
    """

    def __init__(self, function: int, arguments: tuple):
        self._function = function
        counts = [len(a.words) if isinstance(a, CudaArray) else 1 for a in arguments]
        self._memory = (ctypes.c_int64 * max(1, sum(counts)))()
        places = [ctypes.addressof(self._memory) + _WORD * n for n in range(sum(counts))]
        self._pointers = (ctypes.c_void_p * max(1, len(places)))(*places)
        self._parameters = ctypes.addressof(self._pointers)
        words = memoryview(self._memory).cast("B").cast("q")
        self._arrays: list[tuple[int, memoryview]] = []  # which argument, and where its words go
        self._numbers: list[tuple[int, memoryview]] = []
        start = 0
        for position, (argument, count) in enumerate(zip(arguments, counts, strict=True)):
            if isinstance(argument, CudaArray):
                self._arrays.append((position, words[start : start + count]))
            elif argument is not None:  # for None numba-cuda passes 0, which is there
                place = words[start : start + 1].cast("B").cast(_FORMATS[_name_of(argument)])  # type: ignore[call-overload]
                self._numbers.append((position, place))
            start += count

    def run(
        self, launch_kernel: Any, grid: tuple, block: tuple, shared_bytes: int, stream: int, arguments: tuple
    ) -> int:
        """Launch it; what the driver answers, 0 if all is well. grid, block: three ints each."""
        for position, words in self._arrays:
            words[:] = arguments[position].words
        for position, place in self._numbers:
            place[0] = arguments[position]
        return launch_kernel(self._function, *grid, *block, shared_bytes, stream, self._parameters, None)

    @property
    def parameters(self) -> list[int]:
        """The words that were written last, for tests."""
        return list(self._memory)


def _kind(argument: Any) -> Any:
    return argument.kind if argument.__class__ is CudaArray else argument.__class__


def _name_of(argument: Any) -> str:
    """The dtype that Numba gives a number."""
    if isinstance(argument, np.generic):
        return argument.dtype.name
    return {bool: "bool", int: "int64", float: "float64"}[type(argument)]


def _is_simple(argument: Any) -> bool:
    """Whether a launch with it can be prepared: an array of ours, None, or a number of the usual types."""
    if argument is None or isinstance(argument, CudaArray):
        return True
    return (type(argument) in (bool, int, float) or isinstance(argument, np.generic)) and _name_of(argument) in _FORMATS


def _numba_stream(handle: int) -> Any:
    if not handle:
        return 0
    from numba import cuda

    return cuda.external_stream(handle)
