"""Numbers inside a kernel: arithmetic with the types that Numba gives it on a device.

A value is *uniform* (one Python or NumPy scalar that holds for every thread) or *per lane* (a vector with one element
per thread of the resident blocks). The rules that differ from plain Python and NumPy:

- integers narrower than 64 bits are widened to 64 before arithmetic; an int met by a float32 makes a float64;
- a literal such as 0.5 is a float64, and stays one: float32 * 0.5 is computed in float64, slowly;
- `max` and `min` of floats ignore NaN; math.exp(float32) is a float32.
"""

import math
import operator
from collections.abc import Callable
from functools import cache

import numpy as np

from llaisys_mini.sanitizer import accepted

FLOAT32, FLOAT64, INT64, UINT64 = map(np.dtype, (np.float32, np.float64, np.int64, np.uint64))
BOOL = np.dtype(np.bool_)
NUMBERS = (int, np.generic, np.ndarray)
"""The types of a number in a kernel: uniform, or one per lane."""
_BIGGEST = 2**63


def from_python(value):
    """A constant or argument as a kernel holds it: Python floats are float64, all else stays."""
    return np.float64(value) if type(value) is float else value


def dtype_of(value) -> np.dtype:
    """The dtype of a number, Python's own included."""
    kind = type(value)
    if kind is int:
        return INT64 if -_BIGGEST <= value < _BIGGEST else UINT64
    return BOOL if kind is bool else value.dtype


_AS_THEY_ARE = {FLOAT32, FLOAT64, INT64, UINT64}
"""Two numbers of one of these meet without a cast."""


@cache
def _common(first: np.dtype, second: np.dtype) -> tuple[np.dtype, np.dtype]:
    """What both are cast to before they meet."""
    return _widened(first, second), _widened(second, first)


def _widened(dtype, other):
    if dtype.kind == "f" or other.kind == "f":
        return dtype
    return UINT64 if dtype.kind == other.kind == "u" else INT64


def cast(value, dtype: np.dtype):
    """`value` as `dtype`; integers wrap, as they do on a device."""
    kind = type(value)
    if kind is np.ndarray or isinstance(value, np.generic):
        return value if value.dtype == dtype else value.astype(dtype)
    if kind is int:
        if not -_BIGGEST <= value < _BIGGEST:
            value = value & (2**64 - 1)
        elif dtype is INT64:  # the usual case, and the quickest way
            return np.int64(value)
    return np.asarray(value).astype(dtype)[()]


class Arithmetic:
    """`a <op> b`: `exact` on two Python ints, `ufunc` on everything else."""

    def __init__(self, ufunc: Callable, exact: Callable | None):
        self.ufunc = ufunc
        self.exact = exact

    def __call__(self, a, b):
        if type(a) is int and type(b) is int and self.exact is not None:
            return self.exact(a, b)
        first, second = dtype_of(a), dtype_of(b)
        if first is second and first in _AS_THEY_ARE and type(a) is not int and type(b) is not int:
            return self.ufunc(a, b)
        first_cast, second_cast = _common(first, second)
        if first_cast != first or not isinstance(a, (np.ndarray, np.generic)):
            a = cast(a, first_cast)
        if second_cast != second or not isinstance(b, (np.ndarray, np.generic)):
            b = cast(b, second_cast)
        return self.ufunc(a, b)


def _power(a, b):
    return np.power(a.astype(FLOAT64) if a.dtype.kind != "f" and np.any(np.asarray(b) < 0) else a, b)


ADD, SUBTRACT = Arithmetic(np.add, operator.add), Arithmetic(np.subtract, operator.sub)
MULTIPLY, DIVIDE = Arithmetic(np.multiply, operator.mul), Arithmetic(np.true_divide, None)
FLOOR_DIVIDE, REMAINDER = Arithmetic(np.floor_divide, None), Arithmetic(np.remainder, None)
POWER = Arithmetic(_power, None)
AND, OR, XOR = (
    Arithmetic(np.bitwise_and, operator.and_),
    Arithmetic(np.bitwise_or, operator.or_),
    Arithmetic(np.bitwise_xor, operator.xor),
)
SHIFT_LEFT, SHIFT_RIGHT = Arithmetic(np.left_shift, operator.lshift), Arithmetic(np.right_shift, operator.rshift)


def _of_floats(for_floats, for_integers):
    return lambda a, b: (for_floats if a.dtype.kind == "f" or b.dtype.kind == "f" else for_integers)(a, b)


MAXIMUM = Arithmetic(_of_floats(np.fmax, np.maximum), max)
MINIMUM = Arithmetic(_of_floats(np.fmin, np.minimum), min)


def negative(value):
    """-value, in the type that Numba gives it."""
    return -value if type(value) in (int, bool) else np.negative(cast(value, _widened_alone(value.dtype)))


def inverted(value):
    """~value, in the type that Numba gives it."""
    return ~int(value) if type(value) in (int, bool) else np.invert(cast(value, _widened_alone(value.dtype)))


def absolute(value):
    """abs(value), in the type that Numba gives it."""
    return abs(value) if type(value) in (int, bool) else np.abs(cast(value, _widened_alone(value.dtype)))


def _widened_alone(dtype):
    return _widened(dtype, dtype)


def truth(value):
    """Whether a value counts as true: a bool, or a vector of them."""
    if type(value) is np.ndarray:
        return value if value.dtype == BOOL else value != 0
    return bool(value)


# ---- functions of the modules math and numpy ---------------------------------------------------------------------


def _float_function(ufunc):
    def apply(*values):
        dtypes = [dtype_of(value) for value in values]
        floats = [dtype for dtype in dtypes if dtype.kind == "f"]
        common = np.result_type(*floats) if len(floats) == len(dtypes) else FLOAT64
        return ufunc(*(cast(value, common) for value in values))

    return apply


def _one_by_one(function):
    vector = np.vectorize(function, otypes=[np.float64])
    return _float_function(lambda *values: vector(*values).astype(values[0].dtype)[()])


def _as_float(value):
    return value if dtype_of(value).kind == "f" else cast(value, FLOAT64)


def _to_integer(ufunc):
    return lambda value: cast(ufunc(cast(value, FLOAT64)), INT64)


def _reciprocal_root(value):
    return type(value)(1) / np.sqrt(value) if np.ndim(value) == 0 else np.float32(1) / np.sqrt(value)


_OTHERWISE_IN_NUMPY = {
    **{"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "pow": "power"},
    **{"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh"},
}
_OTHERWISE = {
    **{name: _one_by_one(getattr(math, name)) for name in ("erf", "erfc", "gamma", "lgamma", "remainder")},
    **{"floor": _to_integer(np.floor), "ceil": _to_integer(np.ceil), "trunc": _to_integer(np.trunc)},
    "ldexp": lambda value, exponent: np.ldexp(_as_float(value), cast(exponent, np.dtype(np.int32))),
}
MATH = {
    name: _OTHERWISE.get(name) or _float_function(getattr(np, _OTHERWISE_IN_NUMPY.get(name, name)))
    for name in accepted.MATH
}
"""The functions of Python's module `math` that a kernel may call."""


def _logical(ufunc):
    return lambda *values: ufunc(*map(truth, values))


_ON_TRUTHS = ("logical_and", "logical_or", "logical_xor", "logical_not")
_COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_ON_NUMBERS = {
    **{"bitwise_and": AND, "bitwise_or": OR, "bitwise_xor": XOR, "divide": DIVIDE, "true_divide": DIVIDE},
    **{"fmax": MAXIMUM, "fmin": MINIMUM},
    "maximum": Arithmetic(np.maximum, None),  # unlike the others these two pass NaN on
    "minimum": Arithmetic(np.minimum, None),
}
NUMPY = {
    **{name: _float_function(getattr(np, name)) for name in accepted.NUMPY},
    **{name: _logical(getattr(np, name)) for name in _ON_TRUTHS},
    **{name: getattr(np, name) for name in _COMPARISONS},
    **_ON_NUMBERS,
}
"""The functions of NumPy that a kernel may call on numbers."""
WITHOUT_FLOAT64 = {*_ON_TRUTHS, *_COMPARISONS, *_ON_NUMBERS}
"""Those that never turn a float32 or a whole number into a float64 for longer than the compiler sees through."""

LIBDEVICE = {
    **{"rsqrtf": _float_function(_reciprocal_root), "rsqrt": _float_function(_reciprocal_root)},
    **{"exp2f": MATH["exp2"], "fast_expf": MATH["exp"], "fast_logf": MATH["log"], "fast_log2f": MATH["log2"]},
    **{"fast_sinf": MATH["sin"], "fast_cosf": MATH["cos"]},
    **{
        name: _float_function(lambda value, f=f: f(np.pi * value.astype(np.float64)).astype(value.dtype))
        for name, f in (("sinpif", np.sin), ("cospif", np.cos))
    },
    "fast_exp10f": _float_function(lambda value: np.power(value.dtype.type(10), value)),
}
"""Functions of NVIDIA's libdevice, by the names of `cuda.libdevice`. The fast ones are less exact on a device."""

_AS_IN_MATH = (  # with an f
    "sqrt exp expm1 log log2 log10 log1p sin cos tan tanh sinh cosh fabs pow erf floor ceil trunc rint".split()
)
_ROUNDED = {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint}
LIBDEVICE |= {
    **{f"{name}f": _float_function(_ROUNDED[name]) if name in _ROUNDED else MATH[name] for name in _AS_IN_MATH},
    "exp10f": LIBDEVICE["fast_exp10f"],
    "fmaxf": MAXIMUM,
    "fminf": MINIMUM,
    "fmaf": _float_function(lambda a, b, c: (a.astype(FLOAT64) * b + c).astype(a.dtype)),
    "frcp_rn": _float_function(lambda value: value.dtype.type(1) / value),
}
CBRT = _float_function(np.cbrt)


def libdevice_count(name: str) -> int:
    """How many arguments a function of LIBDEVICE takes."""
    return {"powf": 2, "fmaxf": 2, "fminf": 2, "fmaf": 3}.get(name, 1)


def _half(function):
    return lambda *values: function(*(cast(value, np.dtype(np.float16)) for value in values))


FP16 = {
    **{name: (2, _half(ufunc)) for name, ufunc in (("hadd", np.add), ("hsub", np.subtract), ("hmul", np.multiply))},
    **{name: (2, _half(ufunc)) for name, ufunc in (("hdiv", np.divide), ("hmax", np.fmax), ("hmin", np.fmin))},
    **{name: (1, _half(ufunc)) for name, ufunc in (("hneg", np.negative), ("habs", np.abs))},
    **{name: (2, _half(ufunc)) for name, ufunc in (("heq", np.equal), ("hne", np.not_equal), ("hlt", np.less))},
    **{
        name: (2, _half(ufunc))
        for name, ufunc in (("hle", np.less_equal), ("hgt", np.greater), ("hge", np.greater_equal))
    },
    "hfma": (3, _half(lambda a, b, c: (a.astype(FLOAT64) * b + c).astype(np.float16))),
}
"""Functions of `cuda.fp16`: how many numbers they take, and what they compute."""
