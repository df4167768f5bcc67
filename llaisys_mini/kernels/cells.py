"""A notebook cell, or a script, with a kernel becomes a module of its own: `student/<device>/<operator>.py`.

The module has the cell's lines at the same line numbers, so a debugger and an error message point to the right place.
What importing must not run is blanked out, see definitions.py.
"""

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from llaisys_mini import paths
from llaisys_mini.errors import KernelError
from llaisys_mini.files import write_atomically
from llaisys_mini.kernels import failed_cells
from llaisys_mini.kernels.definitions import defined_names, keep_definitions, undefined_names
from llaisys_mini.kernels.loading import import_fresh
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import kernels_changed
from llaisys_mini.kernels.sets import student_set


def save_cell(made: Kernel, frame: FrameType) -> Callable:
    """Save the cell, or the script, whose `frame` has made this kernel, and return the kernel function of the saved
    module. The saved module itself, run as a script, stays as it is.

    Raises KernelError, and saves nothing, if the cell uses names that it does not define.
    """
    operator, device, cell_filename = made.operator, made.device, frame.f_code.co_filename
    source = "".join(linecache.getlines(cell_filename)) or _given_to_magic(frame, made.function)
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
    try:
        _try_import(operator, device, definitions, path)
        write_atomically(path, definitions)
    except OSError as problem:
        raise KernelError(
            f"{operator}: the cell cannot be saved as {path} ({problem.strerror}): make room there, or set "
            f"{paths.STUDENT_VARIABLE} to a folder that can be written"
        ) from problem
    kernels_changed()
    failed_cells.note_made(operator, device)
    return kernels.get(operator, device).function


def _given_to_magic(frame: FrameType | None, function: Callable) -> str:
    """The text below a cell magic such as %%time, which compiles it under a name that leads to no source; empty if
    there is no magic, or its text does not define `function`."""
    shell = sys.modules.get("IPython.core.interactiveshell")
    while shell is not None and frame is not None:
        if frame.f_code is shell.InteractiveShell.run_cell_magic.__code__:
            source = frame.f_locals["self"].transform_cell(frame.f_locals["cell"])
            return source if function.__name__ in defined_names(source) else ""
        frame = frame.f_back
    return ""


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
