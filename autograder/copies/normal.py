"""A program in the form that a disguise does not change, as digests of the subtrees of its syntax tree.

Two programs give the same digests if they differ in names, comments, layout, type hints, the order of statements and
functions, the operand order of commutative operators, or in how the same thing is spelled (`a += b`, `a[i][j]`,
`x > y`, `i, j = 0, 1`). Constants, calls of libraries and the structure are kept. Each subtree has a digest of its own,
so that a part which was taken over is found in an answer that is otherwise different.

    Baxter et al., "Clone detection using abstract syntax trees", ICSM 1998

Nothing is executed.
"""

import ast
import hashlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autograder.findings import imports_of

LEAST_NODES = 6
"""Subtrees of fewer nodes stand in every program (`x[i] * y[i]` has 7)."""
MOST_NODES = 20_000  # of one answer; the longest of the course's own has 1,500

_COMMUTATIVE = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)
_TURNED: dict[type, type] = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_UNORDERED = {"min", "max", "numpy.minimum", "numpy.maximum", "numpy.fmin", "numpy.fmax", "math.hypot"}

_RANGES = {"range", "numba.prange"}  # which of them a loop takes is changed by one letter
_PLACE = 10
"""The most that a statement's place counts: that it stands in a loop or condition with just this head."""
_BLANK = "_"


@dataclass(frozen=True, slots=True)
class Piece:
    """A subtree. digest: equal for subtrees that are alike; size: its nodes, without those of the statements in it,
    which are pieces themselves; first, last: its lines, 0 where it has none of its own."""

    digest: bytes
    size: int
    first: int = 0
    last: int = 0


def pieces_of(source: str) -> list[Piece]:
    """The subtrees of a program, of at least LEAST_NODES nodes each, and the places of its statements.

    Raises ValueError where the source is no Python, or has more than MOST_NODES nodes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES:,} parts")
        reader = _Reader(tree)
        reader.block(tree.body)
    except (SyntaxError, RecursionError, MemoryError) as problem:
        raise ValueError(f"it cannot be read as Python: {type(problem).__name__}") from None
    return reader.pieces


Read = tuple[bytes, int]
"""Digest and number of nodes of what was read."""


def _digest(kind: str, parts: Iterable[bytes]) -> bytes:
    return hashlib.blake2b(b"\0".join([kind.encode(), *parts]), digest_size=8).digest()


class _Reader:
    """Reads a tree from its leaves to its root."""

    def __init__(self, tree: ast.Module):
        self.pieces: list[Piece] = []
        self.imported = dict(_imports(tree))
        self.own = _bound(tree) - self.imported.keys()

    def block(self, body: Iterable[ast.stmt]) -> list[Read]:
        """Statements without their order: what one needs of another, its names do not tell after renaming either."""
        return sorted(self.statement(s) for statement in body for s in _simpler(statement))

    def statement(self, node: ast.stmt) -> Read:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args
            many = len([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs])
            given = [self.read(d) for d in [*arguments.defaults, *filter(None, arguments.kw_defaults)]]
            body = self.block(node.body)
            return self.made(node, f"def {many}", [*given, *body], sum(size for _, size in body))
        if isinstance(node, ast.ClassDef):
            body = self.block(node.body)
            return self.made(node, "class", [*map(self.read, node.bases), *body], sum(size for _, size in body))
        if isinstance(node, (ast.For, ast.While, ast.If, ast.With)):
            kind = type(node).__name__
            heads = [value for _, value in ast.iter_fields(node) if isinstance(value, ast.expr)]
            head = list(map(self.read, heads))
            body, otherwise = self.block(node.body), self.block(getattr(node, "orelse", []))
            for digest, size in [*body, *otherwise]:
                place = _digest(f"{kind} with", [*(d for d, _ in head), digest])
                self.pieces.append(Piece(place, min(size, _PLACE)))
            parts = [*head, *body, (b"else", 0), *otherwise]
            return self.made(node, kind, parts, sum(size for _, size in [*body, *otherwise]))
        return self.read(node)

    def made(self, node: ast.AST, kind: str, parts: Iterable[Read], inside: int = 0) -> Read:
        """The node of this kind, made of these parts. inside: the nodes of the statements among them."""
        parts = list(parts)
        digest, size = _digest(kind, [d for d, _ in parts]), 1 + sum(size for _, size in parts)
        if size >= LEAST_NODES and hasattr(node, "lineno"):
            self.pieces.append(
                Piece(digest, size - inside, node.lineno, getattr(node, "end_lineno", None) or node.lineno)
            )
        return digest, size

    def read(self, node: ast.AST) -> Read:
        """An expression, a simple statement, or whatever else a tree is made of."""
        if isinstance(node, (ast.Name, ast.Attribute)) and (path := self.path(node)):
            return self.made(node, path, [])
        if isinstance(node, ast.Constant):
            return self.made(node, _constant(node.value), [])
        if isinstance(node, ast.BinOp):
            return self.operation(node)
        if isinstance(node, ast.BoolOp):
            return self.made(node, type(node.op).__name__, sorted(map(self.read, node.values)))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.made(node, "negative", [self.read(node.operand)])
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self.comparison(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.Subscript):
            return self.element(node)
        if isinstance(node, ast.Assign):
            return self.made(node, "assign", [self.read(node.value), *sorted(map(self.read, node.targets))])
        parts = []
        for name, value in ast.iter_fields(node):
            if name in ("ctx", "type_comment", "annotation", "returns"):
                continue
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, ast.stmt):
                    parts.append(self.statement(item))
                elif isinstance(item, ast.AST):
                    parts.append(self.read(item))
                elif item is not None and name in ("attr", "op"):
                    parts.append((str(item).encode(), 0))
        return self.made(node, type(node).__name__, parts)

    def path(self, node: ast.AST) -> str:
        """The name of something that is not the student's own, with the module it is imported from; "" for others."""
        words: list[str] = []
        while isinstance(node, ast.Attribute):
            words.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        if node.id in self.own:
            return "" if words else _BLANK
        return ".".join([self.imported.get(node.id, node.id), *reversed(words)])

    def operation(self, node: ast.BinOp) -> Read:
        if isinstance(node.op, (ast.Add, ast.Sub)):
            return self.made(node, "Add", sorted(self.terms(node)))
        if isinstance(node.op, _COMMUTATIVE):
            return self.made(node, type(node.op).__name__, sorted(self.factors(node, type(node.op))))
        return self.made(node, type(node.op).__name__, [self.read(node.left), self.read(node.right)])

    def terms(self, node: ast.expr, negative: bool = False) -> Iterator[Read]:
        """The terms of a sum; `a - b` is the sum of a and the negative of b."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            yield from self.terms(node.left, negative)
            yield from self.terms(node.right, negative != isinstance(node.op, ast.Sub))
        else:
            read = self.read(node)
            yield self.made(ast.Pass(), "negative", [read]) if negative else read

    def factors(self, node: ast.expr, kind: type) -> Iterator[Read]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, kind):
            yield from self.factors(node.left, kind)
            yield from self.factors(node.right, kind)
        else:
            yield self.read(node)

    def comparison(self, node: ast.Compare) -> Read:
        sides = [self.read(node.left), self.read(node.comparators[0])]
        kind = type(node.ops[0])
        if kind in _TURNED:
            sides.reverse()
        elif kind in (ast.Eq, ast.NotEq):
            sides.sort()
        return self.made(node, _TURNED.get(kind, kind).__name__, sides)

    def call(self, node: ast.Call) -> Read:
        name = self.path(node.func)
        arguments = list(node.args)
        if name in _RANGES:
            if len(arguments) == 3 and _is_number(arguments[2], 1):
                arguments.pop()
            if len(arguments) == 2 and _is_number(arguments[0], 0):
                arguments.pop(0)
        given = [self.read(argument) for argument in arguments]
        if name in _UNORDERED:
            given.sort()
        named = [self.read(k.value) for k in sorted(node.keywords, key=lambda keyword: keyword.arg or "")]
        called = (b"range", 1) if name in _RANGES else self.read(node.func)
        return self.made(node, "call", [called, *given, *named])

    def element(self, node: ast.Subscript) -> Read:
        """a[i][j] and a[i, j] alike."""
        places: list[ast.expr] = []
        array: ast.expr = node
        while isinstance(array, ast.Subscript):
            inner = array.slice
            places[:0] = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            array = array.value
        return self.made(node, "element", [self.read(array), *map(self.read, places)])


def _simpler(node: ast.stmt) -> list[ast.stmt]:
    """The statements that say the same in the plainest way; none for what says nothing."""
    if isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)):
        return []
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return []
    if isinstance(node, ast.AugAssign):
        value: ast.expr = ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
        return [ast.copy_location(ast.Assign([node.target], value), node)]
    if isinstance(node, ast.AnnAssign):
        return [] if node.value is None else [ast.copy_location(ast.Assign([node.target], node.value), node)]
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and len(node.targets) == 1:
        target = node.targets[0]
        if isinstance(target, ast.Tuple) and len(target.elts) == len(node.value.elts):
            pairs = zip(target.elts, node.value.elts, strict=True)
            return [ast.copy_location(ast.Assign([t], value), node) for t, value in pairs]
    return [node]


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imports_of(node)


def _bound(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names


def _constant(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53:
        return f"number {float(value)!r}"  # 1 and 1.0 alike
    return f"constant {value!r}"


def _is_number(node: ast.expr, number: int) -> bool:
    return isinstance(node, ast.Constant) and node.value == number and not isinstance(node.value, bool)
