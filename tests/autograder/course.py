"""What tests of the class runner share: the commands as an instructor types them, and a gradebook's content as text."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from autograder import tasks
from autograder.__main__ import main

LAB = "07_softmax"


def autograder(build: Path, what: str, *arguments: str) -> list[str]:
    """The command line of `python -m autograder <what>`."""
    return [sys.executable, "-m", "autograder", what, *arguments, "--build", str(build)]


def run(command: list[str], **options) -> str:
    """Run a command that must succeed; its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=tasks.ROOT, **options)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def grade(submitted: Path, build: Path, *arguments: str) -> list[str]:
    """The limit is far away: what is graded here all ends, and no verdict depends on how busy the machine is."""
    return autograder(build, "grade", str(submitted), "--jobs", "1", "--timeout", "200", *arguments)


def here(command: list[str]) -> str:
    """Run a command line of `autograder` that must succeed, without the start of a process; its standard output."""
    done = CliRunner().invoke(main, command[command.index("autograder") + 1 :], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def export(build: Path, *arguments: str) -> str:
    """What `python -m autograder export` prints."""
    return here(autograder(build, "export", *arguments))


def some_of_the_class(target: Path, students: str) -> Path:
    """Copies of members of the example class, named by their numbers: "128"."""
    for number in students:
        shutil.copytree(tasks.ROOT / "data" / "class" / f"student-{number}", target / f"student-{number}")
    return target


def content(url: str) -> str:
    """Everything in a gradebook that a person can see, without its random keys, one line for each grade and comment."""
    from nbgrader.api import Gradebook

    from autograder.gradebook.book import COURSE

    lines = []
    with Gradebook(url, COURSE) as book:
        for lab in book.assignments:
            lines.append(f"{lab.name} {lab.max_score:g}")
            for submission in lab.submissions:
                who = f"{lab.name} {submission.student_id}"
                state = submission.score, submission.max_score, submission.needs_manual_grade, submission.timestamp
                lines.append(f"{who} {state}")
                for notebook in submission.notebooks:
                    for grade in notebook.grades:
                        scores = grade.auto_score, grade.manual_score, grade.extra_credit, grade.needs_manual_grade
                        lines.append(f"{who} {grade.name} {scores}")
                    for comment in notebook.comments:
                        lines.append(f"{who} {comment.name} {comment.auto_comment!r} {comment.manual_comment!r}")
    return "\n".join(sorted(lines))


def grade_by_hand(url: str, student: str, cell: str, points: float, lab: str = LAB) -> None:
    """What formgrader does when a person enters a score."""
    from nbgrader.api import Gradebook

    from autograder.gradebook.book import COURSE

    with Gradebook(url, COURSE) as book:
        grade = book.find_grade(cell, lab, lab, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()


def configure(root: Path, url: str) -> None:
    """An nbgrader_config.py in the course folder `root`: the course's own, for this folder and gradebook."""
    (root / "nbgrader_config.py").write_text(
        f"load_subconfig('nbgrader_config.py', path={str(tasks.ROOT / 'autograder')!r})\n"
        "c = get_config()\n"
        f"c.CourseDirectory.root = {str(root)!r}\n"
        f"c.CourseDirectory.db_url = {url!r}\n"
        f"c.JudgedExecute.build = {str(root / 'build')!r}\n"
    )


def nbgrader(folder: Path, what: str, *arguments: str) -> str:
    """Run nbgrader's own command in `folder`; all that it printed."""
    command = [sys.executable, "-m", "nbgrader", what, *arguments]
    environment = os.environ | {"PYTHONPATH": str(tasks.ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout
