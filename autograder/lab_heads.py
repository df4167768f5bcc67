"""What may stand in a lab's text source: the keys in a cell's head, and the marks of hidden tests.

A slip there must not become an ordinary cell, or publish a hidden test: it is refused, with the cell.
"""

import re

from nbformat import NotebookNode

from autograder.course import KERNELS, GradingError

_KEYS = {"task": {"id"}, "test": {"points"}, "written": {"points"}}
"""The key that says what a cell is -> the keys that may stand beside it."""
_FREE = {"after", "lines_to_next_cell"}  # the second is jupytext's own
_UNREADABLE = "incorrectly_encoded_metadata"  # jupytext's key for a head that it cannot read
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


def require_sound(cell: NotebookNode, lab: str) -> None:
    """Raises GradingError for a cell of the source of `lab` whose head or marks are wrong."""
    keys = dict(cell.metadata)
    kinds = [kind for kind in _KEYS if kind in keys]

    def refuse(what: str) -> GradingError:
        shown = (f'{key}="{value}"' if isinstance(value, str) else f"{key}={value}" for key, value in keys.items())
        head = keys.get(_UNREADABLE) or " ".join(shown)
        first = cell.source.strip().partition("\n")[0]
        return GradingError(f"solutions/labs/{lab}.py: the cell {head or repr(first)}: {what}")

    if _UNREADABLE in keys:
        raise refuse("its head cannot be read; texts stand in quotes, numbers without, and each key once")
    if len(kinds) > 1:
        raise refuse(f"it is either {' or '.join(kinds)}")
    kind = kinds[0] if kinds else None
    unknown = keys.keys() - _FREE - ({kind} | _KEYS[kind] if kind else set())
    if unknown:
        there = ", ".join([*_KEYS, "points", "id", "after"])
        raise refuse(f"{', '.join(sorted(unknown))} cannot stand there; the keys are {there}")
    if kind in ("test", "written") and not (isinstance(keys.get("points"), int) and keys["points"] > 0):
        raise refuse("it needs points=, a whole number")
    if kind == "task" and not cell.source.strip() and not (KERNELS / f"{keys['task']}.py").is_file():
        raise refuse(f"it is empty, and there is no solutions/kernels/{keys['task']}.py to fill it from")
    if (kind == "written") != (cell.cell_type == "markdown" and kind is not None):
        raise refuse("written= stands in a [markdown] cell, task= and test= in one with code")
    marks = [mark.strip() for mark in re.findall(r"^\s*#+ *(?:BEGIN|END) HID.*$", cell.source, re.MULTILINE)]
    if marks and (kind != "test" or marks != [BEGIN_HIDDEN, END_HIDDEN] * (len(marks) // 2)):
        raise refuse(f"hidden tests stand in a test, between {BEGIN_HIDDEN!r} and {END_HIDDEN!r}")
