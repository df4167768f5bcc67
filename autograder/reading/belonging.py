"""Which lab a notebook or a folder belongs to: by its cells, or by a name that people write in many ways."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from autograder import tasks
from autograder.course import lab_names
from autograder.reading.notebook import Cell
from autograder.tasks import Plan

_HEADING = re.compile(
    r"^@(?:\w+\.)*(kernel|answer)\(\s*[\"'](\w+)[\"'](?:\s*,\s*(?:device\s*=\s*)?[\"'](\w+)[\"'])?", re.M
)


def own_marks(plan: Plan, cells: Iterable[Cell]) -> int:
    """How many of the lab's own cells are there: tasks and questions by their id, kernels and answers by their head."""
    ids = {task.grade_id for task in plan.tasks} | {part.grade_id for part in plan.parts}
    asked = {(task.device, task.name) for task in plan.tasks}
    found: set[object] = set()
    for cell in cells:
        found |= {cell.grade_id, cell.id} & ids
        if cell.kind == "code":
            found |= _headings(cell.source) & asked
    return len(found)


def _headings(source: str) -> set[tuple[str, str]]:
    """(device, name) of the kernels and answers that a cell defines."""
    return {(m[3] or ("python" if m[1] == "answer" else "cpu"), m[2]) for m in _HEADING.finditer(source)}


def lab_of(cells: list[Cell]) -> str | None:
    """The lab that most of these cells belong to; None where they belong to none, or to several alike."""
    counts = {lab: own_marks(tasks.plan_of(lab), cells) for lab in lab_names()}
    most = max(counts.values(), default=0)
    first = [lab for lab, count in counts.items() if count == most]
    return first[0] if most and len(first) == 1 else None


def lab_named(name: str) -> str | None:
    """The lab that a folder or file is named after: "07_softmax", "07 Softmax", "Lab 7", "softmax.ipynb"; else None.

    Where number and words disagree it is None: then the cells decide.
    """
    labs = lab_names()
    if name in labs:
        return name
    text = re.sub(r"(\.\w{2,5}){1,2}$", "", unicodedata.normalize("NFKC", name).casefold())
    text = re.sub(r"\s*\(\d+\)$|[\s_-]*copy$", "", text)
    words = [word for word in re.split(r"[^a-z0-9]+", text) if word]
    words = re.sub(r"^(?:lab|assignment|exercise|homework|hw) ?", "", " ".join(words)).split()
    number = int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 4 else None
    title = "_".join(words if number is None else words[1:])
    fitting = []
    for lab in labs:
        its_number, _, its_title = lab.partition("_")
        if (number, title) != (None, "") and number in (None, int(its_number)) and title in ("", its_title):
            fitting.append(lab)
    return fitting[0] if len(fitting) == 1 else None


def with_tasks_as_code(plan: Plan, cells: list[Cell]) -> tuple[list[Cell], list[str]]:
    """The cells, with a task's cell that became text by a wrong key turned to code again; and notes about it."""
    own = {task.grade_id for task in plan.tasks}
    changed = [c for c in cells if c.kind in ("markdown", "raw") and {c.grade_id, c.id} & own and _headings(c.source)]
    notes = [f"the cell {c.grade_id or c.id} had become text; it was read as code" for c in changed]
    return [replace(c, kind="code") if c in changed else c for c in cells], notes
