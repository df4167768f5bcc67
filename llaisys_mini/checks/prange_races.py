"""Races in `prange`, found by reading: several threads update the same array element at once.

    for n in prange(N):
        for m in range(M):
            grad_bias[m] += grad_out[n, m]      # every n updates the same grad_bias[m]

Run, such a kernel is right or wrong by chance. Read, it is plain: the index of the element does not depend on the loop
variable of prange, and what is stored depends on what stood there. An array that is made inside of the loop belongs to
one round and is private; so is `row = out[n]`. A number, `total += ...`, is a reduction, which Numba makes safe. Calls
of functions of the same file are followed.
"""

import ast
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from llaisys_mini.checks.syntax import last_name

RACE = "the threads of prange get in each other's way"
_MOST_STATEMENTS = 20_000  # that are read for one source; the course's own need 2,000


@dataclass(frozen=True)
class Race:
    """An update of a shared element inside the loop over `variable`."""

    line: int
    source: str
    array: str
    variable: str

    def __str__(self) -> str:
        return (
            f"line {self.line}: {self.source}\n"
            f"    several rounds of prange update the same element of {self.array} at once, and updates get lost.\n"
            f"    Let its index depend on {self.variable}, or loop with prange over what it does depend on, or give "
            "each round an array of its own"
        )


def find_races(source: str) -> list[Race]:
    """All races of a module's source, by line. A source that does not parse has none."""
    try:
        tree = parsed(source)
    except SyntaxError:
        return []
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    lines = source.split("\n")
    budget = [_MOST_STATEMENTS]
    found: dict[int, Race] = {}
    for function in functions.values():
        for loop in prange_loops(function):
            own = {name.id for name in ast.walk(loop.target) if isinstance(name, ast.Name)}
            for line, array in _Round(own, functions, budget).read(loop.body):
                found.setdefault(line, Race(line, lines[line - 1].strip(), array, ast.unparse(loop.target)))
    return [found[line] for line in sorted(found)]


def told_of_races(name: str, races: list[Race]) -> str:
    """The diagnosis of a kernel or answer called `name` that has these races."""
    return "\n  ".join([f"{name}: {RACE}", *map(str, races)])


def prange_loops(function: ast.FunctionDef) -> Iterator[ast.For]:
    """The loops over prange; of nested ones Numba runs only the outer one in parallel."""
    pending = deque(ast.iter_child_nodes(function))
    while pending:
        node = pending.popleft()
        if isinstance(node, ast.For) and _is_prange(node.iter):
            yield node
        else:
            pending += ast.iter_child_nodes(node)


def parsed(source: str) -> ast.Module:
    """The module, in which calls of prange have that name, also where it was given another. Raises SyntaxError."""
    tree = ast.parse(source)
    names = names_of_prange(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            node.func.id = "prange"
    return tree


def names_of_prange(tree: ast.Module) -> set[str]:
    """The names that a module has for prange: its own, and those it was imported or assigned under."""
    names: set[str] = {"prange"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "prange"}
        elif isinstance(node, ast.Assign) and last_name(node.value) == "prange":
            names |= {last_name(target) for target in node.targets}
    return names


def _is_prange(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) == "prange"


class _Round:
    """One round of a prange loop, or of a function that it calls.

    own: names whose value differs from round to round. private: names of arrays that belong to this round. All other
    arrays are shared; `aliases` says which of them a name stands for.
    """

    def __init__(self, own: set[str], functions: dict[str, ast.FunctionDef], budget: list[int], depth: int = 0):
        """budget: how many statements may still be read; calls of calls would read some very often."""
        self.own, self.functions, self.budget, self.depth = set(own), functions, budget, depth
        self.private: set[str] = set()
        self.aliases: dict[str, str] = {}

    def read(self, body: list[ast.stmt]) -> list[tuple[int, str]]:
        """(line, array) of every update of a shared element."""
        found: list[tuple[int, str]] = []
        for _ in range(2):  # a name that is set further down is known in the second reading
            found = [race for statement in body for race in self._statement(statement)]
        return found

    def _statement(self, node: ast.stmt) -> Iterator[tuple[int, str]]:
        self.budget[0] -= 1
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) or self.budget[0] < 0:
            return
        for call in self._calls_in(node):
            yield from self._call(call, node.lineno)
        if isinstance(node, ast.AugAssign):
            yield from self._update(node.target, node.lineno)
            if isinstance(node.target, ast.Name) and self._differs(node.value):
                self.own.add(node.target.id)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value)
                if isinstance(target, ast.Subscript) and _reads(node.value, target):
                    yield from self._update(target, node.lineno)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._assign(node.target, node.value)
        elif isinstance(node, ast.For):
            if self._differs(node.iter):
                self.own |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        for child in ("body", "orelse", "finalbody"):
            for statement in getattr(node, child, []):
                yield from self._statement(statement)

    def _calls_in(self, node: ast.stmt) -> list[ast.Call]:
        """The calls of the statement itself, not of the statements inside of it."""
        expressions = [value for _, value in ast.iter_fields(node) if isinstance(value, ast.expr)]
        return [call for e in expressions for call in ast.walk(e) if isinstance(call, ast.Call)]

    def _update(self, target: ast.expr, line: int) -> Iterator[tuple[int, str]]:
        """The element that is updated, if it is a shared one that all rounds may choose."""
        if not isinstance(target, ast.Subscript):
            return
        array: ast.expr = target
        differs = False
        while isinstance(array, ast.Subscript):  # a[n][m] is the element [n, m]
            differs = differs or self._differs(array.slice)
            array = array.value
        if isinstance(array, ast.Name) and array.id not in self.private and not differs:
            yield line, self.aliases.get(array.id, array.id)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else [value] * len(target.elts)
            if len(values) == len(target.elts):
                for single, its_value in zip(target.elts, values, strict=True):
                    self._assign(single, its_value)
            return
        if not isinstance(target, ast.Name):
            return
        if self._differs(value):
            self.own.add(target.id)
        array = self._shared_array(value)
        if array is None:
            self.private.add(target.id)
        else:
            self.aliases[target.id] = array
            self.private.discard(target.id)

    def _shared_array(self, value: ast.expr) -> str | None:
        """The shared array that `value` is, or is a view of; None for what is made here, or belongs to this round."""
        base = array_behind(value)
        if base is None or base in self.private or (isinstance(value, ast.Subscript) and self._differs(value)):
            return None
        return self.aliases.get(base, base)

    def _call(self, call: ast.Call, line: int) -> Iterator[tuple[int, str]]:
        """What a function of the same file does to the arrays that it is given."""
        function = self.functions.get(getattr(call.func, "id", ""))
        if function is None or self.depth > 4 or any(isinstance(argument, ast.Starred) for argument in call.args):
            return
        names = [argument.arg for argument in function.args.args]
        given = dict(zip(names, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
        inner = _Round(set(), self.functions, self.budget, self.depth + 1)
        shared: dict[str, str] = {}
        for name, value in given.items():
            if self._differs(value):
                inner.own.add(name)
            array = self._shared_array(value)
            if array is None:
                inner.private.add(name)
            else:
                shared[name] = array
        for _, array in inner.read(function.body):
            if array in shared:
                yield line, shared[array]

    def _differs(self, node: ast.AST) -> bool:
        """Whether the expression may differ from round to round."""
        return any(isinstance(name, ast.Name) and name.id in self.own for name in ast.walk(node))


def array_behind(value: ast.expr) -> str | None:
    """The name of the array that `value` is, or is a view of; None for anything that is made anew."""
    while True:
        if isinstance(value, (ast.Subscript, ast.Attribute)):
            value = value.value
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _VIEWS:
            value = value.func.value
        else:
            return value.id if isinstance(value, ast.Name) else None


_VIEWS = {"reshape", "ravel", "view", "transpose"}


def _reads(value: ast.expr, target: ast.Subscript) -> bool:
    """Whether what is stored depends on what stood in the same place."""
    place = ast.unparse(target)
    return any(isinstance(node, ast.Subscript) and ast.unparse(node) == place for node in ast.walk(value))
