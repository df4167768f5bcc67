"""What keeps a cell from being graded, told with the line of the cell that it stands in."""

import ast
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """line: of the cell, from 1; reason: one sentence for the student, without a full stop."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class NotPermitted(Exception):
    """Raised where looking further makes no sense, with what was found."""

    def __init__(self, reason: str, where: ast.AST | int = 1):
        super().__init__(reason)
        self.finding = Finding(where if isinstance(where, int) else getattr(where, "lineno", 1), reason)


def told(node: ast.AST) -> str:
    """The text of a node as it is named in a sentence: its first line, shortened."""
    text = ast.unparse(node).split("\n")[0]
    return text if len(text) <= 40 else text[:37] + "..."
