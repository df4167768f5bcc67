"""Notebook cells that were to make a kernel and stopped before: what is kept is an older kernel, or none.

`check` must not judge that older one as if nothing had happened.
"""

import re
import sys

from llaisys_mini.errors import CheckFailed

_MADE = re.compile(r"@(?:\w+\.)?(kernel|answer)\(\s*[\"'](\w+)[\"'](?:[^)\n]*?device\s*=\s*[\"'](\w+)[\"'])?")

_made: set[tuple[str, str]] = set()
"""(operator, device) of the kernels that the running cell has made."""

_stopped: set[tuple[str, str]] = set()
"""(operator, device) of the kernels whose latest cell stopped before it had made them."""


def watch() -> None:
    """Be told of every cell that ends, where this process runs a notebook. Several calls do no more than one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None and _note not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _note)


def note_made(operator: str, device: str) -> None:
    """A kernel, or the answer to an exercise, was made by the running cell."""
    watch()
    _made.add((operator, device))
    _stopped.discard((operator, device))


def refuse_older(operator: str, device: str) -> None:
    """Raises CheckFailed where the latest cell with this kernel stopped before it had made it."""
    if (operator, device) in _stopped:
        raise CheckFailed(
            f"{operator}: the cell with it stopped with an error, so only an older one could be checked. Read that "
            "error, mend the cell and run it again"
        )


def _note(result) -> None:
    """After each cell. One whose kernel was made and that failed later, say in a check, has not stopped too early."""
    for word, name, device in _MADE.findall(getattr(result.info, "raw_cell", None) or ""):
        made = (name, "python" if word == "answer" else device or "cpu")
        if result.success or made in _made:
            _stopped.discard(made)
        else:
            _stopped.add(made)
    _made.clear()
