"""What the static rules report about a learner's code, and what the names of its module refer to."""

import ast
import builtins
from dataclasses import dataclass

REFUSED, UNUSUAL, ELSEWHERE = "refused", "unusual", "elsewhere"
"""REFUSED scores nothing. UNUSUAL: the instructor decides. ELSEWHERE: it may be right, but the judge cannot run it."""


@dataclass(frozen=True)
class Finding:
    """kind: REFUSED, UNUSUAL or ELSEWHERE; reason: for the student; line: in the cell."""

    kind: str
    reason: str
    line: int

    def __str__(self) -> str:
        return f"{self.reason} (line {self.line} of the cell)"


class Names:
    """What the top-level names of a module mean. imported: name -> dotted path; defined: names of its own."""

    def __init__(self, tree: ast.Module):
        self.imported: dict[str, str] = {}
        self.defined: set[str] = set()
        for statement in tree.body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                for name, path in imports_of(statement):
                    if self.imported.setdefault(name, path) != path:
                        self.defined.add(name)
            else:
                blocks = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
                self.defined |= {statement.name} if isinstance(statement, blocks) else bound_by(statement)

    def path(self, node) -> str | None:
        """`np.arange` is "numpy.arange", the builtin `float` "float"; None for what is neither imported nor builtin."""
        if isinstance(node, ast.Attribute):
            owner = self.path(node.value)
            return f"{owner}.{node.attr}" if owner else None
        if not isinstance(node, ast.Name) or node.id in self.defined:
            return None
        return self.imported.get(node.id) or (node.id if hasattr(builtins, node.id) else None)


def imports_of(statement) -> list[tuple[str, str]]:
    """(name bound, dotted path) of an import statement."""
    if isinstance(statement, ast.ImportFrom):
        return [(a.asname or a.name, f"{statement.module or ''}.{a.name}") for a in statement.names]
    return [(a.asname, a.name) if a.asname else (a.name.partition(".")[0],) * 2 for a in statement.names]


def bound_by(statement) -> set[str]:
    """Names that a statement, or what stands in it, binds otherwise than by import."""
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names | {getattr(statement, "name", "")} - {""}
