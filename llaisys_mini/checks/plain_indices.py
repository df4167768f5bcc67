"""Is it plain from a kernel's source that every index into an array of its own lies within?

    top = np.empty(N)
    for n in range(N):
        top[n] = x[n, 0]        n counts the elements of top: plain

The contract names the dimensions of the arguments, and this file follows those names through lengths, loops and rows.
Arguments are left to guard_zones: what is written around them is found, if the index is made of lengths and counters,
and not of numbers that may be anything. Around an array that the kernel makes lies whatever else Python keeps, so an
index into one of these must be sure. This file says yes only where it is; of any other kernel `bounds` runs a checked
form first, which costs a compilation.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from llaisys_mini.checks import guard_zones
from llaisys_mini.checks.index_kinds import NUMBERS, Array, Index, Length, Number, Value, bits_of
from llaisys_mini.checks.index_values import Values, constants_of, indices_of
from llaisys_mini.checks.syntax import is_kernel, last_name
from llaisys_mini.contract import ArraySpec, Contract

_STATEMENTS = (
    *(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.For, ast.While, ast.If),
    *(ast.Pass, ast.Break, ast.Continue, ast.Return, ast.Raise, ast.Assert),
)
_UNREAD = (ast.Lambda, ast.NamedExpr, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Starred)
_DEEPEST = 5  # calls within calls


def indices_are_plain(operator: Contract, source: str) -> bool:
    """Whether the function under @kernel in this module, and those of the module that it calls, index the arrays that
    they make only within."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return False
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    kernels = [function for function in functions.values() if any(map(is_kernel, function.decorator_list))]
    specs = [*operator.inputs.values(), *operator.outputs.values()]
    arguments: list[Value] = [
        Array(spec.dims, False, spec.is_index) if isinstance(spec, ArraySpec) else Number() if spec is int else None
        for spec in specs
    ]
    return len(kernels) == 1 and _Reader(functions, constants_of(tree)).is_plain(kernels[0], arguments)


@dataclass
class _Reader:
    functions: dict[str, ast.FunctionDef]
    constants: dict[str, Value]
    depth: int = 0
    known: dict[tuple, bool] = field(default_factory=dict)

    def is_plain(self, function: ast.FunctionDef, arguments: Sequence[Value]) -> bool:
        names = [argument.arg for argument in function.args.args]
        if len(names) != len(arguments) or self.depth > _DEEPEST:
            return False
        key = (function.name, *arguments)
        if key not in self.known:
            self.known[key] = False  # a function that calls itself
            inner = _Reader(self.functions, self.constants, self.depth + 1, self.known)
            self.known[key] = _Body(function, dict(zip(names, arguments, strict=True)), inner).is_plain()
        return self.known[key]


class _Body:
    """One function, called with these values."""

    def __init__(self, function: ast.FunctionDef, arguments: dict[str, Value], reader: _Reader):
        self.values, self.reader = Values(function, arguments, reader.constants), reader
        self.nodes = self.values.nodes

    def is_plain(self) -> bool:
        if any(
            isinstance(n, _UNREAD) or (isinstance(n, ast.stmt) and not isinstance(n, _STATEMENTS)) for n in self.nodes
        ):
            return False
        subscripts = all(self._is_within(node) for node in self.nodes if isinstance(node, ast.Subscript))
        return subscripts and all(self._call_is_plain(node) for node in self.nodes if isinstance(node, ast.Call))

    def _is_within(self, node: ast.Subscript) -> bool:
        if isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
            return True
        array, indices = self.values.of(node.value), indices_of(node)
        if isinstance(array, Array) and not array.is_own:
            return all(
                isinstance(index, ast.Slice) or self._is_in_zones(index, axis >= len(array.dims) - 1)
                for axis, index in enumerate(indices)
            )
        return (
            isinstance(array, Array)
            and len(indices) <= len(array.dims)
            and all(self._is_index(index, dim) for index, dim in zip(indices, array.dims, strict=False))
        )

    def _is_in_zones(self, node: ast.expr, is_last: bool) -> bool:
        """Whether an index into an argument is a number that cannot miss the guard zones. is_last: of its axes; along
        another one a step is as long as a row."""
        value = self.values.of(node)
        return isinstance(value, NUMBERS) and bits_of(value) + 12 * (not is_last) <= guard_zones.REACH

    def _is_index(self, node: ast.expr, dim: str | None) -> bool:
        if isinstance(node, ast.Slice):  # cut off at the end
            return True
        value = self.values.of(node)
        if isinstance(value, Length) and value.dim.isdigit():
            return value.dim == "0" or ((dim or "").isdigit() and int(value.dim) < int(dim or 0))
        return isinstance(value, Index) and value.dim == dim

    def _call_is_plain(self, node: ast.Call) -> bool:
        """Whether a function of the module indexes within what it is given; of others nothing can be read."""
        function = self.reader.functions.get(last_name(node.func))
        if function is None:
            return True
        return not node.keywords and self.reader.is_plain(function, [self.values.of(given) for given in node.args])
