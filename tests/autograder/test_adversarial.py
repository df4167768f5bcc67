"""The whole adversarial class in one run: every verdict is right, nothing stays running, nothing leaks.

Most submissions differ from an honest one in one answer. The others are not judged anew each time; the long form does.
"""

import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from autograder import runner, sandbox, tasks
from autograder.gradebook import book as gradebook
from autograder.gradebook import export, report
from autograder.gradebook import url as gradebook_url
from autograder.plain import plain_name
from autograder.reading import collected as reading
from autograder.worker import probe
from autograder.worker.pool import Worker

from .adversarial import LIMITS, ClassWorker, the_class, write_class
from .remembering import RememberingWorker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]


@pytest.fixture(scope="module", params=[RememberingWorker, pytest.param(Worker, marks=pytest.mark.long)])
def graded(request, tmp_path_factory):
    tasks.make_if_stale()
    before = _children()
    folder, build = tmp_path_factory.mktemp("submitted"), tmp_path_factory.mktemp("build")
    attempts = the_class()
    (build / "gradebook.db").write_bytes(b"")
    write_class(folder, build, attempts)
    (build / "gradebook.db").unlink()
    os.environ["SECRET_OF_GRADER"] = "1"
    try:
        trial, found = probe.strongest_worker(LIMITS)
        trial.close()
        if found.level == sandbox.LIMITS:
            pytest.skip("no sandbox works here")
        submissions = reading.collect(folder).submissions
        with ClassWorker(request.param, found.level) as worker:
            verdicts = runner.grade_class(
                submissions,
                build,
                LIMITS,
                False,
                lambda rest, secret: runner.judge_many(rest, secret, worker, 1),
                Console(quiet=True),
            )
    finally:
        del os.environ["SECRET_OF_GRADER"]
    gradebook.write(verdicts, gradebook_url.default(build), build)
    page = report.write_all(verdicts, build, str(found), gradebook_url.default(build))
    return {
        "attempts": attempts,
        "before": before,
        "verdicts": {v.student: v for v in verdicts},
        "build": build,
        "page": page,
        "list": verdicts,
    }


def test_every_verdict(graded):
    wrong = {}
    for attempt in graded["attempts"]:
        verdict = graded["verdicts"][plain_name(attempt.student)]
        if (verdict.points, verdict.state) != (attempt.points, attempt.state):
            parts = {name: (p.points, p.state, p.message) for name, p in verdict.parts.items() if p.state != "passed"}
            found = (verdict.points, verdict.state, parts, verdict.notes, verdict.tampering, verdict.reason)
            wrong[attempt.student] = ("expected", attempt.points, attempt.state, "found", *found)
    assert not wrong, "\n".join(f"{student}: {what}" for student, what in wrong.items())
    assert len(graded["attempts"]) >= 40


def test_nothing_is_left_running(graded):
    names = [Path(f"/proc/{child}/cmdline").read_bytes() for child in _children() - graded["before"]]
    assert not [name for name in names if b"autograder." in name or b"bwrap" in name]
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if _is(p, b"sleep\x001000\x00")]


def _children() -> set[str]:
    """The processes that this one has started, and that have not ended: workers of other tests among them."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def _is(path, text):
    try:
        return path.read_bytes() == text
    except OSError:
        return False


def test_the_gradebook_agrees(graded):
    from nbgrader.api import Gradebook

    with Gradebook(gradebook_url.default(graded["build"]), gradebook.COURSE) as book:
        for student, verdict in graded["verdicts"].items():
            submission = book.find_submission(verdict.lab, student)
            assert submission.score == verdict.points, student
            assert submission.max_score == verdict.maximum


def test_feedback_shows_no_solution_and_no_hidden_input(graded):
    from autograder.judge.cases import seed_of
    from llaisys_mini import exercises

    secret = runner.course_secret(graded["build"])
    hidden = exercises.get("merge_softmax").make_cases(seed_of(secret, "07_softmax", "merge_softmax-python"))
    numbers = [repr(case.inputs["sum_a"]) for case in hidden if case.inputs["sum_a"] not in (0.0, 1.0)]
    for student, verdict in graded["verdicts"].items():
        page = (graded["build"] / "feedback" / student / verdict.lab / f"{verdict.lab}.html").read_text()
        assert "BEGIN HIDDEN" not in page and "BEGIN SOLUTION" not in page
        assert not [number for number in numbers if number in page]
        assert "<b>'" not in page


def test_a_second_run_of_the_export_is_the_same(graded):
    first, second = (list(export.rows(graded["list"])) for _ in range(2))
    assert first == second
    of_labs = len(
        {verdict.lab for verdict in graded["list"]}
    )  # who has not handed in a lab has a row for it all the same
    assert len(first) == len(graded["list"]) * of_labs + 1
