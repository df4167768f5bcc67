"""What one student handed in for one lab, and its notebook: the one, of all files, that holds the lab's cells."""

import os
from dataclasses import dataclass
from pathlib import Path

from autograder import tasks
from autograder.reading.belonging import own_marks, with_tasks_as_code
from autograder.reading.files import Unreadable, candidates, notebooks_in
from autograder.reading.notebook import Reading, cells_of
from autograder.tasks import Part, Plan


@dataclass(frozen=True)
class Submission:
    """student: as in the gradebook; folder: where it lies; files: what to read, by default whatever the folder holds.

    lms_id: the student's number in the learning management system, where the files come from one.
    """

    student: str
    lab: str
    folder: Path
    files: tuple[Path, ...] | None = None
    lms_id: str = ""


def read_submission(folder: Path, lab: str, files: tuple[Path, ...] | None = None) -> Reading:
    """The notebook of `lab` in `folder`, or in `files`. Raises Unreadable.

    Of several notebooks the one with most of the lab's own cells is read; of two alike the one whose name fits best.
    """
    plan = tasks.plan_of(lab)
    suspicious: list[str] = []
    problems: list[str] = []
    best: tuple[int, str, Reading] | None = None
    count = 0
    for path in candidates(folder, lab, suspicious) if files is None else files:
        try:
            for name, content in notebooks_in(path):
                try:
                    if isinstance(content, Unreadable):
                        raise content
                    cells, notes = with_tasks_as_code(plan, cells_of(content))
                except Unreadable as problem:
                    problems.append(str(problem))
                    continue
                count += 1
                marks = own_marks(plan, cells)
                if best is None or marks > best[0]:
                    best = marks, name, Reading(cells, notes)
        except Unreadable as problem:
            problems.append(str(problem))
    if best is None:
        reason = problems[0] if problems else "no notebook was handed in"
        raise Unreadable(reason + (f" ({'; '.join(suspicious)})" if suspicious else ""), suspicious)
    marks, name, reading = best
    if not marks:
        which = f"the notebook {name} holds" if count == 1 else f"none of the {count} notebooks holds"
        raise Unreadable(f"{which} no cell of lab {lab}", suspicious)
    if name != f"{lab}.ipynb":
        reading.notes.append(f"the file is called {name}; it was read all the same")
    if count > 1:
        reading.notes.append(f"of {count} notebooks {name} was read: it holds the lab's cells")
    reading.suspicious += suspicious
    return reading


def written_answer(plan: Plan, part: Part, reading: Reading) -> str:
    """What stands under a written question; "" if nothing does."""
    texts = [c.source for c in reading.cells if c.kind != "code" and part.grade_id in (c.grade_id, c.id)]
    if not texts:  # the mark is gone: whatever text is not the lab's own
        known = {" ".join(text.split()) for text in plan.texts.values()}
        own = [c.source for c in reading.cells if c.kind in ("markdown", "raw")]
        texts = [text for text in own if text.strip() and " ".join(text.split()) not in known]
    return "\n\n".join(text for text in texts if text.strip() and text.strip() != part.stub.strip())


def files_of(submission: Submission) -> list[tuple[bytes, str]]:
    """Name and state (size, date, rights) of each file, to tell whether anything changed. Never raises."""
    found: list[tuple[bytes, str]] = []

    def add(path, depth=0):
        try:
            status = os.lstat(path)
            found.append((os.fsencode(path), f"{status.st_size} {status.st_mtime_ns} {status.st_mode}"))
            if os.path.isdir(path) and not os.path.islink(path) and depth < 5:
                for name in sorted(os.listdir(path)):
                    add(os.path.join(path, name), depth + 1)
        except OSError as problem:
            found.append((os.fsencode(path), str(problem.errno)))

    for path in [submission.folder] if submission.files is None else submission.files:
        add(path)
    return found
