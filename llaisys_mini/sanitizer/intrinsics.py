"""What each intrinsic of a kernel does under the sanitizer: `cuda.grid`, `cuda.syncthreads`, `cuda.atomic.add`, ...

`value_of` is for those that are read, `call_of` for those that are called, and for known functions such as `math.exp`.
Both answer None for what they do not know; the translator then refuses it by name.
"""

from collections.abc import Callable

import numpy as np

from llaisys_mini.cuda.intrinsics import Intrinsic
from llaisys_mini.sanitizer import values, warps
from llaisys_mini.sanitizer.arrays import ATOMICS, allocated, atomic, compare_and_swap
from llaisys_mini.sanitizer.findings import UnsupportedInKernel
from llaisys_mini.sanitizer.functions import (
    FUNCTIONS,
    check_arguments,
    computing,
    dtype_named,
    fma,
    plain,
    widen,
    with_frame,
)


def value_of(intrinsic) -> Callable | None:
    """A function of the frame, for intrinsics such as cuda.threadIdx.x."""
    return _READ.get(intrinsic.path) if isinstance(intrinsic, Intrinsic) else None


def _axes(name, values_of):
    def read(number):
        return lambda frame: values_of(frame.machine)[number]

    return {f"{name}.{axis}": read(number) for number, axis in enumerate("xyz")}


_READ = {
    "laneid": lambda frame: frame.machine.resident.lane,
    **_axes("threadIdx", lambda machine: machine.resident.thread_index),
    **_axes("blockIdx", lambda machine: machine.resident.block_index),
    **_axes("blockDim", lambda machine: machine.launch.block),
    **_axes("gridDim", lambda machine: machine.launch.grid),
}


def call_of(callee) -> Callable | None:
    """A function (translator, node, name of the variable the result is for) -> function of the frame."""
    if isinstance(callee, Intrinsic):
        return _CALLED.get(callee.path)
    dtype = dtype_named(callee)
    if dtype is not None:
        return plain(lambda value: values.cast(value, dtype), 1)
    if getattr(callee, "__module__", None) == "llaisys_mini.widen" and callee.__name__ == "widen":
        return plain(widen, 1)
    try:
        return FUNCTIONS.get(callee)
    except TypeError:  # unhashable
        return None


def _grid(frame, line, dimensions):
    resident, sizes = frame.machine.resident, frame.machine.launch.block
    positions = [
        resident.block_index[n] * sizes[n] + resident.thread_index[n] for n in range(_dimensions(line, dimensions))
    ]
    return positions[0] if dimensions == 1 else tuple(positions)


def _gridsize(frame, line, dimensions):
    launch = frame.machine.launch
    sizes = [launch.grid[n] * launch.block[n] for n in range(_dimensions(line, dimensions))]
    return sizes[0] if dimensions == 1 else tuple(sizes)


def _dimensions(line, dimensions):
    if dimensions not in (1, 2, 3):
        raise UnsupportedInKernel("the number of dimensions is 1, 2 or 3")
    return dimensions


def _bits(function):
    """A function of the bits of a 32- or 64-bit integer, element by element."""

    def apply(value):
        dtype = values.dtype_of(value)
        width = 64 if dtype.itemsize == 8 else 32
        one = np.vectorize(lambda v: function(int(v) & ((1 << width) - 1), width), otypes=[np.int64])
        return one(value)[()]

    return plain(apply, 1)


def _constant(translator, node, _):
    """cuda.const.array_like(array): a global array, in constant memory."""
    check_arguments(translator, node, (1,))
    array = translator.constant(node.args[0])
    if not isinstance(array, np.ndarray):
        translator.reject(node, "cuda.const.array_like takes an array from outside the kernel, by its name")
    return translator.global_array(node.args[0], array)


def _nothing(*counts):
    """Fences and pauses: the sanitizer runs in an order in which they change nothing, and they order no accesses."""
    return with_frame(lambda frame, line, *_: None, *counts)


def _selected(condition, a, b):
    common = np.result_type(values.dtype_of(a), values.dtype_of(b))
    return values.cast(np.where(values.truth(condition), a, b)[()], common)


_CALLED = {
    "const.array_like": _constant,
    **dict.fromkeys(("threadfence", "threadfence_block", "threadfence_system"), _nothing(0)),
    "nanosleep": _nothing(1),
    "cbrt": plain(values.CBRT, 1),
    "selp": plain(_selected, 3),
    **{f"fp16.{name}": plain(function, count) for name, (count, function) in values.FP16.items()},
    "lanemask_lt": with_frame(lambda frame, line: (1 << frame.machine.resident.lane) - 1, 0),
    "match_all_sync": with_frame(warps.match_all_sync, 2),
    "grid": with_frame(_grid, 1),
    "gridsize": with_frame(_gridsize, 1),
    "shared.array": allocated("shared"),
    "local.array": allocated("local"),
    **{f"atomic.{name}": atomic(name, 2 if name == "cas" else 1) for name in ATOMICS},
    "atomic.compare_and_swap": compare_and_swap,
    "fma": computing(fma, 3),
    "popc": _bits(lambda v, width: v.bit_count()),
    "clz": _bits(lambda v, width: width - v.bit_length()),
    "ffs": _bits(lambda v, width: (v & -v).bit_length()),
    "brev": _bits(lambda v, width: int(f"{v:0{width}b}"[::-1], 2)),
    **{
        f"libdevice.{name}": plain(function, values.libdevice_count(name))
        for name, function in values.LIBDEVICE.items()
    },
    "syncthreads": with_frame(warps.syncthreads, 0),
    "syncthreads_count": with_frame(warps.syncthreads_count, 1),
    "syncthreads_and": with_frame(warps.syncthreads_and, 1),
    "syncthreads_or": with_frame(warps.syncthreads_or, 1),
    "syncwarp": warps.syncwarp,
    "shfl_sync": with_frame(warps.shuffle("shfl_sync"), 3),
    "shfl_up_sync": with_frame(warps.shuffle("shfl_up_sync"), 3),
    "shfl_down_sync": with_frame(warps.shuffle("shfl_down_sync"), 3),
    "shfl_xor_sync": with_frame(warps.shuffle("shfl_xor_sync"), 3),
    "any_sync": with_frame(warps.any_sync, 2),
    "all_sync": with_frame(warps.all_sync, 2),
    "eq_sync": with_frame(warps.eq_sync, 2),
    "ballot_sync": with_frame(warps.ballot_sync, 2),
    "match_any_sync": with_frame(warps.match_any_sync, 2),
    "activemask": with_frame(warps.activemask, 0),
}
