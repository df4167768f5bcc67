"""The values of constants: found by evaluating a small part of Python here, never by running the cell.

Numbers, NumPy's scalars, dtypes, short texts, tuples and lists of these, and tables (NumPy arrays), made by arithmetic,
conditions and the functions of vocabulary.CONSTANTS. Sizes are bounded before anything is computed.
"""

import ast
import builtins
import cmath
import math
import operator
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from llaisys_mini.kernels.language import vocabulary
from llaisys_mini.kernels.language.findings import NotPermitted, told

_LARGEST = 4096  # elements of a table
_MOST_STEPS = 200_000  # expressions evaluated, and elements of what they gave
_MOST_BITS = 128
_LONGEST = 200  # characters of a text

_BINARY: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_UNARY: dict[type, Callable] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_COMPARE: dict[type, Callable] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_NUMBERS = (bool, int, float, complex, np.number, np.bool_)


class Evaluator:
    """path: the dotted path of an imported name or None (Module.path). values: constants evaluated so far."""

    def __init__(self, path: Callable[[ast.AST], str | None]):
        self._path = path
        self.values: dict[str, Any] = {}
        self._steps = 0

    def value(self, node: ast.expr) -> Any:
        """The value of an expression. Raises NotPermitted."""
        try:
            with np.errstate(all="ignore"):
                return self._value(node, {})
        except NotPermitted:
            raise
        except Exception as problem:  # whatever arithmetic raises: 1 / 0, an unknown dtype, ...
            raise NotPermitted(f"`{told(node)}` has no value: {type(problem).__name__}", node) from None

    def _value(self, node: ast.expr, local: dict[str, Any]) -> Any:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise NotPermitted("the constants of the cell take too long to compute", node)
        rule = getattr(self, f"_{type(node).__name__}", None)
        if rule is None:
            raise NotPermitted(f"`{told(node)}` does not belong in a constant", node)
        return self._bounded(rule(node, local), node)

    def _bounded(self, value: Any, node: ast.expr) -> Any:
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            raise NotPermitted(f"`{told(node)}` is too large a number", node)
        if isinstance(value, str) and len(value) > _LONGEST:
            raise NotPermitted(f"`{told(node)}` is too long", node)
        if isinstance(value, (tuple, list, range)):
            count = _elements(value)
            if count > _LARGEST:
                raise NotPermitted(f"`{told(node)}` has more than {_LARGEST} elements", node)
            self._steps += count
        if isinstance(value, np.ndarray) and value.size > _LARGEST:
            raise NotPermitted(f"`{told(node)}` is no table of at most {_LARGEST} numbers", node)
        dtype = value.dtype if isinstance(value, np.ndarray) else value
        if isinstance(dtype, np.dtype) and dtype.kind not in "biufc":
            raise NotPermitted(f"`{told(node)}` is no table of numbers", node)
        return value

    # ---- expressions -------------------------------------------------------------------------------------------------

    def _Constant(self, node, _):
        if node.value is None or isinstance(node.value, (bool, int, float, complex, str)):
            return node.value
        raise NotPermitted(f"`{told(node)}` does not belong in a constant", node)

    def _Name(self, node, local):
        for known in (local, self.values):
            if node.id in known:
                return known[node.id]
        return self._named(node, self._path(node) or node.id)

    def _Attribute(self, node, local):
        path = self._path(node)
        if path is not None:
            return self._named(node, path)
        owner = self._value(node.value, local)
        if node.attr not in vocabulary.CONSTANT_ATTRIBUTES or not isinstance(owner, (np.ndarray, np.finfo, np.iinfo)):
            raise NotPermitted(f"`.{node.attr}` does not belong in a constant", node)
        found = getattr(owner, node.attr)
        if callable(found):
            raise NotPermitted(f"`{told(node)}` is a function: call it", node)
        return found

    def _named(self, node, path):
        """A number or a type that a name stands for."""
        if path in vocabulary.BUILTIN_TYPES or path in vocabulary.TYPES:
            return _of(path)
        if path in vocabulary.SIZES:
            return _of(path)
        if path in vocabulary.CONSTANTS and isinstance(_of(path), (*_NUMBERS, types.NoneType)):
            return _of(path)
        raise NotPermitted(f"`{told(node)}` does not belong in a constant", node)

    def _Tuple(self, node, local):
        return tuple(self._value(part, local) for part in node.elts)

    def _List(self, node, local):
        return [self._value(part, local) for part in node.elts]

    def _UnaryOp(self, node, local):
        return _UNARY[type(node.op)](self._computed_with(node.operand, local))

    def _BinOp(self, node, local):
        if type(node.op) not in _BINARY:
            raise NotPermitted(f"`{told(node)}` does not belong in a constant", node)
        left, right = self._computed_with(node.left, local), self._computed_with(node.right, local)
        whole = isinstance(left, int) and isinstance(right, int)
        if whole and isinstance(node.op, (ast.Pow, ast.LShift)) and abs(right) > _MOST_BITS:
            raise NotPermitted(f"`{told(node)}` is too large a number", node)
        _look_at_sizes(node, (left, right))
        return _BINARY[type(node.op)](left, right)

    def _computed_with(self, node, local):
        value = self._value(node, local)
        if not isinstance(value, (*_NUMBERS, np.ndarray)):
            raise NotPermitted(f"`{told(node)}` is nothing to compute with", node)
        return value

    def _BoolOp(self, node, local):
        value = None
        for part in node.values:
            value = self._value(part, local)
            if bool(value) is isinstance(node.op, ast.Or):
                break
        return value

    def _Compare(self, node, local):
        left = self._value(node.left, local)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self._value(comparator, local)
            if type(op) not in _COMPARE:
                raise NotPermitted(f"`{told(node)}` does not belong in a constant", node)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _IfExp(self, node, local):
        return self._value(node.body if self._value(node.test, local) else node.orelse, local)

    def _Subscript(self, node, local):
        owner = self._value(node.value, local)
        if not isinstance(owner, (tuple, list, np.ndarray)):
            raise NotPermitted(f"`{told(node)}` does not belong in a constant", node)
        index = self._value(node.slice, local)
        if not all(isinstance(i, (int, np.integer)) for i in (index if isinstance(index, tuple) else (index,))):
            raise NotPermitted(f"`{told(node)}` does not belong in a constant", node)
        return owner[index]

    def _ListComp(self, node, local):
        (loop, *more) = node.generators
        if more or loop.ifs or loop.is_async or not isinstance(loop.target, ast.Name):
            raise NotPermitted(f"`{told(node)}` does not belong in a constant", node)
        items = self._value(loop.iter, local)
        return [self._value(node.elt, {**local, loop.target.id: item}) for item in items]

    _GeneratorExp = _ListComp

    # ---- calls -------------------------------------------------------------------------------------------------------

    def _Call(self, node, local):
        path = self._path(node.func)
        if any(keyword.arg not in ("dtype", "axis", "endpoint") for keyword in node.keywords):
            raise NotPermitted(f"`{told(node)}` does not belong in a constant", node)
        if path is None and isinstance(node.func, ast.Attribute):
            function = self._method(node.func, local)
        elif path is None and isinstance(node.func, ast.Name) and node.func.id in vocabulary.CONSTANT_BUILTINS:
            if node.func.id in self.values or node.func.id in local:
                raise NotPermitted(f"{node.func.id} is redefined", node)
            function = getattr(builtins, node.func.id)
        elif path in vocabulary.CONSTANTS or path in vocabulary.TYPES:
            function = _of(path)
        else:
            raise NotPermitted(f"`{told(node.func)}` does not belong in a constant", node)
        arguments = [self._value(argument, local) for argument in node.args]
        named = {keyword.arg: self._value(keyword.value, local) for keyword in node.keywords}
        _look_at_sizes(node, (*arguments, *named.values()), path)
        return function(*arguments, **named)

    def _method(self, node, local):
        owner = self._value(node.value, local)
        if not isinstance(owner, np.ndarray) or node.attr not in vocabulary.CONSTANT_ATTRIBUTES:
            raise NotPermitted(f"`.{node.attr}` does not belong in a constant", node)
        return getattr(owner, node.attr)


def _of(path: str) -> Any:
    """What a permitted dotted path stands for."""
    module, _, name = path.rpartition(".")
    if module in ("numba", "numba.types"):  # an alias of NumPy's type, as far as a constant goes
        return getattr(np, {"boolean": "bool_"}.get(name, name))
    if module == "llaisys_mini.cpu.simd":
        from llaisys_mini.cpu import simd

        return getattr(simd, name)
    if module == "llaisys_mini.cuda.reductions":
        return 0xFFFFFFFF
    return getattr({"": builtins, "math": math, "cmath": cmath, "numpy": np}[module], name)


def _elements(value: Any) -> int:
    """How many elements a value has with all that it holds, counted no further than the limit."""
    count, pending = 0, [value]
    while pending and count <= _LARGEST:
        item = pending.pop()
        if isinstance(item, (tuple, list)):
            count += len(item)
            pending += item[: _LARGEST + 1]
        elif isinstance(item, (range, np.ndarray)):
            count += len(item) if isinstance(item, range) else item.size
    return count


_NEW = ("zeros", "ones", "full", "eye", "linspace", "arange", "array", "asarray")


def _look_at_sizes(node, arguments, path: str | None = None) -> None:
    """Refuse what would make something large."""
    name = path.removeprefix("numpy.") if path and path.startswith("numpy.") else ""
    numbers: list[Any] = [a for a in arguments if isinstance(a, (int, float, np.number)) and not isinstance(a, bool)]
    shapes = [a.shape for a in arguments if isinstance(a, np.ndarray)]
    asked: Any = math.prod(np.broadcast_shapes(*shapes)) if len(shapes) > 1 else 0
    if name in ("zeros", "ones", "full"):
        shape = arguments[0]
        asked = math.prod(shape) if isinstance(shape, (tuple, list)) else shape
    elif name == "eye":
        asked = math.prod(numbers[:2]) if len(numbers) > 1 else numbers[0] ** 2
    elif name == "linspace":
        asked = max(map(abs, numbers[2:]), default=50) if not shapes else _LARGEST + 1
    elif name == "arange":
        first, last, step = {1: (0, *numbers[:1], 1), 2: (*numbers, 1)}.get(len(numbers), numbers[:3])
        asked = abs((last - first) / step)
    if not asked <= _LARGEST:
        raise NotPermitted(f"`{told(node)}` is no table of at most {_LARGEST} numbers", node)
    texts = [a for a in arguments if isinstance(a, str)]
    if name in _NEW and any(np.dtype(text).kind not in "biufc" for text in texts):
        raise NotPermitted(f"`{told(node)}` is no table of numbers", node)
