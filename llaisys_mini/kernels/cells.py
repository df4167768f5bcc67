"""A notebook cell, or a script, with a kernel becomes a module of its own: `student/<device>/<operator>.py`.

The module has the cell's lines at the same line numbers, so a debugger and an error message point to the right place.
What importing must not run is blanked out, see definitions.py.
"""

import linecache
from collections.abc import Callable
from pathlib import Path

from llaisys_mini.errors import KernelError
from llaisys_mini.files import write_atomically
from llaisys_mini.kernels.definitions import keep_definitions, undefined_names
from llaisys_mini.kernels.loading import import_fresh
from llaisys_mini.kernels.runtime import kernels_changed
from llaisys_mini.kernels.sets import student_set


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
    kernels_changed()
    return kernels.get(operator, device).function


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
