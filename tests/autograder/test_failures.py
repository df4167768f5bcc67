"""One submission never stops a class: whatever goes wrong about it is its state, in report, CSV and exit status."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from rich.console import Console

from autograder import __main__ as commands
from autograder import journal, lock, runner, tasks
from autograder.course import GradingError
from autograder.gradebook import book, export, report
from autograder.gradebook import url as gradebook_url
from autograder.judge import submission as judge
from autograder.judge.submission import CRASHED, FAILED, GRADED, UNREADABLE, Verdict
from autograder.judge.watch import TookTooLong, limited
from autograder.reading import notebook, tampering
from autograder.reading.collected import collect
from autograder.reading.people import Left
from autograder.reading.submission import Submission
from autograder.sandbox.limits import Limits
from autograder.worker.pool import Ended, SandboxFailed, WorkerLost

from .course import LAB, grade, grade_by_hand, here, some_of_the_class

LIMITS = Limits()


@pytest.fixture(scope="module", autouse=True)
def labs():
    tasks.make_if_stale()


class Acted:
    """In place of a worker: `acts(number of the task)` may raise, or gives the messages of that task."""

    limits = LIMITS

    def __init__(self, acts=lambda number: []):
        self.acts, self.count, self.closed = acts, 0, 0

    def run(self, request):
        self.count += 1
        if not request["source"]:  # the trial whether it works at all
            yield Ended(finished=True)
            return
        yield from self.acts(self.count)
        yield Ended(finished=True)

    def close(self):
        self.closed += 1


def submission(folder: Path, change=lambda cells: None, student: str = "ada") -> Submission:
    place = folder / student / LAB
    place.mkdir(parents=True)
    made = json.loads((tasks.WITH_SOLUTIONS / LAB / f"{LAB}.ipynb").read_text(encoding="utf-8"))
    change(made["cells"])
    (place / f"{LAB}.ipynb").write_text(json.dumps(made), encoding="utf-8")
    return Submission(student, LAB, place)


def raising(problem):
    def acts(number):
        raise problem

    return acts


@pytest.mark.parametrize(
    "problem",
    [
        ValueError("in the judge"),
        RecursionError("deep"),
        MemoryError(),
        UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed"),
        KeyError("x"),
        OSError(errno.EACCES, "Permission denied"),
        AssertionError("\x1b[31mnot so\ud83d"),
    ],
)
def test_an_exception_is_the_state_of_its_submission(problem, tmp_path):
    worker = Acted(raising(problem))
    verdict = runner.judge_one(submission(tmp_path), worker, b"secret")
    assert verdict.state == FAILED and type(problem).__name__ in verdict.reason
    assert "Traceback" in verdict.trace and worker.closed
    assert verdict.points == 0 and verdict.open_points == verdict.maximum == tasks.plan_of(LAB).points
    json.dumps(verdict.as_data()).encode()
    assert (verdict.reason + verdict.trace).encode()


def test_a_claim_that_the_sandbox_fails_costs_its_submission_alone(tmp_path):
    one = submission(tmp_path)
    verdict = runner.judge_one(one, Acted(raising(SandboxFailed("no"))), b"secret")
    assert verdict.state == FAILED and any("claimed" in sign for sign in verdict.tampering)

    class Broken(Acted):
        def run(self, request):
            raise SandboxFailed("no")

    with pytest.raises(SandboxFailed):
        runner.judge_one(one, Broken(), b"secret")


def test_a_worker_that_is_lost_twice_costs_its_submission_alone(tmp_path):
    one = submission(tmp_path)
    assert runner.judge_one(one, Acted(raising(WorkerLost("gone"))), b"secret").state == CRASHED

    class Broken(Acted):
        def run(self, request):
            raise WorkerLost("no memory")

    with pytest.raises(GradingError, match="no worker starts here"):
        runner.judge_one(one, Broken(), b"secret")


def test_a_full_disk_is_no_fault_of_a_submission(tmp_path):
    with pytest.raises(GradingError, match="the disk is full"):
        runner.judge_one(submission(tmp_path), Acted(raising(OSError(errno.ENOSPC, "No space left"))), b"secret")


def test_an_error_while_reading_is_the_state_too(tmp_path, monkeypatch):
    one = submission(tmp_path)
    monkeypatch.setattr(notebook, "_cell", lambda cell: 1 / 0)
    verdict = runner.judge_one(one, Acted(), b"secret")
    assert verdict.state == FAILED and "ZeroDivisionError" in verdict.reason


def in_cell(name: str, text: str):
    def change(cells):
        next(cell for cell in cells if cell["id"] == name)["source"] = text

    return change


def added(text: str):
    def change(cells):
        cells.append({"cell_type": "code", "id": "mine", "metadata": {}, "source": text, "outputs": []})

    return change


@pytest.mark.parametrize(
    "change",
    [
        added("total = " + " + ".join(["x"] * 900)),
        added("total" + ".x" * 900 + " = 1"),
        added("total" + ".x" * 90_000),
        added("setattr(" + "-" * 3000 + "x, 1)"),
        added("(" * 5000),
        added("x = [" + "[" * 90),
        added("\ud83d = 1"),
        added("\x00"),
        added("# coding: rot13\nx"),
        in_cell("softmax-mean", "half an emoji \ud83d and \ude00"),
        in_cell("softmax-mean", "\x1b]0;title\x07"),
    ],
)
def test_odd_texts_in_cells_do_not_stop_the_judge(change, tmp_path):
    verdict = runner.judge_one(submission(tmp_path, change), Acted(), b"secret")
    assert verdict.state not in (FAILED, UNREADABLE), verdict.trace
    json.dumps(verdict.as_data()).encode()
    assert "".join(verdict.written.values()).encode() is not None
    book.graded_notebook(verdict)


def test_signs_of_tampering_are_looked_for_in_trees_of_any_depth():
    deep = "a" + ".b" * 5000
    assert tampering.signs_of_tampering(f"np{'.x' * 3} = 1") == ["replaces np.x.x.x"]
    assert tampering.signs_of_tampering(f"{deep}.fork()") in ([], ["os.fork"])
    assert tampering.signs_of_tampering("setattr(numpy.linalg, 'x', 1)") == ["replaces numpy.linalg"]


# ---- time --------------------------------------------------------------------------------------------------------


def test_the_judge_stops_computing_for_one_submission():
    with pytest.raises(TookTooLong), limited(0.2):
        while True:
            sum(range(1000))
    with limited(0.2):
        time.sleep(0.6)  # waiting is no computing
    sum(range(10**5))


def test_a_submission_that_takes_the_judge_too_long_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "SECONDS_TO_READ", 0.1)

    def slow(*_):
        while True:
            sum(range(1000))

    monkeypatch.setattr(runner, "read_submission", slow)
    verdict = runner.judge_one(submission(tmp_path), Acted(), b"secret")
    assert verdict.state == FAILED and "more than 0.1 s" in verdict.reason


@pytest.mark.parametrize("large", ["cells", "one cell", "depth"])
def test_reading_what_is_large_takes_seconds_at_most(large, tmp_path):
    def change(cells):
        if large == "cells":
            cells += [{"cell_type": "code", "metadata": {}, "source": f"c{n} = {n}"} for n in range(900)]
        elif large == "one cell":
            added("\n".join(f"C{n} = {n}" for n in range(15_000)))(cells)
        else:
            added("x = " + "+".join("(1" * 80) + ")" * 80)(cells)

    began = time.thread_time()
    verdict = runner.judge_one(submission(tmp_path, change), Acted(), b"secret")
    assert verdict.state != FAILED and time.thread_time() - began < runner.SECONDS_TO_READ


# ---- the journal, the report, the exit status --------------------------------------------------------------------


def graded(folder: Path, build: Path, judging, resume=False, student=None):
    """As `grade` does, with `judging` in the place of workers."""
    found = collect(folder, None, student)
    verdicts = runner.grade_class(found.submissions, build, LIMITS, resume, judging, Console(file=io.StringIO()))
    url = gradebook_url.default(build)
    book.write(verdicts, url, build)
    journal.log_errors(build, verdicts)
    report.write_all(verdicts, build, "none", url, found.left)
    return verdicts, found.left


def by(acts):
    return lambda rest, secret: ((one, runner.judge_one(one, acts(one), secret)) for one in rest)


@pytest.mark.slow
def test_the_class_goes_on_and_resume_tries_again(tmp_path):
    for name in ("ada", "bob", "eve"):
        submission(tmp_path / "submitted", student=name)
    (tmp_path / "submitted" / "stray.ipynb").write_bytes(b"{}")
    build = tmp_path / "build"
    failing = by(lambda one: Acted(raising(ValueError("<b>no</b>")) if one.student == "bob" else lambda number: []))
    verdicts, left = graded(tmp_path / "submitted", build, failing)
    assert [v.state == FAILED for v in verdicts] == [False, True, False]
    assert "ValueError: <b>no</b>" in journal.errors_log(build).read_text(encoding="utf-8")
    page = (build / "report.html").read_text(encoding="utf-8")
    assert FAILED in page and "stray.ipynb" in page and "<b>no</b>" not in page
    table = list(export.rows(verdicts, left=left))
    assert [row[2] for row in table[1:]] == [verdicts[0].state, FAILED, verdicts[2].state, "not graded"]
    assert commands._told_of_the_rest(verdicts, left, build) == 3

    tried = []

    def again(rest, secret):
        tried.extend(one.student for one in rest)
        return by(lambda one: Acted())(rest, secret)

    verdicts, left = graded(tmp_path / "submitted", build, again, resume=True)
    assert tried == ["bob"] and all(v.state != FAILED for v in verdicts)
    assert not journal.errors_log(build).exists()
    assert commands._told_of_the_rest(verdicts, [], build) == 0


@pytest.mark.slow
def test_a_conflict_in_the_gradebook_costs_its_submission_alone(tmp_path, monkeypatch):
    for name in ("ada", "bob"):
        submission(tmp_path / "submitted", student=name)
    build = tmp_path / "build"
    write = book._write_one

    def conflict(gradebook, verdict, *rest):
        if verdict.student == "ada":
            raise RuntimeError("UNIQUE constraint failed")
        write(gradebook, verdict, *rest)

    monkeypatch.setattr(book, "_write_one", conflict)
    verdicts, _ = graded(tmp_path / "submitted", build, by(lambda one: Acted()))
    assert [v.state == FAILED for v in verdicts] == [True, False]
    assert "could not be written" in verdicts[0].reason and (build / "report.html").is_file()


ODD_NAMES = [b"Jos\xe9", b"a\x1b[31mb", b"<script>alert(1)</script>", b"=cmd|'/c calc'!A1", b"x" * 255]


@pytest.mark.slow
def test_a_student_of_any_name_is_graded(tmp_path):
    made = submission(tmp_path / "made").folder
    for raw in ODD_NAMES:
        folder = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"submitted", raw))
        shutil.copytree(made, Path(folder) / LAB)
    build = tmp_path / "build"
    verdicts, _ = graded(tmp_path / "submitted", build, by(lambda one: Acted()))
    assert len(verdicts) == len(ODD_NAMES)
    for verdict in verdicts:
        assert verdict.state not in (FAILED, UNREADABLE), verdict.reason
    pages = list((build / "feedback").rglob("*.html"))
    assert len(pages) == len(ODD_NAMES)
    for page in (*pages, build / "report.html"):
        assert "<script>" not in page.read_text(encoding="utf-8")
    assert not [row for row in export.rows(verdicts) if str(row[0]).startswith("=")]


@pytest.mark.parametrize("data", ["", "no hex", "é"])
def test_a_damaged_secret_is_named(data, tmp_path):
    (tmp_path / "grading").mkdir()
    (tmp_path / "grading" / "secret").write_text(data or "x", encoding="utf-8")
    with pytest.raises(GradingError, match="is damaged"):
        runner.course_secret(tmp_path)


# ---- what the machine refuses ------------------------------------------------------------------------------------


@contextmanager
def refusing(monkeypatch, number: int):
    def refuse(path, *_, **__):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(runner, "write_atomically", refuse)
    monkeypatch.setattr(journal, "write_atomically", refuse)
    yield


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "may not be read or written"), (errno.EROFS, "--build")],
)
def test_a_build_folder_that_cannot_be_written_is_told_in_a_sentence(number, told, tmp_path, monkeypatch, capsys):
    submission(tmp_path / "submitted")
    arguments = ["autograder", "grade", str(tmp_path / "submitted"), "--build", str(tmp_path / "build")]
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(commands, "_judged", lambda found, build, *_: (runner.course_secret(build), ""))
    with refusing(monkeypatch, number), pytest.raises(SystemExit) as ended:
        commands.run()
    assert ended.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and told in lines[0]


def test_a_second_grader_waits_and_says_for_whom(tmp_path):
    said, order = io.StringIO(), []
    started = threading.Event()
    # A process of its own holds it: the lock is between processes.
    code = (
        "import sys, time; from pathlib import Path; from rich.console import Console; from autograder import lock\n"
        f"with lock.only_grader(Path({str(tmp_path)!r}), Console()):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    environment = os.environ | {"PYTHONPATH": str(tasks.ROOT)}
    first = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True, env=environment)
    assert first.stdout is not None and first.stdin is not None and first.stdout.readline() == "held\n"

    def second():
        started.set()
        with lock.only_grader(tmp_path, Console(file=said, width=300)):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    started.wait(60)
    end = time.monotonic() + 120
    while "waiting" not in said.getvalue() and time.monotonic() < end:
        time.sleep(0.02)
    assert f"process {first.pid}" in said.getvalue() and not order
    first.stdin.close()
    first.wait(120)
    thread.join(120)
    assert order == ["second"]


# ---- a lab that changed ------------------------------------------------------------------------------------------


def contents(url: str) -> dict[str, tuple]:
    """Each grade of ada's: automatic, by hand, to be given."""
    from nbgrader.api import Gradebook

    with Gradebook(url, book.COURSE) as gradebook:
        notebook = gradebook.find_submission_notebook(LAB, LAB, "ada")
        comments = {comment.name: () for comment in notebook.comments}
        return comments | {g.name: (g.auto_score, g.manual_score, g.needs_manual_grade) for g in notebook.grades}


@pytest.mark.slow
@pytest.mark.parametrize("what", ["renamed", "added", "removed", "points", "all at once"])
def test_a_changed_lab_is_followed(what, tmp_path, monkeypatch):
    build, url = tmp_path, gradebook_url.default(tmp_path)
    (tmp_path / "grading").mkdir()
    plan = tasks.plan_of(LAB)
    parts = {part.grade_id: judge.PartVerdict(part.points, part.points, "passed") for part in plan.parts}
    verdict = Verdict("ada", LAB, GRADED, parts=parts)
    assert book.write([verdict], url, build) == []
    grade_by_hand(url, "ada", "softmax-mean", 1.5)
    before = contents(url)

    changed = nbformat.from_dict(json.loads(json.dumps(book._released(LAB))))
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in changed.cells if "nbgrader" in cell.metadata}
    if what in ("renamed", "all at once"):
        cells["softmax-mean"].metadata.nbgrader.grade_id = "softmax-why"
    if what in ("removed", "all at once"):
        changed.cells.remove(cells["merge-public"])
        changed.cells.remove(cells["merge_softmax-python"])
    if what in ("added", "all at once"):
        more = nbformat.from_dict(json.loads(json.dumps(cells["softmax-public"])))
        more.id, more.metadata.nbgrader.grade_id = "softmax-more", "softmax-more"
        changed.cells.append(more)
    if what == "points":
        cells["softmax-public"].metadata.nbgrader.points = 5
    monkeypatch.setattr(book, "_released", lambda lab: changed)
    told = book.write([verdict], url, build)
    after = contents(url)
    expected = dict(before)
    if what in ("renamed", "all at once"):
        auto, by_hand, _ = expected.pop("softmax-mean")
        expected["softmax-why"] = auto, by_hand, True
        assert after["softmax-why"][1] == 1.5
        assert any("is now called softmax-why" in sentence for sentence in told)
    if what in ("removed", "all at once"):
        del expected["merge-public"], expected["merge_softmax-python"]
    if what in ("added", "all at once"):
        expected["softmax-more"] = ()
        assert after["softmax-more"][2] is True
    assert set(after) == set(expected)
    assert bool(told) == (what != "points") and verdict.state != FAILED


@pytest.mark.slow
def test_points_given_by_hand_in_a_removed_cell_are_kept_in_a_file(tmp_path, monkeypatch):
    url = gradebook_url.default(tmp_path)
    book.write([Verdict("ada", LAB)], url, tmp_path)
    grade_by_hand(url, "ada", "softmax-mean", 1.5)
    changed = nbformat.from_dict(json.loads(json.dumps(book._released(LAB))))
    changed.cells = [c for c in changed.cells if c.metadata.get("nbgrader", {}).get("grade_id") != "softmax-mean"]
    monkeypatch.setattr(book, "_released", lambda lab: changed)
    (sentence,) = book.write([Verdict("ada", LAB)], url, tmp_path)
    assert "removed_grades.jsonl" in sentence
    kept = json.loads((tmp_path / "grading" / "removed_grades.jsonl").read_text(encoding="utf-8"))
    assert kept == {"lab": LAB, "cell": "softmax-mean", "student": "ada", "points": 1.5}


# ---- by the command ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
def test_the_command_names_what_it_could_not_grade(tmp_path):
    submitted = some_of_the_class(tmp_path / "submitted", "28")
    (submitted / "stray.ipynb").write_bytes(b"{}")
    done = subprocess.run(grade(submitted, tmp_path / "build"), capture_output=True, text=True, cwd=tasks.ROOT)
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert "not graded: stray.ipynb: it lies in no student's folder" in done.stderr
    (submitted / "stray.ipynb").unlink()
    here(grade(submitted, tmp_path / "build", "--resume"))


@pytest.mark.slow
def test_what_is_left_is_kept_in_the_report(tmp_path):
    url = gradebook_url.default(tmp_path)
    report.write_all([Verdict("ada", LAB)], tmp_path, "none", url, [Left("a/<b>.ipynb", "no notebook", "a")])
    report.write_all([Verdict("bob", LAB)], tmp_path, "none", url)
    assert report.load_left(tmp_path) == [Left("a/<b>.ipynb", "no notebook", "a")]
    assert "a/&lt;b&gt;.ipynb" in (tmp_path / "report.html").read_text(encoding="utf-8")
