"""Writing the module that is compiled, from the tree that was judged: what was not judged has no place in it.

Each statement stands in the line that it has in the cell, so that a message names the student's line. Annotations,
docstrings and comments are gone: they mean nothing to a kernel.
"""

import ast
import symtable
import warnings
from collections.abc import Iterable

from llaisys_mini.kernels.language import vocabulary
from llaisys_mini.kernels.language.findings import NotPermitted
from llaisys_mini.kernels.language.reading import Needed

_SIMPLE = (
    *(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Raise, ast.Assert, ast.Expr, ast.Pass),
    *(ast.Break, ast.Continue, ast.Import, ast.ImportFrom),
)


def write(needed: Needed) -> str:
    """The text of the module. Raises NotPermitted for what cannot be written so that it reads the same again."""
    statements: list[ast.stmt] = []
    for statement in needed.statements:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            statements += _imports(statement, needed.imports[statement])
        else:
            statements.append(_plain(statement))
    paper = _Paper()
    paper.block(statements, 0)
    text = "\n".join(paper.lines) + "\n"
    _look_again(text, ast.Module(statements, []))
    return text


def _imports(statement: ast.Import | ast.ImportFrom, taken: list[tuple[str, str]]) -> list[ast.stmt]:
    """Import statements for these (dotted path, name) of one import statement of the cell, and nothing else of it."""
    made: list[ast.stmt] = []
    for path, name in sorted(taken):
        module, _, last = path.rpartition(".")
        alias = name if name != last else None
        if isinstance(statement, ast.ImportFrom):
            made.append(ast.ImportFrom(module, [ast.alias(last, alias)], 0))
        else:
            for asked in (a for a in statement.names if a.name in vocabulary.MODULES):
                bound = asked.asname or asked.name.partition(".")[0]
                if bound == name:
                    real = path if asked.asname else asked.name
                    made.append(ast.Import([ast.alias(real, asked.asname)]))
    return [ast.copy_location(new, statement) for new in made]


def _plain(statement: ast.stmt) -> ast.stmt:
    """The statement, changed in place: without annotations and docstrings."""
    for node in [statement, *ast.walk(statement)]:
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                setattr(node, field, _kept(block, needs_one=field == "body"))
        if isinstance(node, ast.FunctionDef):
            node.returns = node.type_comment = None
        elif isinstance(node, ast.arg):
            node.annotation = node.type_comment = None
        elif isinstance(node, ast.JoinedStr):
            for part in node.values:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    part.value = "".join(c if c.isprintable() else " " for c in part.value)
    return _without_annotation(statement)


def _kept(block: list[ast.stmt], needs_one: bool) -> list[ast.stmt]:
    kept = [
        _without_annotation(statement)
        for statement in block
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]
    return kept or ([ast.copy_location(ast.Pass(), block[0])] if needs_one else [])


def _without_annotation(statement: ast.stmt) -> ast.stmt:
    if not isinstance(statement, ast.AnnAssign):
        return statement
    if statement.value is None:  # it makes the name local, and nothing else
        statement.annotation = ast.copy_location(ast.Constant(None), statement)
        return statement
    return ast.copy_location(ast.Assign([statement.target], statement.value), statement)


class _Paper:
    """Lines that are filled from top to bottom."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def block(self, statements: Iterable[ast.stmt], depth: int) -> None:
        for number, statement in enumerate(statements):
            joins = number > 0 and statement.lineno <= len(self.lines) and isinstance(statement, _SIMPLE)
            self._statement(statement, depth, joins)

    def _statement(self, statement: ast.stmt, depth: int, joins: bool) -> None:
        if isinstance(statement, _SIMPLE):
            self._put(ast.unparse(statement), statement.lineno, depth, "; " if joins else "")
        elif isinstance(statement, ast.FunctionDef):
            for decorator in statement.decorator_list:
                self._put("@" + ast.unparse(decorator), decorator.lineno, depth)
            bare = ast.FunctionDef(statement.name, statement.args, [ast.Pass()], [], None)
            self._head(ast.unparse(ast.fix_missing_locations(bare)).split("\n")[0], statement, depth)
        elif isinstance(statement, ast.For):
            head = f"for {ast.unparse(statement.target)} in {ast.unparse(statement.iter)}:"
            self._head(head, statement, depth)
            self._else(statement.orelse, depth)
        elif isinstance(statement, ast.While):
            self._head(f"while {ast.unparse(statement.test)}:", statement, depth)
            self._else(statement.orelse, depth)
        elif isinstance(statement, ast.If):
            self._if(statement, depth)
        else:
            raise NotPermitted(f"{type(statement).__name__} cannot be written", statement)

    def _if(self, statement: ast.If, depth: int) -> None:
        word = "if"
        while True:
            self._head(f"{word} {ast.unparse(statement.test)}:", statement, depth)
            if len(statement.orelse) != 1 or not isinstance(statement.orelse[0], ast.If):
                break
            statement, word = statement.orelse[0], "elif"
        self._else(statement.orelse, depth)

    def _else(self, block: list[ast.stmt], depth: int) -> None:
        if block:
            line = max(len(self.lines) + 1, _first_line(block[0]) - 1)
            self._put("else:", line, depth)
            self._body(block, depth)

    def _head(self, head: str, statement: ast.stmt, depth: int) -> None:
        self._put(head, statement.lineno, depth)
        self._body(statement.body, depth)  # type: ignore[attr-defined]

    def _body(self, block: list[ast.stmt], depth: int) -> None:
        """A block, in the line of its head where it stands there in the cell."""
        same_line = all(isinstance(s, _SIMPLE) and s.lineno <= len(self.lines) for s in block)
        if same_line:
            self.lines[-1] += " " + "; ".join(map(ast.unparse, block))
        else:
            self.block(block, depth + 1)

    def _put(self, text: str, line: int, depth: int, joint: str = "") -> None:
        if joint and self.lines:
            self.lines[-1] += joint + text
        else:
            self.lines += [""] * (line - 1 - len(self.lines))
            self.lines.append("    " * depth + text)


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


# ---- a second look -----------------------------------------------------------------------------------------------


def _look_again(text: str, written: ast.Module) -> None:
    """Read what was written: it must be the same tree, and look up no name that is neither its own nor permitted."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            compile(text, "<kernel>", "exec", dont_inherit=True)
            table = symtable.symtable(text, "<kernel>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        line = getattr(problem, "lineno", None) or 1
        raise NotPermitted(f"it is not Python: {getattr(problem, 'msg', None) or problem}", line) from None
    if ast.dump(tree) != ast.dump(written):
        raise NotPermitted("the cell cannot be read in one way only")
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    own |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_namespace()}
    permitted = set.union(own, *vocabulary.BUILTINS.values())
    pending = [table]
    while pending:
        scope = pending.pop()
        pending += scope.get_children()
        for symbol in scope.get_symbols():
            looked_up = symbol.is_global() or (scope is table and symbol.is_referenced())
            if looked_up and symbol.get_name() not in permitted:
                raise NotPermitted(f"{symbol.get_name()} is not among what a graded cell may use", scope.get_lineno())
