"""What an answer to an exercise may not be: the course's own. Read from the source, without running it.

An answer is ordinary Python, so this is a courtesy that explains itself; what keeps the course's answer from being
called is that it is not in the process (worker/child.py). What a kernel may be, llaisys_mini/kernels/language says.
"""

import ast

from llaisys_mini.kernels.language import Finding


def exercise_findings(source: str, name: str) -> list[Finding]:
    """Answers are ordinary Python; only the course's own answer to the same exercise may not stand in for them."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"llaisys_mini.exercises.{name}"):
            found.append(Finding(line, "it calls the course's own answer"))
        elif isinstance(node, ast.ImportFrom) and node.module == "llaisys_mini.exercises":
            if any(alias.name == name for alias in node.names):
                found.append(Finding(line, "it calls the course's own answer"))
        elif isinstance(node, ast.Attribute) and node.attr == "reference":
            found.append(Finding(line, "it calls the course's own reference"))
        elif isinstance(node, ast.Attribute) and node.attr == name and _names_exercises(node.value):
            found.append(Finding(line, "it calls the course's own answer"))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            is_get = node.func.attr == "get" and _names_exercises(node.func.value)
            if is_get and isinstance(node.args[0], ast.Constant) and node.args[0].value == name:
                found.append(Finding(line, "it calls the course's own answer"))
    return found


def _names_exercises(node) -> bool:
    return any("exercises" in (getattr(n, "id", None), getattr(n, "attr", None)) for n in ast.walk(node))
