"""What a kernel may call without an effect on memory: conversions, `max`, `abs`, `math.exp`, `np.sqrt`, ...

A translation of a call is a function (translator, node, name of the variable the result is for) -> function of the
frame. `plain` and `with_frame` make one from an ordinary function.
"""

import ast
import math
from collections.abc import Callable

import numpy as np

from llaisys_mini.sanitizer import values
from llaisys_mini.sanitizer.findings import UnsupportedInKernel
from llaisys_mini.sanitizer.views import View


def plain(function: Callable, *counts: int) -> Callable:
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


def with_frame(function: Callable, *counts: int) -> Callable:
    """For functions (frame, line, *values)."""

    def translate(translator, node, _):
        if node.keywords or len(node.args) not in counts:
            translator.refuse(node, f"`{ast.unparse(node)}` with these arguments")
        arguments, line = [translator.expression(argument) for argument in node.args], node.lineno
        return lambda frame: function(frame, line, *[argument(frame) for argument in arguments])

    return translate


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


def widen(value):
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


def fma(a, b, c):
    common = np.result_type(*(values.dtype_of(v) for v in (a, b, c)))
    exact = [values.cast(v, values.FLOAT64) for v in (a, b, c)]
    return values.cast(exact[0] * exact[1] + exact[2], common)


FUNCTIONS = {
    max: plain(_extreme(values.MAXIMUM), *range(1, 9)),
    min: plain(_extreme(values.MINIMUM), *range(1, 9)),
    abs: plain(values.absolute, 1),
    round: plain(_round, 1, 2),
    int: plain(_to_int, 1),
    float: plain(lambda value: values.cast(value, values.FLOAT64), 1),
    bool: plain(values.truth, 1),
    len: plain(_length, 1),
    **{getattr(math, name): plain(function, 1, 2) for name, function in values.MATH.items()},
    **{getattr(np, name): plain(function, 1, 2) for name, function in values.NUMPY.items()},
    np.maximum: plain(_extreme(values.MAXIMUM), 2),
    np.minimum: plain(_extreme(values.MINIMUM), 2),
    np.where: plain(lambda c, a, b: values.cast(np.where(c, a, b), np.result_type(a, b)), 3),
}
