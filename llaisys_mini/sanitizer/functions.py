"""What a kernel may call without an effect on memory: conversions, `max`, `abs`, `math.exp`, `np.sqrt`, ...

A translation of a call is a function (translator, node, name of the variable the result is for) -> function of the
frame. `plain` and `with_frame` make one from an ordinary function.
"""

import ast
import math
from collections.abc import Callable
from functools import reduce

import numpy as np

from llaisys_mini.sanitizer import accepted, findings, values
from llaisys_mini.sanitizer.double_precision import ROUND, SUM, remark
from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.views import View


def check_arguments(translator, node, counts) -> None:
    """Refuse a call with another number of arguments than one of these, or with named ones."""
    if node.keywords or len(node.args) not in counts:
        wanted = " or ".join(map(str, counts)) if len(counts) < 4 else f"up to {max(counts)}"
        given = "named ones" if node.keywords else str(len(node.args))
        plural = "" if counts == (1,) else "s"
        name = ast.unparse(node.func)
        translator.reject(node, f"{name} takes {wanted} argument{plural} in a kernel, but is given {given}")


def plain(function: Callable, *counts: int) -> Callable:
    """For functions of values alone. counts: how many arguments they take."""

    def translate(translator, node, _):
        check_arguments(translator, node, counts)
        arguments = [translator.expression(argument) for argument in node.args]
        if len(arguments) == 1:
            (argument,) = arguments
            return lambda frame: function(argument(frame))
        return lambda frame: function(*[argument(frame) for argument in arguments])

    return translate


def computing(function: Callable, *counts: int) -> Callable:
    """Like `plain`, for functions that may compute in float64 where float32 is meant: that is a remark."""

    def translate(translator, node, _):
        check_arguments(translator, node, counts)
        arguments = [translator.expression(argument) for argument in node.args]
        tell = remark(translator, node, node.args)

        def run(frame):
            given = [argument(frame) for argument in arguments]
            result = function(*given)
            if isinstance(result, values.NUMBERS) and values.dtype_of(result) == values.FLOAT64:
                tell(frame, given)
            return result

        return run

    return translate


def with_frame(function: Callable, *counts: int) -> Callable:
    """For functions (frame, line, *values)."""

    def translate(translator, node, _):
        check_arguments(translator, node, counts)
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


def _extreme(arithmetic):
    of_several = computing(lambda *items: reduce(arithmetic, items), *range(2, 9))
    of_one = over_elements(lambda items, whole: reduce(arithmetic, items), most_dimensions=1)
    return lambda translator, node, name: (of_one if len(node.args) == 1 else of_several)(translator, node, name)


def over_elements(function: Callable, most_dimensions: int = 8) -> Callable:
    """For functions (elements, what they belong to) of an array or a tuple: each thread reads all elements."""

    def translate(translator, node, _):
        of = node.func.value if isinstance(node.func, ast.Attribute) and not node.args else None  # x.sum()
        if of is None:
            check_arguments(translator, node, (1,))
        argument, site = translator.expression(of or node.args[0]), translator.site(node, "reads")

        def run(frame):
            whole = argument(frame)
            if type(whole) is not View and (type(whole) is not tuple or not whole):
                raise DoesNotCompile(f"`{ast.unparse(node)}` needs an array or a tuple")
            if type(whole) is View and not 0 < whole.ndim <= most_dimensions:
                raise DoesNotCompile(f"`{ast.unparse(node)}` of an array of {whole.ndim} dimensions: write a loop")
            if type(whole) is View and not whole.size:
                raise UnsupportedInKernel(f"`{ast.unparse(node)}` of an array without elements")
            if node_is_sum(translator, node) and type(whole) is View and whole.dtype == values.FLOAT32:
                frame.machine.report(findings.FLOAT64, node.lineno, SUM)
            return function(whole if type(whole) is tuple else whole.elements(frame.active, site), whole)

        return run

    return translate


def node_is_sum(translator, node) -> bool:
    """Whether a call is Python's own sum, which begins with the whole number 0."""
    return isinstance(node.func, ast.Name) and translator.constant(node.func) is sum


def total(elements, whole):
    """x.sum(): in the type of the array, whole numbers in 64 bits."""
    start = whole.dtype.type(0) if type(whole) is View and whole.dtype.kind == "f" else 0
    return reduce(values.ADD, elements, start)


def _pow(translator, node, _):
    """pow(x, y) is x ** y."""
    check_arguments(translator, node, (2,))
    return translator.expression(ast.copy_location(ast.BinOp(node.args[0], ast.Pow(), node.args[1]), node))


def _round(frame, line, value, digits=0):
    if values.dtype_of(value) == values.FLOAT32:
        frame.machine.report(findings.FLOAT64, line, ROUND)
    rounded = np.round(value, digits)
    return values.cast(rounded, values.INT64) if digits == 0 else rounded


def _no_float16(name):
    function = values.NUMPY[name]

    def apply(*arguments):
        if any(values.dtype_of(argument) == np.float16 for argument in arguments):
            raise DoesNotCompile(f"np.{name} of a float16 does not compile for a GPU: write np.float32(...) around it")
        return function(*arguments)

    return apply


def _length(value):
    if isinstance(value, tuple):
        return len(value)
    if type(value) is View:
        return value.shape[0]
    raise UnsupportedInKernel("len() of something that is neither an array nor a tuple")


def _to_int(value):
    if isinstance(value, str):
        raise DoesNotCompile("int() of a text does not compile for a GPU")
    return int(value) if type(value) in (int, bool) else values.cast(value, values.INT64)


MOST_LINES = 64


def _prints(translator, node, _):
    """print(...): a line for each active thread, as on a GPU; the first MOST_LINES of a launch."""
    if node.keywords or any(isinstance(argument, ast.JoinedStr) for argument in node.args):
        translator.reject(node, "print takes numbers and texts in a kernel, no f-string and no named arguments")
    arguments = [translator.expression(argument) for argument in node.args]

    def run(frame):
        given = [argument(frame) for argument in arguments]
        for lane in frame.active.index:
            frame.machine.printed += 1
            if frame.machine.printed > MOST_LINES:
                if frame.machine.printed == MOST_LINES + 1:
                    print(f"... further lines that {frame.machine.kernel.__name__} prints are left out")
                break
            print(*[value[lane] if type(value) is np.ndarray else value for value in given])

    return run


def fma(a, b, c):
    common = np.result_type(*(values.dtype_of(v) for v in (a, b, c)))
    exact = [values.cast(v, values.FLOAT64) for v in (a, b, c)]
    return values.cast(exact[0] * exact[1] + exact[2], common)


FUNCTIONS = {
    print: _prints,
    pow: _pow,
    max: _extreme(values.MAXIMUM),
    min: _extreme(values.MINIMUM),
    sum: over_elements(lambda elements, _: reduce(values.ADD, elements, 0), most_dimensions=1),
    np.sum: over_elements(total),
    abs: plain(values.absolute, 1),
    round: with_frame(_round, 1, 2),
    int: plain(_to_int, 1),
    float: plain(lambda value: values.cast(value, values.FLOAT64), 1),
    bool: plain(values.truth, 1),
    len: plain(_length, 1),
    **{getattr(math, name): computing(values.MATH[name], count) for name, count in accepted.MATH.items()},
    math.copysign: plain(values.MATH["copysign"], 2),
    **{
        getattr(np, name): (plain if name in values.WITHOUT_FLOAT64 else computing)(_no_float16(name), count)
        for name, count in accepted.NUMPY.items()
    },
}

_REFUSED = {
    **{value: f"np.{value.__name__}" for value in vars(np).values() if isinstance(value, np.ufunc)},
    **{value: f"math.{name}" for name, value in vars(math).items() if callable(value) and not name.startswith("_")},
    **{getattr(np, name[3:]): name for name in accepted.INSTEAD if hasattr(np, name[3:])},
}


def refused(callee, word: str) -> str:
    """Why a function of math or NumPy does not compile, as a sentence; empty for what compiles, or may compile.

    word: what the kernel calls it.
    """
    try:
        name = "" if callee in FUNCTIONS else _REFUSED.get(callee, "")
    except TypeError:  # unhashable
        return ""
    if not name or name in accepted.NOT_KNOWN:
        return ""
    instead = accepted.INSTEAD.get(name)
    return f"{word} does not compile for a GPU" + (f": write {instead}" if instead else "")
