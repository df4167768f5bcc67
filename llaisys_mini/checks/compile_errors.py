"""Numba's compile errors in plain words: which line caused it, what it means, what to do.

Numba prints a screen of text of which two lines matter. `describe` picks those. The full text stays one click away in a
notebook, and in a file for a terminal.
"""

import html
import linecache
import re
from pathlib import Path

from numba.core.errors import NumbaError, UnsupportedBytecodeError

from llaisys_mini.console import in_notebook
from llaisys_mini.files import write_atomically
from llaisys_mini.kernels.sets import student_set

COMPILE_ERRORS = (NumbaError, UnsupportedBytecodeError)
"""What Numba raises when it cannot compile a function."""

# What Numba says -> what it means and what to do. The first that matches is used; {0}, {1} are the groups.
_ADVICE = [
    (
        r"NameError: name '(\w+)' is not defined",
        "the name {0} is not defined in this cell: define or import it here",
    ),
    (
        r"Untyped global name '(\w+)'",
        "Numba cannot use {0}: inside @njit only numbers, arrays, tuples, functions under @njit, math and a part of "
        "NumPy are known. A helper function needs @njit(cache=True) too",
    ),
    (
        r"Cannot unify ([^\n]+?) and ([^\n]+?) for '([\w.$]+)'",
        "the variable {2} is a {0} in one place and a {1} in another: give it one type from the beginning, "
        "for example total = np.float32(0)",
    ),
    (
        r"[Vv]ariable '?(\w+)'? referenced before assignment|local variable '(\w+)'",
        "the variable {0} is used before anything was stored in it: set it before the loop",
    ),
    (
        r"Use of unsupported NumPy function '?([\w.]+)'?|Unknown attribute '(\w+)' of type Module",
        "Numba does not know {0}: write the loop yourself",
    ),
    (
        r"Unknown attribute '(\w+)' of type (array\([^)]*\))",
        "inside @njit an array has no .{0}: write the loop yourself",
    ),
    (
        r"built-in function setitem>\) found for signature:\s*>>> setitem\(array\(\w+, (\d)d, \w+\), ([^\n]+)\)",
        "this stores a value that does not fit: the array has {0} dimension(s), so it needs {0} index number(s), "
        "and the value must be a number",
    ),
    (
        r">>> getitem\(none, ",
        "this indexes an argument that may be None, and is None on one case, such as bias: ask "
        "`if bias is not None:` first",
    ),
    (
        r"built-in function getitem>\) found for signature:\s*>>> getitem\(([^\n]+)\)",
        "this index does not fit the array: one whole number for each dimension, [row, column], not a float",
    ),
    (
        r"tuple index out of range",
        "this asks for a length that the array does not have, such as x.shape[1] of an array of one dimension: look at "
        "the shapes that the task states",
    ),
    (
        r"cannot index|Unsupported array index type|too many indices",
        "this index does not fit the array: one whole number for each dimension, [row, column], not a float",
    ),
    (
        r"No implementation of function Function\(<(?:built-in |class |function |ufunc |intrinsic )*'?(?:npy_)?([\w.]+)"
        r"[^>]*>\) found for signature:\s*"
        r">>> \w+\(([^\n]*)\)",
        "Numba has no {0} for ({1}): an array is handled element by element, in a loop",
    ),
    (
        r"([^\n]*(?:not supported|[Uu]nsupported)[^\n.]*)",
        "{0}: Numba cannot compile this piece of Python. Inside @njit use plain loops, ifs and numbers",
    ),
]


def describe(error: Exception, path: Path | None) -> list[str]:
    """Up to three lines: where, the line itself, what it means. path: the file of the kernel."""
    text = _plain(str(error))
    number = _line_number(error, text, path)
    lines = [f"  Numba cannot compile it{f', line {number} of the cell' if number else ''}:"]
    if number and path is not None:
        source = linecache.getline(str(path), number).strip()
        if source:
            lines.append(f"      {source}")
    lines.append(f"  {_meaning(text)}")
    return lines


def keep_full_text(error: Exception) -> str:
    """Put Numba's full message where the learner can read them; returns the sentence that says where.

    In a notebook it unfolds under the cell at a click; elsewhere it is in a file.
    """
    text = _plain(str(error))
    if in_notebook():
        from IPython.display import HTML, display

        display(HTML(f"<details><summary>Numba's full message</summary><pre>{html.escape(text)}</pre></details>"))
        return "  Numba's full message: above, folded"
    place = student_set().folder / ".compile_error.txt"
    try:
        write_atomically(place, text + "\n")
    except OSError as problem:
        return f"  Numba's full message cannot be written to {place} ({problem.strerror})"
    return f"  Numba's full message: {place}"


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _line_number(error, text, path) -> int | None:
    """The line in the learner's file. Numba names the place of the cause first, then those of its callers."""
    places = re.findall(r'File "([^"]+)", line (\d+)|at (\S+) \((\d+)\)', text)
    name = path.name if path is not None else None
    for file, line, other_file, other_line in places:
        if name is None or Path(file or other_file).name == name:
            return int(line or other_line)
    loc = getattr(error, "loc", None)
    return loc.line if loc is not None else None


def _meaning(text: str) -> str:
    for pattern, meaning in _ADVICE:
        found = re.search(pattern, text)
        if found:
            groups = [_in_words(group) for group in found.groups() if group is not None]
            return meaning.format(*groups, *[""] * 3)
    useful = [line.strip() for line in text.splitlines() if line.strip() and "Failed in nopython" not in line]
    return useful[0] if useful else "Numba gives no reason"


def _in_words(numba_type: str) -> str:
    """array(float32, 2d, C) -> float32 array of 2 dimensions; x.2 -> x."""
    numba_type = re.sub(r"array\((\w+), (\d)d, \w+\)", r"\1 array of \2 dimension(s)", numba_type)
    numba_type = re.sub(r"Literal\[(\w+)\]\([^)]*\)", r"\1", numba_type)
    return re.sub(r"^\$?([a-zA-Z_]\w*)\.\d+$", r"\1", numba_type)
