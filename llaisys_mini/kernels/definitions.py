"""The source of a cell as a module: what stays when it is imported, and which names it would not find then.

Bare statements at top level (a call of check, a print, a plot) are blanked out, since importing must not run them.
"""

import ast
import builtins
import symtable
from collections import Counter


def keep_definitions(source: str) -> str:
    """The source with top-level expression statements blanked out, line for line; docstring and definitions stay."""
    # The ends of lines that the parser knows: str.splitlines knows more, such as a form feed in the midst of a comment.
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    body = ast.parse(source).body
    owners = Counter(number for statement in body for number in {*_lines_of(statement)})
    for position, statement in reversed([*enumerate(body)]):
        is_docstring = position == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not isinstance(statement, ast.Expr) or is_docstring:
            continue
        numbers, start, end = _lines_of(statement), statement.col_offset, statement.end_col_offset
        stays = ""
        if any(owners[number] > 1 for number in numbers):  # `TILE = 16; check("softmax")`
            before, after = lines[numbers[0]].encode()[:start], lines[numbers[-1]].encode()[end:]
            stays = (before + b"pass" + after).decode()
        for number in numbers:
            lines[number] = ""
        lines[numbers[0]] = stays
    return "\n".join(lines).rstrip() + "\n"


def _lines_of(statement: ast.stmt) -> range:
    return range(statement.lineno - 1, statement.end_lineno or statement.lineno)


def defined_names(source: str) -> set[str]:
    """Names of the functions and classes at the top level of the source."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.parse(source).body if isinstance(node, kinds)}


def undefined_names(source: str) -> list[str]:
    """Names that the module would look up at its top level but never binds, in order of the alphabet."""
    table = symtable.symtable(source, "<cell>", "exec")
    defined = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    used = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    pending = list(table.get_children())
    while pending:
        scope = pending.pop()
        used |= {s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
        defined |= {s.get_name() for s in scope.get_symbols() if s.is_declared_global() and s.is_assigned()}
        pending += scope.get_children()
    return sorted(used - defined - set(dir(builtins)) - {"__name__", "__file__", "__doc__"})
