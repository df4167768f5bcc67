"""`python -m autograder.example_class` writes data/class: nine submissions of a lab, made from its own solution.

What each one is stands in CLASS. `make grade` grades them. The same sources always give the same bytes.
"""

import argparse
import json
import re
import shutil
from functools import cache
from pathlib import Path

from autograder import labs
from llaisys_mini.files import write_atomically

LAB = "07_softmax"
FOLDER = Path(__file__).resolve().parents[1] / "data" / "class"


@cache
def _lab() -> tuple[str, dict[str, str]]:
    """The released lab as text, and the sources of the solution by cell id."""
    released = labs.text_of(labs.release_notebook(LAB))
    return released, {cell.id: cell.source for cell in labs.source_notebook(LAB).cells}


def submission(solved=(), change=None) -> str:
    """The released lab with the task cells `solved` filled in, and `change(cells by id)` applied."""
    released, right = _lab()
    notebook = json.loads(released)
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    for cell_id in solved:
        cells[cell_id]["source"] = re.sub(r"\n? *### (BEGIN|END) SOLUTION", "", right[cell_id])
    if change:
        change(cells)
    return json.dumps(notebook, indent=1) + "\n"


KERNELS = ("softmax-cpu", "cross_entropy-cpu")
ENDLESS = "    while True:\n        pass\n"
ALL = (*KERNELS, "merge_softmax-python", "softmax-online", "softmax-mean")


def edit(cell_id, before, after):
    """A change: `before` becomes `after` in one cell."""

    def change(cells):
        assert before in cells[cell_id]["source"], (cell_id, before)
        cells[cell_id]["source"] = cells[cell_id]["source"].replace(before, after)

    return change


def no_metadata(cells):
    """A change: what some editors do when they save."""
    for cell in cells.values():
        cell["metadata"] = {}


CLASS = {
    "student-1": ("everything is right; the written answer is graded by hand", lambda: submission(ALL)),
    "student-2": ("nothing is written yet", lambda: submission()),
    "student-3": ("the kernels are right, the rest is missing", lambda: submission(KERNELS)),
    "student-4": (
        "a well-known mistake: cross-entropy with the wrong sign",
        lambda: submission(ALL[:3], edit("cross_entropy-cpu", "out[row] = ", "out[row] = -")),
    ),
    "student-5": (
        "a loop without an end in merge_softmax",
        lambda: submission(ALL[:3], edit("merge_softmax-python", "    top = max(", f"{ENDLESS}    top = max(")),
    ),
    "student-6": ("another editor removed the metadata; it costs nothing", lambda: submission(ALL[:3], no_metadata)),
    "student-7": (
        "NumPy in place of a kernel",
        lambda: submission(ALL[1:3], lambda cells: cells["softmax-cpu"].update(source=NUMPY)),
    ),
    "student-8": ("the file was cut off while it was uploaded", lambda: submission(ALL)[:9000]),
    "student-9": (
        "an online softmax that does not rescale its sum when the maximum grows",
        lambda: submission(ALL, edit("softmax-online", "total * np.float32(math.exp(top - score)) + ", "total + ")),
    ),
}
"""Student -> (what is special, the text of the notebook)."""

NUMPY = """import numpy as np

from llaisys_mini import kernel


@kernel("softmax", device="cpu")
def softmax(x, out):
    exponentials = np.exp(x - x.max(axis=1, keepdims=True))
    out[:] = exponentials / exponentials.sum(axis=1, keepdims=True)"""


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    for student, (_, text) in CLASS.items():
        write_atomically(FOLDER / student / LAB / f"{LAB}.ipynb", text())
    print(f"{len(CLASS)} submissions in {FOLDER}")
