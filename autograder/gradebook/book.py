"""Verdicts go into nbgrader's own gradebook, through its own API, and notebooks into its autograded folder.

So formgrader, manual grading, `nbgrader export` and the exchange work on the same course folder as ever. Which database
holds the gradebook is written in one place, which url.py reads for every command and for nbgrader.
"""

import copy
import traceback
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades, SaveCells
from nbgrader.utils import compute_checksum, parse_utc
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from traitlets import Unicode

from autograder import tasks
from autograder.course import RELEASED, ROOT, GradingError, fault_of_machine
from autograder.gradebook import answers, changed_labs
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


def write(
    verdicts: list[Verdict], url: str, build: Path, folders: Mapping[tuple[str, str], Path] | None = None
) -> list[str]:
    """Record the verdicts and write the autograded notebooks. Manual scores are kept.

    folders: where the submission of (student, lab) lies, for its date. A verdict that cannot be recorded becomes an
    error of that submission alone. Returns what changed in the labs since the last time, as sentences.

    Raises GradingError if the database fails.
    """
    (build / "grading").mkdir(parents=True, exist_ok=True)
    told: list[str] = []
    for lab in sorted({verdict.lab for verdict in verdicts}):
        told += _register_lab(lab, url, build)
    with opened(url) as gradebook:
        for verdict in verdicts:
            try:
                _write_one(gradebook, verdict, build, (folders or {}).get((verdict.student, verdict.lab)))
            except Exception as problem:
                if fault_of_machine(problem) or isinstance(problem, OperationalError):
                    raise
                if "OperationalError" in str(problem):  # nbgrader hands on what its database said
                    raise GradingError(f"the gradebook {shown(url)} does not answer: {problem}") from None
                gradebook.db.rollback()
                reason = f"its grades could not be written: {type(problem).__name__}: {problem}"
                verdict.fail(reason, "".join(traceback.format_exception(problem)))
    return told


def _write_one(gradebook, verdict: Verdict, build: Path, handed_in: Path | None) -> None:
    gradebook.update_or_create_student(verdict.student)
    date = _timestamp(handed_in)
    verdict.handed_in = date.replace(tzinfo=UTC).isoformat() if date else ""
    gradebook.update_or_create_submission(verdict.lab, verdict.student, timestamp=date)
    path = build / "autograded" / verdict.student / verdict.lab / f"{verdict.lab}.ipynb"
    for name in _OF_THE_EXCHANGE:
        if handed_in is not None and (text := _small_text(handed_in / name)) is not None:
            for step in ("autograded", "feedback"):
                write_atomically(build / step / verdict.student / verdict.lab / name, text)
    notebook = graded_notebook(verdict)
    text = nbformat.writes(notebook) + "\n"
    unchanged = path.is_file() and path.read_text(encoding="utf-8") == text
    _write_grades(gradebook, verdict, notebook, unchanged)
    write_atomically(path, text)


def _register_lab(lab: str, url: str, build: Path) -> list[str]:
    """What `nbgrader generate_assignment` records: the lab's cells and their points. Returns what changed in them."""
    notebook = copy.deepcopy(_released(lab))
    with opened(url) as gradebook:
        gradebook.update_or_create_assignment(lab)
        told = changed_labs.adapt(gradebook, lab, notebook, changed_labs.kept_in(build))
    SaveCells().preprocess(notebook, {"nbgrader": {"notebook": lab, "assignment": lab, "db_url": url}})
    return told


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


def _timestamp(folder: Path | None) -> datetime | None:
    """When it was handed in, in UTC, or None if that is not known."""
    if folder is None:
        return None
    try:
        return parse_utc((_small_text(folder / "timestamp.txt") or "").strip())
    except Exception:  # the parser raises many kinds, and a student may have written the file
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
        cell = cells.get(comment.name)
        if cell is None:
            continue
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
            cell.source = answers.harmless(verdict.written[grade_id])
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
        own = set(plan.texts.values())
        for cell in nb.cells:
            if cell.cell_type != "code" and cell.source not in own:
                cell.source = answers.harmless(cell.source)
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
