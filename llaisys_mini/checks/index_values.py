"""What the numbers and arrays of a kernel are, as its source tells: the length of a dimension, an index into one.

    N, C = x.shape                  the lengths of two dimensions of x
    for c in range(C):              an index of the second
    row = np.empty(C)               an array with that dimension

The contract names the dimensions of the arguments; these names are followed. See plain_indices.
"""

import ast

from llaisys_mini.checks.index_kinds import NUMBERS, Array, Index, Length, Number, Value, bits_of, largest
from llaisys_mini.checks.syntax import last_name

_COUNTS = {"range", "prange"}
_MAKES = {"empty", "zeros", "ones", "full"}
_MAKES_LIKE = {"empty_like", "zeros_like", "ones_like", "full_like", "copy"}
_OTHER_FORMS = {"reshape", "ravel", "view", "transpose", "T"}
_SAME_NUMBER = {"int", "int32", "int64", "intp"}
_LARGE = 1 << 20  # no length of a case


def constants_of(tree: ast.Module) -> dict[str, Value]:
    """The whole numbers that the module gives a name, each once in the whole file."""
    found = {
        target.id: _constant(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    bound = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return {name: value for name, value in found.items() if bound.count(name) == 1}


def _constant(node: ast.expr) -> Value:
    is_length = isinstance(node, ast.Constant) and type(node.value) is int and 0 <= node.value < _LARGE
    return Length(str(node.value)) if is_length else None  # type: ignore[attr-defined]


class Values:
    """What the names and expressions of one function are, called with these arguments. A name has a value if everything
    that it is ever bound to has."""

    def __init__(self, function: ast.FunctionDef, arguments: dict[str, Value], constants: dict[str, Value]):
        """constants: of the module."""
        self.nodes = [node for statement in function.body for node in ast.walk(statement)]
        self.name, self.constants = function.name, constants
        self.bindings: dict[str, list] = {name: [value] for name, value in arguments.items()}
        self.in_loops = {
            name.id
            for loop in self.nodes
            if isinstance(loop, (ast.For, ast.While))
            for name in ast.walk(loop)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
        self.values: dict[str, Value] = {}
        for node in self.nodes:
            self._bind_in(node)

    # ---- what names are bound to -----------------------------------------------------------------------------

    def _bind_in(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(target, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._bind(node.target, node.value)
        elif isinstance(node, ast.AugAssign):
            self._bind(node.target, ast.BinOp(node.target, node.op, node.value))
        elif isinstance(node, ast.For):
            counts = isinstance(node.iter, ast.Call) and last_name(node.iter.func) in _COUNTS
            self._bind(node.target, node.iter if counts and isinstance(node.target, ast.Name) else None)

    def _bind(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self.bindings.setdefault(target.id, []).append(value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple) and len(value.elts) == len(parts):
                parts = list(value.elts)
            elif isinstance(value, ast.Attribute) and value.attr == "shape":
                parts = [ast.Subscript(value, ast.Constant(axis)) for axis in range(len(parts))]
            for single, part in zip(target.elts, parts, strict=True):
                self._bind(single, part)

    def _named(self, name: str) -> Value:
        if name not in self.bindings:
            return self.constants.get(name) or Number()  # Numba takes every other name for a constant
        if name not in self.values:
            self.values[name] = Number(12)  # for what depends on itself, such as i = i + 1
            found = [self.of(b) if isinstance(b, ast.expr) else b for b in self.bindings[name]]
            kinds = [value for value in found if value != Length("0")] or found  # 0 is an index of any dimension
            same = all(value == kinds[0] for value in kinds)
            is_index = len(kinds) == len(found) or isinstance(kinds[0], Index)
            if same and is_index:
                self.values[name] = kinds[0]
            else:
                self.values[name] = largest(found)
            only = found[0] if len(found) == 1 and name not in self.in_loops else None
            if isinstance(only, Number) and only.bits <= 12:  # one number throughout, whatever it is
                self.values[name] = Length(f"{name} of {self.name}")
        return self.values[name]

    # ---- what expressions are ----------------------------------------------------------------------------------

    def of(self, node: ast.expr | None) -> Value:
        """What an expression is; None for anything."""
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.Constant):
            return _constant(node)
        if isinstance(node, ast.Subscript):
            return self._element(node)
        if isinstance(node, ast.Attribute):
            array = self.of(node.value)
            if node.attr == "size" and isinstance(array, Array):
                return _length(array.dims[0]) if len(array.dims) == 1 else Number()
            return self._other_form(node)
        if isinstance(node, ast.BinOp):
            left, right = self.of(node.left), self.of(node.right)
            if isinstance(node.op, ast.FloorDiv) and isinstance(left, Index) and self._is_natural(node.right):
                return left
            if isinstance(node.op, ast.FloorDiv) and isinstance(left, Length) and isinstance(right, Length):
                return Length(f"{left.dim} // {right.dim}")
            if isinstance(node.op, ast.Mod) and isinstance(right, Length) and self._is_natural(node.left):
                return Index(right.dim) if self._is_natural(node.right) else Number(bits_of(right))
            if not (isinstance(left, NUMBERS) and isinstance(right, NUMBERS)):
                return None
            if isinstance(node.op, (ast.Add, ast.Sub)):
                return Number(max(bits_of(left), bits_of(right)) + 1)
            if isinstance(node.op, ast.Mult):
                return Number(bits_of(left) + bits_of(right))
            if isinstance(node.op, ast.FloorDiv) and isinstance(node.right, ast.Constant):
                return Number(max(bits_of(left) - bits_of(right) + 1, 1))
            return Number(bits_of(left)) if isinstance(node.op, (ast.FloorDiv, ast.Mod, ast.RShift)) else None
        if isinstance(node, ast.UnaryOp) and isinstance(self.of(node.operand), NUMBERS):
            return largest([self.of(node.operand)])
        if isinstance(node, ast.IfExp):
            return largest([self.of(node.body), self.of(node.orelse)])
        if isinstance(node, ast.Call):
            return self._called(node)
        return None

    def _element(self, node: ast.Subscript) -> Value:
        """A length out of a shape, or a part of an array."""
        if isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
            array = self.of(node.value.value)
            axis = node.slice.value if isinstance(node.slice, ast.Constant) else None
            if isinstance(array, Array) and isinstance(axis, int) and axis < len(array.dims):
                return _length(array.dims[axis])
            return Number()
        array = self.of(node.value)
        if not isinstance(array, Array):
            return None
        indices = indices_of(node)
        if len(indices) > len(array.dims):
            return None if array.is_own else array
        if not all(isinstance(index, ast.Slice) or self.is_number(index) for index in indices):
            return None  # an array of indices makes a new array
        kept = [
            dim if index.lower is index.upper is index.step is None else None
            for index, dim in zip(indices, array.dims, strict=False)
            if isinstance(index, ast.Slice)
        ]
        dims = (*kept, *array.dims[len(indices) :])
        if dims:
            return Array(dims, array.is_own, array.has_indices)
        return Number(17) if array.has_indices else None

    def is_number(self, node: ast.expr) -> bool:
        """Whether it is a number made of lengths and indices."""
        return isinstance(self.of(node), NUMBERS)

    def _other_form(self, node: ast.expr) -> Value:
        """x.T or x.reshape(-1) of an argument."""
        array = self.of(node.value) if isinstance(node, ast.Attribute) and node.attr in _OTHER_FORMS else None
        return Array((), is_own=False) if isinstance(array, Array) and not array.is_own else None

    def _called(self, node: ast.Call) -> Value:
        if other := self._other_form(node.func):
            return other
        name, given = last_name(node.func), node.args
        if not given:
            return None
        if name in _COUNTS and (dim := self._counted(given)):
            return Index(dim)
        if name in _COUNTS | {"min", "max", "abs"} and all(map(self.is_number, given)):
            values = list(map(self.of, given))
            return Number(min(map(bits_of, values))) if name == "min" else largest(values)
        if name == "len" and isinstance(array := self.of(given[0]), Array):
            return _length(array.dims[0]) if array.dims else Number()
        if name in _SAME_NUMBER:
            number = self.of(given[0])
            return number if isinstance(number, NUMBERS) else None
        if name in _MAKES_LIKE and isinstance(node.func, ast.Attribute):
            array = self.of(given[0])
            return Array(array.dims) if isinstance(array, Array) else None
        if name in _MAKES and isinstance(node.func, ast.Attribute):
            lengths = given[0].elts if isinstance(given[0], ast.Tuple) else [given[0]]
            values = [self.of(length) for length in lengths]
            return Array(tuple(value.dim if isinstance(value, Length) else None for value in values))
        return None

    def _counted(self, given: list[ast.expr]) -> str | None:
        """The dimension within which the numbers of range(*given) lie."""
        start, stop = (given[0], given[1]) if len(given) > 1 else (ast.Constant(0), given[0])
        steps_up = len(given) < 3 or isinstance(self.of(given[2]), Length)
        return self._limit(stop) if steps_up and self._is_natural(start) else None

    def _limit(self, node: ast.expr) -> str | None:
        """A dimension that is at least as long as this number."""
        value = self.of(node)
        if isinstance(value, (Length, Index)):
            return value.dim
        if isinstance(node, ast.Name) and len(self.bindings.get(node.id, ())) == 1:
            bound = self.bindings[node.id][0]
            return self._limit(bound) if isinstance(bound, ast.expr) else None
        if isinstance(node, ast.Call) and last_name(node.func) == "min":
            return next(filter(None, (self._limit(argument) for argument in node.args[::-1])), None)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            return self._limit_of_sum(*_terms(node))
        return None

    def _limit_of_sum(self, added: list[ast.expr], taken: list[ast.expr]) -> str | None:
        """The same of added terms less those that are taken away: S - L + l + 1 is at most S, for l is below L."""
        plus, minus = [self.of(term) for term in added], [self.of(term) for term in taken]
        for index in [value for value in plus if isinstance(value, Index)]:
            if Length("1") in plus:  # an index and 1 are at most the length
                plus.remove(index)
                plus.remove(Length("1"))
                plus.append(Length(index.dim))
        for length in [value for value in plus if value in minus and isinstance(value, Length)]:
            if length in minus and len(plus) > 1:
                plus.remove(length)
                minus.remove(length)
        only = plus[0] if len(plus) == 1 else None
        is_less = all(isinstance(value, (Length, Index)) and " " not in value.dim for value in minus)
        return only.dim if isinstance(only, (Length, Index)) and is_less else None

    def _is_natural(self, node: ast.expr) -> bool:
        """Whether it is a whole number from 0 on. A number that has only a name may be below."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult, ast.FloorDiv)):
            return self._is_natural(node.left) and self._is_natural(node.right)
        value = self.of(node)
        return isinstance(value, (Length, Index)) and " " not in value.dim


def _terms(node: ast.expr) -> tuple[list[ast.expr], list[ast.expr]]:
    """The terms of a sum that are added, and those that are taken away."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))):
        return [node], []
    added, taken = _terms(node.left)
    more, less = _terms(node.right)
    return (added + more, taken + less) if isinstance(node.op, ast.Add) else (added + less, taken + more)


def _length(dim: str | None) -> Value:
    return Length(dim) if dim is not None else Number()


def indices_of(node: ast.Subscript) -> list[ast.expr]:
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
