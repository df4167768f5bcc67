"""Where a kernel computes in float64 by accident, as the compiler would: a remark at the operation that is to blame.

A float64 is on purpose where an array or a result is one. It is an accident where a float32 or a whole number meets a
literal such as 0.5, a whole number or Python's float. What the compiler folds away is no remark:

- an operation on literals alone;
- `x * 0.5`, `x + 1`, `1 / x` and the like if the result becomes a float32 at once: rounded once from float64 it is what
  float32 would give (Figueroa, "When is double rounding innocuous?", 1995), so the compiler computes in float32;
- a comparison of a float32 with a literal that a float32 can hold.

tests/sanitizer/test_double_precision.py compares this with the instructions that the compiler makes.
"""

import ast
import math
from collections.abc import Callable, Sequence

import numpy as np

from llaisys_mini.cuda.intrinsics import Intrinsic
from llaisys_mini.sanitizer import findings, values
from llaisys_mini.sanitizer.frames import MISSING
from llaisys_mini.sanitizer.machine import Site

_NARROWED = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_SLOW = "which is slow on a GPU"
_LOST = (
    f"a float32 is combined with a float64 or an integer, so the operation is done in float64, {_SLOW}: "
    "wrap literals and integers in np.float32(...)"
)
_WHOLE = f"whole numbers become float64 here, {_SLOW}: wrap them in np.float32(...)"
SUM = f"sum() begins with a whole number and adds up in float64, {_SLOW}: write x.sum()"
ROUND = f"round works in float64, {_SLOW}: write cuda.libdevice.rintf(x)"


def remark(scope, node, operands: Sequence[ast.expr]) -> Callable:
    """A function (frame, values of the operands) that reports an operation which is done in float64 by accident. It is
    called where the operation is done in float64. node: the operation."""
    literals = [literal_of(scope, operand) for operand in operands]
    site = Site(-1, scope.kernel, node.lineno, node.col_offset, "")
    becomes_float32 = isinstance(getattr(node, "op", None), _NARROWED) and id(node) in scope.narrowed
    exact = [literal is not MISSING and _is_exact(literal) for literal in literals]

    def run(frame, given):
        if not all(isinstance(value, values.NUMBERS) for value in given):
            return  # max of a tuple
        kinds = [values.dtype_of(value) for value, literal in zip(given, literals, strict=True) if literal is MISSING]
        if not kinds:
            return
        if becomes_float32 and all(
            known or values.dtype_of(value) == values.FLOAT32 for known, value in zip(exact, given, strict=True)
        ):
            return
        if values.FLOAT32 in kinds:
            frame.machine.report(findings.FLOAT64, site, _LOST)
        elif values.FLOAT64 not in kinds:
            frame.machine.report(findings.FLOAT64, site, _WHOLE)

    return run


def remark_of_comparison(scope, node, operands: Sequence[ast.expr]) -> Callable:
    """The same for a comparison of two numbers; called for every one."""
    literals = [literal_of(scope, operand) for operand in operands]
    site = Site(-1, scope.kernel, node.lineno, node.col_offset, "")

    def run(frame, given):
        left, right = (getattr(value, "dtype", None) for value in given)
        if (left is values.FLOAT32) == (right is values.FLOAT32) or not isinstance(given[0], values.NUMBERS):
            return  # the usual case is two whole numbers, so that is found out first
        if not isinstance(given[1], values.NUMBERS):
            return
        kinds = [values.dtype_of(value) for value in given]
        literal, kind = next((lit, k) for lit, k in zip(literals, kinds, strict=True) if k != values.FLOAT32)
        if kind.name in _MEETS_IN_FLOAT64 and (literal is MISSING or not _is_exact(literal)):
            frame.machine.report(findings.FLOAT64, site, _LOST)

    return run


_MEETS_IN_FLOAT64 = ("float64", "int32", "uint32", "int64", "uint64")


def literal_of(scope, node, names: int = 4):
    """What an expression made of literals and constants gives, which the compiler computes; else MISSING.

    names: how many variables, each given one literal, may stand between.
    """
    if isinstance(node, ast.Name) and node.id in scope.locals:
        given = scope.given_once(node.id) if names else None
        return MISSING if given is None else literal_of(scope, given, names - 1)
    value = scope.known(node)
    if isinstance(value, (int, float, np.number)):
        return value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = literal_of(scope, node.operand, names)
        return MISSING if inner is MISSING else -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
        left, right = literal_of(scope, node.left, names), literal_of(scope, node.right, names)
        return MISSING if left is MISSING or right is MISSING else _tried(_COMPUTED[type(node.op)], left, right)
    if isinstance(node, ast.Call) and not node.keywords:
        function, given = scope.constant(node.func), [literal_of(scope, argument, names) for argument in node.args]
        is_known = getattr(function, "__module__", None) == "math" or function is float
        return _tried(function, *given) if is_known and MISSING not in given else MISSING
    return MISSING


_COMPUTED = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


def _tried(function, *given):
    try:
        return function(*given)
    except (ArithmeticError, TypeError, ValueError):
        return MISSING


def _is_exact(number) -> bool:
    with np.errstate(over="ignore"):
        try:
            return math.isnan(number) or float(np.float32(number)) == number
        except OverflowError:  # a whole number beyond every float
            return False


def narrowed_in(scope, definition: ast.FunctionDef) -> set[int]:
    """The operations of a function whose result is stored into an array, or given to np.float32, and used nowhere else;
    by the ids of their nodes."""
    found: set[int] = set()
    loads: dict[str, int] = {}
    for node in ast.walk(definition):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            loads[node.id] = loads.get(node.id, 0) + 1

    def narrow(node):
        if isinstance(node, ast.Name) and loads.get(node.id) == 1 and (given := scope.given_once(node.id)) is not None:
            node = given
        found.add(id(node))

    for node in ast.walk(definition):
        if isinstance(node, ast.Assign) and all(isinstance(target, ast.Subscript) for target in node.targets):
            narrow(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
            found.add(id(node))
        elif isinstance(node, ast.Call) and node.args and _rounds(scope, node):
            narrow(node.args[-1])
    return found


def _rounds(scope, call: ast.Call) -> bool:
    """Whether a call turns its last argument into a float32: np.float32(...), or an atomic update."""
    if not isinstance(call.func, (ast.Attribute, ast.Name)) or getattr(call.func, "attr", "") in ("view", "reshape"):
        return False
    function = _root(call.func) in scope.named_outside and scope.constant(call.func)
    return function is np.float32 or (isinstance(function, Intrinsic) and function.path.startswith("atomic."))


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return getattr(node, "id", "")
