"""From the text of a cell to its syntax tree, within bounds: nothing that follows can be made slow or deep by a cell.

What is judged is this tree. Comments, the encoding, and characters that one program takes for the end of a line and
another does not have no part in it.
"""

import ast
import warnings

from llaisys_mini.kernels.language.findings import NotPermitted

MOST_CHARACTERS = 100_000
MOST_NODES = 40_000
DEEPEST = 100  # levels of nesting; the course's own kernels have 20
_DEEPEST_BRACKETS = 40
_MOST_BITS = 128  # of a whole number

_TOO_DEEP = f"it is nested more than {DEEPEST} levels deep: write it in several statements"


def parse(source: str) -> ast.Module:
    """The tree of a cell. Raises NotPermitted for what is no Python, too long or too deep."""
    if len(source) > MOST_CHARACTERS:
        raise NotPermitted(f"the cell has {len(source):,} characters; at most {MOST_CHARACTERS:,} are graded")
    if "\0" in source or any("\ud800" <= character <= "\udfff" for character in source):
        raise NotPermitted("the cell holds characters that are no text")
    _look_at_brackets(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes: not for the grader's terminal
            tree = ast.parse(source)
    except SyntaxError as problem:
        raise NotPermitted(f"it is not Python: {problem.msg[:100]}", problem.lineno or 1) from None
    except (RecursionError, MemoryError):  # the parser's words for a tree that is too deep
        raise NotPermitted(_TOO_DEEP) from None
    except ValueError:
        raise NotPermitted("it is not Python") from None
    _look_at_size(tree)
    return tree


def _look_at_brackets(source: str) -> None:
    """Refuse deep brackets before the parser sees them, which takes long to find out what is wrong with some."""
    depth, line = 0, 1
    for character in source:
        if character in "([{":
            depth += 1
            if depth > _DEEPEST_BRACKETS:
                raise NotPermitted(f"brackets are nested more than {_DEEPEST_BRACKETS} levels deep", line)
        elif character in ")]}":
            depth = max(depth - 1, 0)
        elif character == "\n":
            line += 1


def _look_at_size(tree: ast.Module) -> None:
    level: list[ast.AST] = [tree]
    depth = count = 0
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > DEEPEST:
            raise NotPermitted(_TOO_DEEP, next((n.lineno for n in level if hasattr(n, "lineno")), 1))
        if count > MOST_NODES:
            raise NotPermitted(f"the cell is too long: at most {MOST_NODES:,} parts of expressions are graded")
        for node in level:
            if isinstance(node, ast.Constant):
                _look_at_constant(node)
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _look_at_constant(node: ast.Constant) -> None:
    value = node.value
    if isinstance(value, bool):
        return
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise NotPermitted("a whole number has too many digits", node)
