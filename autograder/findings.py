"""The state of what is not the student's own work, and which names statements bind."""

import ast

REFUSED = "refused"
"""The state of what is no kernel or answer of the student's own: it scores nothing, and is not run."""


def imports_of(statement) -> list[tuple[str, str]]:
    """(name bound, dotted path) of an import statement."""
    if isinstance(statement, ast.ImportFrom):
        return [(a.asname or a.name, f"{statement.module or ''}.{a.name}") for a in statement.names]
    return [(a.asname, a.name) if a.asname else (a.name.partition(".")[0],) * 2 for a in statement.names]


def bound_by(statement) -> set[str]:
    """Names that a statement, or what stands in it, binds otherwise than by import."""
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names | {getattr(statement, "name", "")} - {""}
