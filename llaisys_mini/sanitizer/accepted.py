"""What numba-cuda compiles in a kernel, and what to write in place of what it refuses: the one table of it.

The sanitizer refuses what stands here as refused, with the line and the replacement, so that what runs under it
compiles for a GPU. tests/sanitizer/test_accepted.py tries every entry, and everything that is left out, against the
compiler (numba-cuda 0.30).
"""

import ast

MATH = dict.fromkeys(
    "acos acosh asin asinh atan atanh ceil cos cosh degrees erf erfc exp exp2 expm1 fabs floor gamma isfinite isinf "
    "isnan lgamma log log10 log1p log2 radians sin sinh sqrt tan tanh trunc".split(),
    1,
) | dict.fromkeys("atan2 copysign fmod hypot ldexp nextafter pow remainder".split(), 2)
"""Functions of Python's module math, and how many arguments they take: numbers of any type."""

NUMPY = dict.fromkeys(
    "arccos arccosh arcsin arcsinh arctan arctanh cos cosh deg2rad degrees isnan log log10 log2 logical_not rad2deg "
    "radians sin sinh tan tanh".split(),
    1,
) | dict.fromkeys(
    "arctan2 bitwise_and bitwise_or bitwise_xor divide equal fmax fmin greater greater_equal hypot less less_equal "
    "logical_and logical_or logical_xor maximum minimum not_equal true_divide".split(),
    2,
)
"""Functions of NumPy on numbers, and how many arguments they take. None takes a float16, unlike those of math."""

_IN_MATH = (
    "exp exp2 expm1 fabs floor ceil trunc sqrt log1p isfinite isinf cbrt copysign fmod ldexp nextafter pow".split()
)
INSTEAD = {
    **{f"np.{name}": f"math.{name}" for name in _IN_MATH if name in MATH},
    "np.abs": "abs(x)",
    "np.absolute": "abs(x)",
    "np.cbrt": "math.copysign(abs(x) ** np.float32(1 / 3), x)",
    "np.power": "x ** y",
    "np.float_power": "x ** y",
    "np.square": "x * x",
    "np.reciprocal": "np.float32(1) / x",
    "np.sign": "1 if x > 0 else -1 if x < 0 else 0",
    "np.signbit": "x < 0",
    "np.negative": "-x",
    "np.positive": "x",
    "np.rint": "round(x)",
    "np.round": "round(x)",
    "np.around": "round(x)",
    "np.where": "a if condition else b",
    "np.clip": "min(max(x, low), high)",
    "np.add": "x + y",
    "np.subtract": "x - y",
    "np.multiply": "x * y",
    "np.remainder": "x % y",
    "np.mod": "x % y",
    "np.floor_divide": "x // y",
    "np.heaviside": "1 if x > 0 else 0",
    "np.max": "a loop with max(most, x[i])",
    "np.min": "a loop with min(least, x[i])",
    "np.dot": "a loop that adds up the products",
    "np.matmul": "a loop that adds up the products",
    **dict.fromkeys(
        ("np.zeros", "np.empty", "np.ones", "np.full", "np.array", "np.arange", "np.zeros_like", "np.empty_like"),
        "cuda.local.array(shape, dtype) for memory of each thread, cuda.shared.array(shape, dtype) for that of a block",
    ),
}
"""What does not compile, by its usual name, and what to write."""

NOT_KNOWN = set(
    "math.frexp math.modf np.conj np.conjugate np.invert np.bitwise_not np.bitwise_invert np.left_shift "
    "np.bitwise_left_shift np.right_shift np.bitwise_right_shift".split()
)
"""Functions that compile, and that the sanitizer does not know."""

_WORDS = "int32 uint32 int64 uint64"
ATOMICS = {
    **dict.fromkeys("add sub max min nanmax nanmin".split(), (*_WORDS.split(), "float32", "float64")),
    **dict.fromkeys("and_ or_ xor exch cas compare_and_swap".split(), tuple(_WORDS.split())),
    **dict.fromkeys("inc dec".split(), ("uint32", "uint64")),
}
"""Atomic updates, and the dtypes of the array's elements that they exist for."""

SHUFFLED = ("int32", "int64", "float32", "float64")
"""The types of a number that cuda.shfl_sync and its siblings pass on."""

WHOLE = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
PREDICATES = {
    **dict.fromkeys("any_sync all_sync eq_sync ballot_sync".split(), (*WHOLE, "bool")),
    **dict.fromkeys("syncthreads_count syncthreads_and syncthreads_or".split(), WHOLE),
}
"""Votes, and the types of their predicate."""


def why_no_shape(node: ast.expr, constant) -> str:
    """Why `node` cannot be the shape of a shared or local array, as the end of a sentence; empty if it can be.

    constant: a function of an expression that gives what a name in it stands for, and None for what is no constant.
    Numba takes whole numbers that are written down, names that stand for one, and tuples of these; it computes nothing.
    """
    items = node.elts if isinstance(node, ast.Tuple) else [node]
    for item in items:
        value = constant(item)
        is_plain = isinstance(item, (ast.Constant, ast.Name, ast.Subscript, ast.IfExp))
        if is_plain and (_is_length(value) or (item is node and _are_lengths(value))):
            continue
        text = ast.unparse(item)
        if isinstance(item, ast.BinOp) and type(value) is int:
            return f"{text} is computed: above the kernel give the number a name, SIZE = {text}, and write SIZE here"
        return f"{text} is no whole number known before the kernel runs: write a number, or the name of a global one"
    return ""


def _is_length(value) -> bool:
    return type(value) is int


def _are_lengths(value) -> bool:
    return type(value) is tuple and bool(value) and all(map(_is_length, value))
