"""Verdicts go into nbgrader's own gradebook, through its own API, and notebooks into its autograded folder.

So formgrader, manual grading, `nbgrader export` and the exchange work on the same course folder as ever. Which database
holds the gradebook is written in one place, which url.py reads for every command and for nbgrader.
"""

import copy
import warnings
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades, SaveCells
from nbgrader.utils import compute_checksum, parse_utc
from sqlalchemy.exc import SQLAlchemyError
from traitlets import Unicode

from autograder import tasks
from autograder.course import RELEASED, ROOT, GradingError
from autograder.gradebook.url import shown
from autograder.judge.submission import MANUAL, PASSED, Verdict
from llaisys_mini.files import write_atomically

COURSE = "llaisys_mini"

# nbgrader's own queries trigger this harmless one for every row, once a submission is new.
warnings.filterwarnings("ignore", message=".*not in session, add operation.*")


@contextmanager
def opened(url: str):
    """nbgrader's gradebook at `url`. Raises GradingError for whatever goes wrong with the database."""
    try:
        with Gradebook(url, COURSE) as gradebook:
            yield gradebook
    except SQLAlchemyError as problem:
        raise GradingError(f"the gradebook {shown(url)} does not answer: {str(problem).splitlines()[0]}") from None


def write(verdicts: list[Verdict], url: str, build: Path, submitted: Path) -> None:
    """Record the verdicts and write the autograded notebooks. Manual scores are kept.

    Raises GradingError if the database fails.
    """
    (build / "grading").mkdir(parents=True, exist_ok=True)
    for lab in sorted({verdict.lab for verdict in verdicts}):
        _register_lab(lab, url)
    with opened(url) as gradebook:
        for verdict in verdicts:
            gradebook.update_or_create_student(verdict.student)
            handed_in = submitted / verdict.student / verdict.lab
            gradebook.update_or_create_submission(verdict.lab, verdict.student, timestamp=_timestamp(handed_in))
            path = build / "autograded" / verdict.student / verdict.lab / f"{verdict.lab}.ipynb"
            for name in _OF_THE_EXCHANGE:
                if (text := _small_text(handed_in / name)) is not None:
                    for step in ("autograded", "feedback"):
                        write_atomically(build / step / verdict.student / verdict.lab / name, text)
            notebook = graded_notebook(verdict)
            text = nbformat.writes(notebook) + "\n"
            unchanged = path.is_file() and path.read_text(encoding="utf-8") == text
            _write_grades(gradebook, verdict, notebook, unchanged)
            write_atomically(path, text)


def _register_lab(lab: str, url: str) -> None:
    """What `nbgrader generate_assignment` records: the lab's cells and their points."""
    notebook = copy.deepcopy(_released(lab))
    with opened(url) as gradebook:
        gradebook.update_or_create_assignment(lab)
    SaveCells().preprocess(notebook, {"nbgrader": {"notebook": lab, "assignment": lab, "db_url": url}})


_OF_THE_EXCHANGE = "timestamp.txt", "submission_secret.txt"
"""What nbgrader's exchange leaves beside a submission, and needs beside the feedback to hand it back."""


def _small_text(path: Path) -> str | None:
    """The text of a short plain file, or None."""
    if path.parent.is_symlink() or path.is_symlink() or not path.is_file() or path.stat().st_size > 1000:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (ValueError, OSError):
        return None


def _timestamp(folder: Path) -> datetime | None:
    """When it was handed in, in UTC, or None if that is not known."""
    try:
        return parse_utc((_small_text(folder / "timestamp.txt") or "").strip())
    except (ValueError, OverflowError):
        return None


def _write_grades(gradebook, verdict: Verdict, notebook, unchanged: bool) -> None:
    """unchanged: the person who graded the rest by hand saw exactly this code and these verdicts."""
    submission = gradebook.find_submission_notebook(verdict.lab, verdict.lab, verdict.student)
    for grade in submission.grades:
        part = verdict.parts.get(grade.name)
        if part is None:
            continue
        grade.auto_score = part.points
        if grade.manual_score is None:
            grade.needs_manual_grade = part.points is None
        elif not unchanged:
            grade.needs_manual_grade = True
    # As nbgrader's SaveAutoGrades: a cell that is as it was released holds no answer.
    cells = {
        grade_id: cell for cell in notebook.cells if (grade_id := cell.metadata.get("nbgrader", {}).get("grade_id"))
    }
    for comment in submission.comments:
        cell = cells[comment.name]
        untouched = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
        comment.auto_comment = "No response." if untouched else None
    gradebook.db.commit()


@cache
def _released(lab: str):
    return nbformat.read(RELEASED / lab / f"{lab}.ipynb", as_version=4)


def graded_notebook(verdict: Verdict):
    """The released lab with the student's code and answers in it, and the verdicts as outputs of the test cells."""
    notebook = copy.deepcopy(_released(verdict.lab))
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in verdict.sources:
            cell.source = verdict.sources[grade_id]
        elif grade_id in verdict.written:
            cell.source = verdict.written[grade_id]
    return fill(notebook, verdict)


def fill(notebook, verdict: Verdict):
    """Put each verdict into its test cell, in the form that nbgrader reads as passed or failed."""
    for cell in notebook.cells:
        part = verdict.parts.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if part is None or cell.cell_type != "code":
            continue
        if part.state in (PASSED, MANUAL):
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=part.message + "\n")]
        else:
            text = f"{part.state}: {part.message}"
            cell.outputs = [nbformat.v4.new_output("error", ename=part.state, evalue=part.message, traceback=[text])]
    return notebook


class JudgedExecute(NbGraderPreprocessor):
    """In place of nbgrader's Execute: `nbgrader autograde` asks the judge, and no student code runs in a kernel."""

    build = Unicode(str(ROOT / "build"), help="Where `autograder grade` keeps the course's secret.").tag(config=True)

    def preprocess(self, nb, resources):
        from autograder.judge import submission as judge
        from autograder.reading.notebook import Reading, cells_of
        from autograder.runner import course_secret
        from autograder.sandbox.limits import Limits
        from autograder.worker import probe

        names = resources["nbgrader"]
        tasks.make_if_stale()
        reading = Reading(cells_of(nbformat.writes(nb).encode()))
        worker, _ = probe.strongest_worker(Limits())
        with worker:
            plan = tasks.plan_of(names["notebook"])
            secret = course_secret(Path(self.build))
            verdict = judge.judge(plan, names["student"], reading, worker, secret)
        names["graded_by_hand"] = {name for name, part in verdict.parts.items() if part.points is None}
        return fill(nb, verdict), resources


class SaveJudgedGrades(SaveAutoGrades):
    """nbgrader's SaveAutoGrades reads points off outputs, which cannot say that a cell is graded by hand."""

    def _add_score(self, cell, resources):
        super()._add_score(cell, resources)
        grade_id = cell.metadata["nbgrader"]["grade_id"]
        if grade_id in resources["nbgrader"]["graded_by_hand"]:
            grade = self.gradebook.find_grade(grade_id, self.notebook_id, self.assignment_id, self.student_id)
            grade.auto_score, grade.needs_manual_grade = None, True
            self.gradebook.db.commit()
