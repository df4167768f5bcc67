"""Arrays that a kernel makes with np.empty and reads before it has set them, found by reading.

    sums = np.empty(M, np.float32)
    for n in range(N):
        sums[m] += x[n, m]          # adds to whatever stood in this memory before

Memory that was never used holds zeros, so such a kernel is right or wrong by chance. What is found is sure: the first
thing that happens to the array, in the order of the source and whatever the conditions, is that an element is read; or
all that ever happens to it is that elements are read and updated.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llaisys_mini.checks.syntax import last_name

UNSET = "an array of np.empty is read before it was set"


@dataclass(frozen=True)
class UnsetArray:
    """The first read of an array whose elements nothing has set. updates: whether it is an update of the element."""

    line: int
    source: str
    array: str
    made: int
    updates: bool

    def __str__(self) -> str:
        deed = "adds to what stands in" if self.updates else "reads"
        return (
            f"line {self.line}: {self.source}\n"
            f"    {deed} {self.array}, which line {self.made} makes with np.empty: its elements are whatever was in "
            f"memory.\n    Set them first, {self.array}[...] = 0 in a loop, or make the array with np.zeros or np.full"
        )


def find_unset(source: str) -> list[UnsetArray]:
    """All such arrays of a module's source, by line. A source that does not parse has none."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    lines = source.split("\n")
    found: dict[tuple[int, str], UnsetArray] = {}
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for name, made, at, updates in _Function(function).unset():
            found.setdefault((at, name), UnsetArray(at, lines[at - 1].strip(), name, made, updates))
    return [found[key] for key in sorted(found)]


def told_of_unset(name: str, arrays: list[UnsetArray]) -> str:
    """The diagnosis of a kernel called `name` that has these arrays."""
    return "\n  ".join([f"{name}: {UNSET}", *map(str, arrays)])


def updated_before_set(function: ast.FunctionDef, outputs: list[str]) -> Iterator[tuple[str, int]]:
    """(output, line) for the outputs of a kernel that it adds to, as if they were 0 in the beginning."""
    for name, _, line, updates in _Function(function, outputs).unset():
        if updates and name in outputs:
            yield name, line


class _Function:
    """The statements of one function in the order of its source. made: arrays that nothing has happened to yet, with
    the line that makes them and their number of dimensions (None: not known)."""

    def __init__(self, function: ast.FunctionDef, given: Iterable[str] = ()):
        self.function = function
        self.made: dict[str, tuple[int, int | None]] = dict.fromkeys(given, (function.lineno, None))
        self._within = {child: node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}

    def unset(self) -> Iterator[tuple[str, int, int, bool]]:
        """(array, line that makes it, line that reads it, whether that is an update)"""
        yield from self._block(self.function.body, sure=True)

    def _block(self, statements, sure):
        for statement in statements:
            yield from self._statement(statement, sure)

    def _statement(self, node, sure):
        """sure: whether the statement is run in any case, if what is around it is."""
        if isinstance(node, ast.FunctionDef):
            self._forget(node)
        elif isinstance(node, (ast.For, ast.While)):
            yield from self._reads(node.iter if isinstance(node, ast.For) else node.test, sure)
            yield from self._block(node.body, sure)
            yield from self._block(node.orelse, False)
        elif isinstance(node, ast.If):
            yield from self._reads(node.test, sure)
            yield from self._block(node.body, False)
            yield from self._block(node.orelse, False)
        elif isinstance(node, ast.AugAssign):
            yield from self._reads(node.value, sure)
            if (name := _array(node.target)) in self.made:
                yield from self._found(name, node.lineno, True, sure)
            self._forget(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            yield from self._assignment(node, sure)
        else:
            yield from self._reads(node, sure)

    def _assignment(self, node, sure):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if isinstance(node, ast.Assign) and _updates(node) and (name := _array(targets[0])) in self.made:
            yield from self._found(name, node.lineno, True, sure)
        yield from self._reads(node.value, sure)
        self._forget(*targets)
        for target in targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = [*zip(target.elts, node.value.elts, strict=False)]
            for made, value in pairs:
                if isinstance(made, ast.Name) and _is_empty(value):
                    self.made[made.id] = node.lineno, _dimensions(value)

    def _reads(self, node, sure):
        """An expression that is evaluated: reads of single elements are found, all else ends what is known."""
        for read in _evaluated(node) if node is not None else ():
            name = _array(read)
            if name in self.made and _is_one_element(read, self.made[name][1]):
                yield from self._found(name, read.lineno, False, sure)
        if node is not None:
            self._forget(node)

    def _found(self, name, line, updates, sure):
        made, dimensions = self.made.pop(name)
        if sure or (updates and self._is_never_set(name, dimensions)):
            yield name, made, line, updates

    def _is_never_set(self, name, dimensions):
        """Whether nothing in the function could set an element of the array, but updates of what stands there."""
        for node, parent in self._within.items():
            if not isinstance(node, ast.Name) or node.id != name:
                continue
            if isinstance(parent, ast.Attribute) and parent.attr in _HARMLESS:
                continue
            outer = self._within.get(parent)
            if isinstance(parent, ast.Subscript) and parent.value is node:
                if isinstance(parent.ctx, ast.Load):
                    known = _is_one_element(parent, dimensions) or isinstance(outer, (ast.BinOp, ast.Compare))
                else:
                    known = isinstance(outer, ast.AugAssign) or (isinstance(outer, ast.Assign) and _updates(outer))
                if known:
                    continue
            elif isinstance(parent, ast.Assign) and _is_empty(parent.value):
                continue
            return False
        return True

    def _forget(self, *nodes):
        """Whatever else happens to an array may set it. Its shape and length may be asked."""
        for node in nodes:
            harmless = {
                id(inner.value)
                for inner in ast.walk(node)
                if isinstance(inner, ast.Attribute) and inner.attr in _HARMLESS
            }
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and id(inner) not in harmless:
                    self.made.pop(inner.id, None)


_HARMLESS = ("shape", "size", "ndim", "dtype")


def _updates(assignment: ast.Assign) -> bool:
    """x[i] = ... x[i] ..."""
    target = assignment.targets[0]
    if not isinstance(target, ast.Subscript):
        return False
    place = ast.unparse(target)
    reads = (node for node in _evaluated(assignment.value) if node is not assignment.value)
    return any(ast.unparse(node) == place for node in reads)


def _is_one_element(read: ast.Subscript, dimensions: int | None) -> bool:
    """Whether x[i, j] is a number, as it is if x has two dimensions."""
    count = len(read.slice.elts) if isinstance(read.slice, ast.Tuple) else 1
    has_slice = any(isinstance(part, (ast.Slice, ast.Starred)) for part in ast.walk(read.slice))
    return count == dimensions and not has_slice


def _evaluated(node: ast.AST) -> Iterator[ast.Subscript]:
    """The elements that are read whenever an expression is evaluated: not those in `a if c else b`, `a and b`."""
    pending = [node]
    while pending:
        part = pending.pop(0)
        if isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Load) and isinstance(part.value, ast.Name):
            yield part
        if isinstance(part, ast.IfExp):
            pending.append(part.test)
        elif isinstance(part, ast.BoolOp):
            pending.append(part.values[0])
        elif not isinstance(part, (ast.Lambda, ast.ListComp, ast.GeneratorExp)):
            pending += ast.iter_child_nodes(part)


def _array(node: ast.AST) -> str:
    """x for x[...]; else empty."""
    return node.value.id if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) else ""


def _is_empty(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and last_name(value.func) in ("empty", "empty_like")


def _dimensions(call: ast.expr) -> int | None:
    """Of the array that np.empty makes, where its shape is written down."""
    assert isinstance(call, ast.Call)
    shape = call.args[0] if call.args else None
    if last_name(call.func) == "empty_like":
        return None
    if isinstance(shape, ast.Tuple):
        return len(shape.elts)
    is_number = isinstance(shape, (ast.BinOp, ast.Constant)) or (
        _is_one_element(shape, 1)
        if isinstance(shape, ast.Subscript)
        else isinstance(shape, ast.Attribute) and shape.attr == "size"
    )
    return 1 if is_number or (isinstance(shape, ast.Call) and getattr(shape.func, "id", "") == "len") else None
