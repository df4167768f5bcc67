"""Verdicts go into nbgrader's own gradebook, through its own API, and notebooks into its autograded folder.

So formgrader, manual grading, `nbgrader export` and the exchange work on the same course folder as ever.
"""

import json
import warnings
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor, SaveCells

from autograder import tasks
from autograder.judge import MANUAL, PASSED, Verdict
from llaisys_mini.files import write_atomically

COURSE = "llaisys_mini"

# nbgrader's own queries trigger this harmless one for every row, once a submission is new.
warnings.filterwarnings("ignore", message=".*not in session, add operation.*")


def default_url(build: Path) -> str:
    return f"sqlite:///{(build / 'gradebook.db').resolve()}"


def write(verdicts: list[Verdict], url: str, build: Path, submitted: Path) -> None:
    """Record the verdicts and write the autograded notebooks. Scores that a person gave are kept."""
    (build / "grading").mkdir(parents=True, exist_ok=True)
    for lab in sorted({verdict.lab for verdict in verdicts}):
        _register_lab(lab, url)
    with Gradebook(url, COURSE) as gradebook:
        for verdict in verdicts:
            gradebook.update_or_create_student(verdict.student)
            gradebook.update_or_create_submission(
                verdict.lab, verdict.student, timestamp=_timestamp(submitted / verdict.student / verdict.lab)
            )
            _write_grades(gradebook, verdict)
            place = build / "autograded" / verdict.student / verdict.lab / f"{verdict.lab}.ipynb"
            write_atomically(place, nbformat.writes(graded_notebook(verdict)) + "\n")


def _register_lab(lab: str, url: str) -> None:
    """What `nbgrader generate_assignment` records: the lab's cells and their points."""
    notebook = nbformat.read(tasks.RELEASED / lab / f"{lab}.ipynb", as_version=4)
    with Gradebook(url, COURSE) as gradebook:
        gradebook.update_or_create_assignment(lab)
    SaveCells().preprocess(notebook, {"nbgrader": {"notebook": lab, "assignment": lab, "db_url": url}})


def _timestamp(folder: Path):
    from nbgrader.utils import parse_utc

    path = folder / "timestamp.txt"
    try:
        return parse_utc(path.read_text().strip()) if path.is_file() and not path.is_symlink() else None
    except (ValueError, OSError, UnicodeDecodeError):
        return None


def _write_grades(gradebook, verdict: Verdict) -> None:
    submission = gradebook.find_submission_notebook(verdict.lab, verdict.lab, verdict.student)
    for grade in submission.grades:
        part = verdict.parts.get(grade.name)
        if part is None:
            continue
        grade.auto_score = part.points
        grade.needs_manual_grade = part.points is None or grade.manual_score is not None
    for comment in submission.comments:
        part = verdict.parts.get(comment.name)
        if part is not None:
            comment.auto_comment = "No response." if part.points == 0 else None
    gradebook.db.commit()


def graded_notebook(verdict: Verdict):
    """The released lab with the student's code and answers in it, and the verdicts as outputs of the test cells."""
    path = tasks.RELEASED / verdict.lab / f"{verdict.lab}.ipynb"
    notebook = nbformat.from_dict(json.loads(path.read_text(encoding="utf-8")))
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

    def preprocess(self, nb, resources):
        from autograder import judge, probe
        from autograder.reading import Reading, cells_of
        from autograder.runner import course_secret
        from autograder.sandbox.limits import Limits

        names = resources["nbgrader"]
        tasks.make_if_stale()
        reading = Reading(cells_of(nbformat.writes(nb).encode()))
        worker, _ = probe.strongest_worker(Limits())
        with worker:
            plan = tasks.plan_of(names["notebook"])
            secret = course_secret(tasks.ROOT / "build")
            verdict = judge.judge(plan, names["student"], reading, worker, secret)
        return fill(nb, verdict), resources
