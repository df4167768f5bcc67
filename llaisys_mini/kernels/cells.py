"""A notebook cell, or a script, with a kernel becomes a module of its own: `student/<device>/<operator>.py`.

The module has the cell's lines at the same line numbers, so a debugger and an error message point to the right place.
Bare statements at top level (a call of check, a print, a plot) are blanked out, since importing must not run them.
"""

import ast
import builtins
import linecache
import symtable
from collections.abc import Callable
from pathlib import Path

from llaisys_mini.errors import KernelError
from llaisys_mini.files import write_atomically
from llaisys_mini.kernels import choice
from llaisys_mini.kernels.sets import import_fresh, student_set


def save_cell(operator: str, device: str, cell_filename: str) -> Callable:
    """Save the cell that IPython compiled as `cell_filename`, or the script of that name, and return the kernel
    function of the saved module. The saved module itself, run as a script, stays as it is.

    Raises KernelError, and saves nothing, if the cell uses names that it does not define.
    """
    source = "".join(linecache.getlines(cell_filename))
    if not source:
        raise KernelError(f"{operator}: the source of this cell cannot be found; put the kernel in a cell of its own")
    definitions = keep_definitions(source)
    missing = undefined_names(definitions)
    if missing:
        raise KernelError(
            f"{operator}: this cell uses {', '.join(missing)} without defining "
            f"{'it' if len(missing) == 1 else 'them'}. "
            "A kernel's cell is saved as a file of its own: put its imports and helper functions into the same cell"
        )
    kernels = student_set()
    path = kernels.path(operator, device)
    if path.is_file() and Path(cell_filename).is_file() and path.samefile(cell_filename):
        return kernels.get(operator, device).function
    _try_import(operator, device, definitions, path)
    write_atomically(path, definitions)
    choice.kernels_changed()
    return kernels.get(operator, device).function


def keep_definitions(source: str) -> str:
    """The source with top-level expression statements blanked out, line for line; docstring and definitions stay."""
    lines = source.splitlines()
    for position, statement in enumerate(ast.parse(source).body):
        is_docstring = position == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if isinstance(statement, ast.Expr) and not is_docstring:
            for number in range(statement.lineno - 1, statement.end_lineno or statement.lineno):
                lines[number] = ""
    return "\n".join(lines).rstrip() + "\n"


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


def _try_import(operator, device, source, path):
    """Import the source from a trial file first, so that a cell that fails never replaces one that works."""
    trial = path.with_name(f"{path.stem}__trial.py")
    write_atomically(trial, source)
    try:
        import_fresh(f"llaisys_mini_trial_{operator}_{device}", trial)
    except KernelError:
        raise
    except Exception as problem:
        raise KernelError(f"{operator}: the cell cannot be imported: {type(problem).__name__}: {problem}") from problem
    finally:
        trial.unlink(missing_ok=True)
