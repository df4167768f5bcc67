"""What the words of a kernel mean to the machine: `cuda.grid`, `math.exp`, `max`, `np.float32`, ...

`value_of` gives the meaning of a word that is read, `call_of` that of one that is called. Both answer None for what
they do not know; the translator then refuses it by name.
"""

import ast
import math
from collections.abc import Callable

import numpy as np

from llaisys_mini.cuda import intrinsics as words
from llaisys_mini.sanitizer import values, warps
from llaisys_mini.sanitizer.findings import UnsupportedInKernel
from llaisys_mini.sanitizer.views import View

# ---- words that are read -----------------------------------------------------------------------------------------


def value_of(word) -> Callable | None:
    """A function of the frame, for words such as cuda.threadIdx.x."""
    return _READ.get(word.path) if isinstance(word, words.Word) else None


def _axes(word, values_of):
    def read(number):
        return lambda frame: values_of(frame.machine)[number]

    return {f"{word}.{axis}": read(number) for number, axis in enumerate("xyz")}


_READ = {
    "laneid": lambda frame: frame.machine.crew.lane,
    **_axes("threadIdx", lambda machine: machine.crew.thread_index),
    **_axes("blockIdx", lambda machine: machine.crew.block_index),
    **_axes("blockDim", lambda machine: machine.launch.block),
    **_axes("gridDim", lambda machine: machine.launch.grid),
}


# ---- words that are called ---------------------------------------------------------------------------------------


def call_of(callee) -> Callable | None:
    """A function (translator, node, name of the variable the result is for) -> function of the frame."""
    if isinstance(callee, words.Word):
        return _CALLED.get(callee.path)
    dtype = dtype_named(callee)
    if dtype is not None:
        return _plain(lambda value: values.cast(value, dtype), 1)
    if getattr(callee, "__module__", None) == "llaisys_mini.widen" and callee.__name__ == "widen":
        return _plain(_widen, 1)
    try:
        return _FUNCTIONS.get(callee)
    except TypeError:  # unhashable
        return None


def dtype_named(thing) -> np.dtype | None:
    """The dtype that a NumPy scalar type, a dtype or a type of Numba names; else None."""
    if isinstance(thing, np.dtype):
        return thing
    if isinstance(thing, type) and issubclass(thing, np.generic):
        return np.dtype(thing)
    if type(thing).__module__.startswith(("numba.core.types", "numba.cuda.types", "numba.types")):
        try:
            return np.dtype(str(thing))
        except TypeError:
            return None
    return None


def _plain(function: Callable, *counts: int) -> Callable:
    """For functions of values alone. counts: how many arguments they take."""

    def translate(translator, node, _):
        if node.keywords or len(node.args) not in counts:
            translator.refuse(node, f"`{ast.unparse(node)}` with these arguments")
        arguments = [translator.expression(argument) for argument in node.args]
        if len(arguments) == 1:
            (argument,) = arguments
            return lambda frame: function(argument(frame))
        return lambda frame: function(*[argument(frame) for argument in arguments])

    return translate


def _with_frame(function: Callable, *counts: int) -> Callable:
    """For functions (frame, line, *values)."""

    def translate(translator, node, _):
        if node.keywords or len(node.args) not in counts:
            translator.refuse(node, f"`{ast.unparse(node)}` with these arguments")
        arguments, line = [translator.expression(argument) for argument in node.args], node.lineno
        return lambda frame: function(frame, line, *[argument(frame) for argument in arguments])

    return translate


def _widen(value):
    """See llaisys_mini.widen."""
    dtype = values.dtype_of(value)
    if dtype == np.uint16:
        wide = np.asarray(value).astype(np.uint32) << np.uint32(16)
        return wide.view(np.float32)[()]
    if dtype == np.int16:
        return np.asarray(value).view(np.float16).astype(np.float32)[()]
    return values.cast(value, values.FLOAT32)


def _no_note():
    return None


def _extreme(arithmetic):
    def of_several(*items):
        if len(items) == 1:
            (items,) = items
        result = items[0]
        for item in items[1:]:
            result = arithmetic(result, item, _no_note)
        return result

    return of_several


def _round(value, digits=0):
    rounded = np.round(value, digits)
    return values.cast(rounded, values.INT64) if digits == 0 else rounded


def _length(value):
    if isinstance(value, tuple):
        return len(value)
    if type(value) is View:
        return value.shape[0]
    raise UnsupportedInKernel("len() of something that is neither an array nor a tuple")


def _to_int(value):
    return int(value) if type(value) in (int, bool) else values.cast(value, values.INT64)


def _fma(a, b, c):
    common = np.result_type(*(values.dtype_of(v) for v in (a, b, c)))
    exact = [values.cast(v, values.FLOAT64) for v in (a, b, c)]
    return values.cast(exact[0] * exact[1] + exact[2], common)


_FUNCTIONS = {
    max: _plain(_extreme(values.MAXIMUM), *range(1, 9)),
    min: _plain(_extreme(values.MINIMUM), *range(1, 9)),
    abs: _plain(values.absolute, 1),
    round: _plain(_round, 1, 2),
    int: _plain(_to_int, 1),
    float: _plain(lambda value: values.cast(value, values.FLOAT64), 1),
    bool: _plain(values.truth, 1),
    len: _plain(_length, 1),
    **{getattr(math, name): _plain(function, 1, 2) for name, function in values.MATH.items()},
    **{getattr(np, name): _plain(function, 1, 2) for name, function in values.NUMPY.items()},
    np.maximum: _plain(_extreme(values.MAXIMUM), 2),
    np.minimum: _plain(_extreme(values.MINIMUM), 2),
    np.where: _plain(lambda c, a, b: values.cast(np.where(c, a, b), np.result_type(a, b)), 3),
}


# ---- arrays in shared and local memory -----------------------------------------------------------------------------


def _allocated(space):
    def translate(translator, node, name):
        given = dict(zip(("shape", "dtype"), node.args, strict=False)) | {k.arg: k.value for k in node.keywords}
        if not {"shape", "dtype"} <= set(given) <= {"shape", "dtype", "alignment"}:
            translator.refuse(node, f"`{ast.unparse(node)}`: {space}.array takes a shape and a dtype. This")
        shape = translator.constant(given["shape"])
        shape = (shape,) if isinstance(shape, int) else shape
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise UnsupportedInKernel(
                f"{translator.kernel.__name__}, line {node.lineno}: the shape of a {space} array must be known when "
                f"the kernel is compiled: numbers or global constants, not `{ast.unparse(given['shape'])}`"
            )
        named, line = dtype_named(translator.constant(given["dtype"])), node.lineno
        dtype = translator.expression(given["dtype"]) if named is None else lambda frame: named  # x.dtype, or a name
        name = name or f"the {space} array of line {line}"
        key = (translator.kernel, line, node.col_offset)

        def allocate(frame):
            chosen = np.dtype(dtype(frame))
            if space == "shared":
                return frame.machine.shared_array(key, name, shape, chosen, line)
            return frame.machine.local_array(name, shape, chosen)

        return allocate

    return translate


# ---- atomics -------------------------------------------------------------------------------------------------------


def _atomic(combine):
    def translate(translator, node, _):
        if node.keywords or len(node.args) not in (3, 4):
            translator.refuse(node, f"`{ast.unparse(node)}` with these arguments")
        translator.mark_written(node.args[0])
        array, index = translator.expression(node.args[0]), translator.index(node.args[1])
        operands = [translator.expression(argument) for argument in node.args[2:]]
        site = translator.site(node, "updates")

        def update(frame):
            view = array(frame)
            if type(view) is not View:
                raise UnsupportedInKernel(f"line {site.line}: an atomic works on an element of an array")
            given = tuple(operand(frame) for operand in operands)
            return view.update(index(frame), given if len(given) > 1 else given[0], frame.active, site, combine)

        return update

    return translate


def _compare_and_swap(translator, node, _):
    """compare_and_swap(array, old, new) acts on the first element."""
    array, *rest = node.args
    zero = ast.copy_location(ast.Constant(0), node)
    longer = ast.copy_location(ast.Call(node.func, [array, zero, *rest], node.keywords), node)
    return _atomic(_swap_if_equal)(translator, longer, _)


def _swap_if_equal(old, expected, new):
    return np.where(old == expected, new, old)


_ATOMICS = {
    "add": np.add,
    "sub": np.subtract,
    "max": np.fmax,
    "min": np.fmin,
    "nanmax": np.fmax,
    "nanmin": np.fmin,
    "and_": np.bitwise_and,
    "or_": np.bitwise_or,
    "xor": np.bitwise_xor,
    "exch": lambda old, value: value,
    "cas": _swap_if_equal,
    "inc": lambda old, limit: np.where(old >= limit, 0, old + 1),
    "dec": lambda old, limit: np.where((old == 0) | (old > limit), limit, old - 1),
}


# ---- the rest --------------------------------------------------------------------------------------------------------


def _grid(frame, line, dimensions):
    crew, sizes = frame.machine.crew, frame.machine.launch.block
    places = [crew.block_index[n] * sizes[n] + crew.thread_index[n] for n in range(_dimensions(line, dimensions))]
    return places[0] if dimensions == 1 else tuple(places)


def _gridsize(frame, line, dimensions):
    launch = frame.machine.launch
    sizes = [launch.grid[n] * launch.block[n] for n in range(_dimensions(line, dimensions))]
    return sizes[0] if dimensions == 1 else tuple(sizes)


def _dimensions(line, dimensions):
    if dimensions not in (1, 2, 3):
        raise UnsupportedInKernel(f"line {line}: the number of dimensions is 1, 2 or 3")
    return dimensions


def _bits(function):
    """A function of the bits of a 32- or 64-bit integer, element by element."""

    def apply(value):
        dtype = values.dtype_of(value)
        width = 64 if dtype.itemsize == 8 else 32
        one = np.vectorize(lambda v: function(int(v) & ((1 << width) - 1), width), otypes=[np.int64])
        return one(value)[()]

    return _plain(apply, 1)


_CALLED = {
    "grid": _with_frame(_grid, 1),
    "gridsize": _with_frame(_gridsize, 1),
    "shared.array": _allocated("shared"),
    "local.array": _allocated("local"),
    **{f"atomic.{name}": _atomic(combine) for name, combine in _ATOMICS.items()},
    "atomic.compare_and_swap": _compare_and_swap,
    "fma": _plain(_fma, 3),
    "popc": _bits(lambda v, width: v.bit_count()),
    "clz": _bits(lambda v, width: width - v.bit_length()),
    "ffs": _bits(lambda v, width: (v & -v).bit_length()),
    "brev": _bits(lambda v, width: int(f"{v:0{width}b}"[::-1], 2)),
    **{f"libdevice.{name}": _plain(function, 1, 2) for name, function in values.LIBDEVICE.items()},
    "syncthreads": _with_frame(warps.syncthreads, 0),
    "syncthreads_count": _with_frame(warps.syncthreads_count, 1),
    "syncthreads_and": _with_frame(warps.syncthreads_and, 1),
    "syncthreads_or": _with_frame(warps.syncthreads_or, 1),
    "syncwarp": warps.syncwarp,
    "shfl_sync": _with_frame(warps.shuffle("shfl_sync"), 3),
    "shfl_up_sync": _with_frame(warps.shuffle("shfl_up_sync"), 3),
    "shfl_down_sync": _with_frame(warps.shuffle("shfl_down_sync"), 3),
    "shfl_xor_sync": _with_frame(warps.shuffle("shfl_xor_sync"), 3),
    "any_sync": _with_frame(warps.any_sync, 2),
    "all_sync": _with_frame(warps.all_sync, 2),
    "eq_sync": _with_frame(warps.eq_sync, 2),
    "ballot_sync": _with_frame(warps.ballot_sync, 2),
    "match_any_sync": _with_frame(warps.match_any_sync, 2),
    "activemask": _with_frame(warps.activemask, 0),
}
