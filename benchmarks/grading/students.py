"""A class for the benchmark: half of it hands in clean solutions, the other half what else comes in.

Every student's kernels have names and comments of their own, as in a real class: no grader can reuse what it compiled
for another. Student n is the same in every run.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.example_class import ALL, ENDLESS, KERNELS, LAB, NUMPY, edit, no_metadata, submission
from llaisys_mini.files import write_atomically

CLEAN = "clean"

_SLOW = "    import time\n\n    time.sleep(0.1)  # in every call\n"


def _numpy(cells) -> None:
    cells["softmax-cpu"]["source"] = NUMPY


OTHERS: dict[str, Callable[[], str]] = {
    "partial": lambda: submission(KERNELS),
    "wrong": lambda: submission(ALL, edit("cross_entropy-cpu", "out[row] = ", "out[row] = -")),
    "endless loop": lambda: submission(ALL, edit("merge_softmax-python", "    top = max(", f"{ENDLESS}    top = max(")),
    "metadata lost": lambda: submission(ALL, no_metadata),
    "slow": lambda: submission(ALL, edit("merge_softmax-python", "    top = max(", f"{_SLOW}    top = max(")),
    "NumPy for a kernel": lambda: submission(ALL[1:], _numpy),
    "blank": submission,
    "cut off": lambda: submission(ALL)[:9000],
    "one kernel": lambda: submission(KERNELS[:1]),
    "softmax wrong": lambda: submission(ALL, edit("softmax-cpu", "out[n, c] /= total", "out[n, c] += total")),
}
"""Kind -> the text of the notebook. All of them are of the example class's kinds, or one step from them."""


@dataclass(frozen=True)
class Student:
    """name: of the folder; kind: CLEAN or one of OTHERS."""

    name: str
    kind: str

    @property
    def clean(self) -> bool:
        return self.kind == CLEAN


def a_class(size: int) -> list[Student]:
    """Clean ones and others in turn."""
    kinds = list(OTHERS)
    return [Student(f"student-{n:03}", CLEAN if n % 2 == 0 else kinds[n // 2 % len(kinds)]) for n in range(size)]


def write(students: list[Student], folder: Path) -> Path:
    """nbgrader's layout: <folder>/<student>/<lab>/<lab>.ipynb. Returns the folder."""
    for student in students:
        text = submission(ALL) if student.clean else OTHERS[student.kind]()
        write_atomically(folder / student.name / LAB / f"{LAB}.ipynb", _in_own_words(text, student.name))
    return folder


_NAMES = ("total", "top", "largest", "softmax_row", "row_loss")
"""Names that every student may choose freely; they occur in the kernels' cells only."""


def _in_own_words(text: str, student: str) -> str:
    try:
        notebook = json.loads(text)
    except ValueError:  # cut off
        return text
    ending = student.replace("-", "_")
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "@kernel(" in source and "NotImplementedError" not in source:
            source = re.sub(rf"\b({'|'.join(_NAMES)})\b", rf"\1_{ending}", source)
            cell["source"] = f"# {student}\n{source}"
    return json.dumps(notebook, indent=1) + "\n"
