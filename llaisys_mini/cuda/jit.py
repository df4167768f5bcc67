"""`@cuda.jit`: one function, run by a GPU or by the sanitizer.

The decorator only remembers the function. A launch is handed to the device that runs kernels now (`launching`):

- For a GPU Numba gets a copy of the function whose globals hold Numba's own `cuda`, Numba's device functions and
  Numba's intrinsics in the places of ours. The code object is the same, so line numbers and sources are too.
- Otherwise the sanitizer gets the function as it was written.
"""

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from llaisys_mini.cuda.intrinsics import Intrinsic
from llaisys_mini.cuda.launching import launching_device
from llaisys_mini.errors import KernelError


class CudaKernel:
    """What `@cuda.jit` makes: a kernel or a device function.

    A kernel is started by `kernel[grid, block, stream, shared_bytes](...)`.
    grid, block: an int or up to three ints (blocks; threads of a block). stream: 0, or a stream of the device.
    shared_bytes: dynamic shared memory, which a kernel sees as `cuda.shared.array(0, dtype)`.
    py_func: the function as written. options: what the decorator was given, for Numba.
    """

    def __init__(self, function: Callable, device: bool, options: dict):
        self.py_func = function
        self.is_device = device
        self.options = options
        self._dispatcher = None
        self.program: Any = None  # what the sanitizer has made of it
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    @property
    def dispatcher(self):
        """Numba's compiled form of this function, made when it is first asked for. Needs numba-cuda."""
        if self._dispatcher is None:
            from numba import cuda
            from numba.cuda.core import config

            import llaisys_mini.cuda.widen  # noqa: F401 - Numba learns it

            config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # small grids are what a decoder has
            extensions = {} if self.is_device else {"extensions": [_NoneAsArgument()]}
            self._dispatcher = cuda.jit(device=self.is_device, **extensions, **self.options)(for_device(self.py_func))
        return self._dispatcher

    def __getitem__(self, configuration) -> Callable:
        """A launch with this grid and block. Raises KernelError where the configuration cannot be one."""
        if self.is_device:
            raise KernelError(f"{self.__name__} is a device function: call it from a kernel; only kernels are launched")
        recording = _recording.get()
        if recording is not None:
            return lambda *arguments: recording.append(RecordedLaunch.of(self, configuration, arguments))
        return launching_device().launcher(self, configuration)

    def forall(self, count: int, threads: int = 128, stream: Any = 0, shared_bytes: int = 0) -> Callable:
        """A launch in one dimension, with at least `count` threads in blocks of `threads`."""
        threads = threads or 128
        return self[max(1, -(-int(count) // threads)), threads, stream, shared_bytes]

    def __call__(self, *_):
        if self.is_device:
            raise KernelError(f"{self.__name__} is a device function: call it from a kernel, not from Python")
        raise KernelError(f"say how many threads run the kernel {self.__name__}: {self.__name__}[blocks, threads](...)")

    def __repr__(self) -> str:
        return f"<cuda {'device function' if self.is_device else 'kernel'} {self.__name__}>"


def jit(function: Callable | None = None, *, device: bool = False, **options):
    """Make a CUDA kernel of the function below, or a device function with `device=True`.

    options are Numba's: fastmath, launch_bounds, max_registers, inline, lineinfo, opt, debug. The sanitizer needs none
    of them. Types are taken from the arguments of each launch: a signature is allowed, and left aside. So is `cache`:
    each process compiles anew, since Numba's cache does not see when a device function of another file has changed, and
    raises where it is damaged.
    """
    if function is None:
        return lambda function: jit(function, device=device, **options)
    if isinstance(function, (str, tuple, list)) or type(function).__module__.startswith("numba."):
        return lambda function: jit(function, device=device, **options)  # a signature
    if not isinstance(function, types.FunctionType):
        raise KernelError("@cuda.jit stands above a function; argument types are taken from each launch")
    options.pop("cache", None)
    return CudaKernel(function, device, options)


@dataclass(frozen=True)
class RecordedLaunch:
    """A launch that was recorded instead of run. grid, block: three ints each; shared_bytes: dynamic shared memory."""

    kernel: CudaKernel
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple

    @classmethod
    def of(cls, kernel, configuration, arguments):
        grid, block, _, shared_bytes = launch_configuration(kernel, configuration)
        return cls(kernel, grid, block, shared_bytes, arguments)


_recording: ContextVar[list[RecordedLaunch] | None] = ContextVar("recording", default=None)


@contextmanager
def recorded_launches() -> Iterator[list[RecordedLaunch]]:
    """Within this context kernels are not run: each launch is appended to the list instead."""
    launches: list[RecordedLaunch] = []
    token = _recording.set(launches)
    try:
        yield launches
    finally:
        _recording.reset(token)


def launch_configuration(kernel: CudaKernel, configuration) -> tuple:
    """(grid, block, stream, shared bytes) of what stands between the brackets of a launch; grid and block as 3 ints.

    Raises KernelError if it is no launch configuration.
    """
    parts = configuration if isinstance(configuration, tuple) else (configuration,)
    if not 2 <= len(parts) <= 4:
        raise KernelError(
            f"{kernel.__name__}: launch with [blocks, threads] or [blocks, threads, stream, shared_bytes]"
        )
    grid, block, stream, shared_bytes = [*parts, 0, 0][:4]
    sizes = [_three(size) for size in (grid, block)]
    if None in sizes or not isinstance(shared_bytes, (int, np.integer)) or shared_bytes < 0:
        launch = f"{kernel.__name__}[{', '.join(map(repr, parts))}]"
        if 0 in _parts(grid):
            raise KernelError(
                f"{launch}: there are no blocks. n // 16 rounds down, and gives 0 for fewer than 16 elements; "
                "(n + 15) // 16 rounds up"
            )
        raise KernelError(
            f"{launch}: blocks and threads are ints of 1 or more, or tuples of up to three; shared_bytes is an int"
        )
    return (*sizes, stream, int(shared_bytes))


def _parts(size) -> tuple:
    return tuple(size) if isinstance(size, (tuple, list)) else (size,)


def _three(size):
    sizes = _parts(size)
    if not 1 <= len(sizes) <= 3 or not all(isinstance(n, (int, np.integer)) and n >= 1 for n in sizes):
        return None
    return (*map(int, sizes), 1, 1)[:3]


class _NoneAsArgument:
    """Numba compiles kernels for None (`if bias is not None` is then decided at compile time) but cannot pass it."""

    def prepare_args(self, numba_type, value, **_):
        from numba import types as numba_types

        return (numba_types.int64, 0) if isinstance(numba_type, numba_types.NoneType) else (numba_type, value)


class Primitive:
    """One operation with two bodies: see `primitive`."""

    def __init__(self, body: Callable, build: Callable, aligned: int, places: int):
        self.body = CudaKernel(body, device=True, options={})
        self.aligned = aligned
        self.places = places
        self._build = build
        self._built = None
        self.__name__ = body.__name__
        self.__doc__ = body.__doc__

    @property
    def built(self):
        """What a device runs: an intrinsic or device function of Numba. Needs numba-cuda."""
        if self._built is None:
            self._built = self._build()
        return self._built


def primitive(build: Callable, aligned: int = 1, places: int = 1) -> Callable:
    """For what only PTX can say (vector loads, tensor cores): an operation with a second body for the sanitizer.

        def vector_load(): ...  # makes and returns Numba's @intrinsic; imports numba.cuda itself

        @cuda.primitive(vector_load)
        def load4(x, i):
            return x[i], x[i + 1], x[i + 2], x[i + 3]

    The body is a device function that does the same in terms of what the sanitizer knows; a device runs `build()`.
    aligned: bytes. If more than 1, the first two arguments are an array of one dimension and an index; that many bytes
    from there are one access, and their address must be a multiple, or a device stops with "misaligned address".
    places: how many such pairs the arguments begin with.
    """
    return lambda body: Primitive(body, build, aligned, places)


def for_device(function: Callable) -> Callable:
    """A copy of `function` that Numba can compile: ours in its globals and closure replaced by Numba's."""
    names = set(_names_used(function.__code__))
    found = {name: value for name, value in function.__globals__.items() if name in names}
    globals_ = {**function.__globals__, **{name: _for_device(value) for name, value in found.items()}}
    closure = function.__closure__ and tuple(types.CellType(_for_device(c.cell_contents)) for c in function.__closure__)
    copy = types.FunctionType(function.__code__, globals_, function.__name__, function.__defaults__, closure)
    copy.__qualname__, copy.__module__, copy.__doc__ = function.__qualname__, function.__module__, function.__doc__
    return copy


def _for_device(value):
    from numba import cuda

    if isinstance(value, CudaKernel):
        return value.dispatcher
    if isinstance(value, Primitive):
        return value.built
    if isinstance(value, Intrinsic):
        return value.of(cuda)
    if isinstance(value, types.ModuleType) and value.__name__ == "llaisys_mini.cuda":
        return cuda
    return value


def _names_used(code):
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_used(constant)
