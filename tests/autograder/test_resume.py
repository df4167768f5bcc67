"""The same class gets the same grades: graded twice, and killed in the middle and resumed. Hand-given points stay."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder import example_class, tasks
from autograder.gradebook import url as gradebook_url
from autograder.reading import collected as reading

from .course import LAB, content, export, grade, grade_by_hand, here, run, some_of_the_class

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(submissions, build folder, seconds) of a class graded without a disturbance."""
    tasks.make_if_stale()
    folder = tmp_path_factory.mktemp("undisturbed")
    submitted = some_of_the_class(folder / "submitted", "1278")
    start = time.monotonic()
    run(grade(submitted, folder / "build"))
    return submitted, folder / "build", time.monotonic() - start


@pytest.fixture
def build(undisturbed, tmp_path):
    """A fresh build folder of the same course: its secret, which the hidden cases come from, and nothing else."""
    target = tmp_path / "build" / "grading"
    target.mkdir(parents=True)
    shutil.copy(undisturbed[1] / "grading" / "secret", target)
    return target.parent


def found(build: Path) -> tuple[str, str]:
    """What must be the same: the export, and the gradebook's content."""
    return export(build), content(gradebook_url.default(build))


@pytest.fixture
def graded(undisturbed, tmp_path):
    """A build folder in which the class is graded already."""
    return shutil.copytree(undisturbed[1], tmp_path / "build")


def test_graded_twice_into_the_same_gradebook(undisturbed, graded):
    submitted, first, _ = undisturbed
    assert len(export(first).splitlines()) == 5
    here(grade(submitted, graded))
    assert found(graded) == found(first)


@pytest.mark.parametrize("wanted", [2, pytest.param(20, marks=pytest.mark.long)])
def test_resumed_after_kills(undisturbed, build, tmp_path, wanted):
    submitted, first, seconds = undisturbed
    rng = random.Random(0)
    journal, seen, kills = build / "grading" / "journal.jsonl", set(), 0
    environment = os.environ | {"TMPDIR": str(tmp_path)}  # so that the workers can be told from those of other graders
    while kills < wanted:
        process = subprocess.Popen(
            grade(submitted, build, "--jobs", "2", "--resume"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tasks.ROOT,
            env=environment,
        )
        try:
            assert process.wait(rng.uniform(0.1, 1.2) * seconds) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            kept = {line for line in journal.read_text().splitlines() if _whole(line)} if journal.is_file() else set()
            assert seen <= kept, "what was graded once stays graded"
            seen = kept
        else:  # it came to its end, so the next kill needs a new beginning
            assert found(build) == found(first)
            journal.unlink()
            (build / "gradebook.db").unlink()
            seen = set()
    run(grade(submitted, build, "--resume"), env=environment)
    assert found(build) == found(first)
    _wait_until_gone(str(tmp_path))


def _whole(line: str) -> bool:
    try:
        return bool(json.loads(line))
    except ValueError:
        return False


def _wait_until_gone(word: str, seconds: float = 60.0) -> None:
    """Nothing that was killed leaves a process behind."""
    end = time.monotonic() + seconds
    while left := [path for path in Path("/proc").glob("[0-9]*/cmdline") if word.encode() in _read(path)]:
        assert time.monotonic() < end, [_read(path) for path in left]
        time.sleep(0.1)


def _read(path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_points_given_by_hand_stay_until_the_code_changes(tmp_path):
    notebook = tmp_path / "submitted" / "student-1" / LAB / f"{LAB}.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text(example_class.submission(["merge_softmax-python", "softmax-mean"]))
    command, build = grade(tmp_path / "submitted", tmp_path / "build"), tmp_path / "build"
    here(command)
    url = gradebook_url.default(build)
    grade_by_hand(url, "student-1", "softmax-mean", 1.5)
    here(command)
    assert f"{LAB} student-1 softmax-mean (None, 1.5, None, False)" in content(url)
    assert _row(export(build), "student-1")[2] == '"graded"'

    notebook.write_text(notebook.read_text().replace("import math", "import math  # a later version", 1))
    here(command)
    assert f"{LAB} student-1 softmax-mean (None, 1.5, None, True)" in content(url)
    assert _row(export(build), "student-1")[2] == '"needs manual grading"'


def _row(table: str, student: str) -> list[str]:
    return next(line.split(",") for line in table.splitlines() if line.startswith(f'"{student}"'))


def test_a_late_submission_joins_the_report(tmp_path):
    submitted, build = some_of_the_class(tmp_path / "submitted", "28"), tmp_path / "build"
    here(grade(submitted, build, "--student", "student-8"))
    here(grade(submitted, build, "--student", "student-2"))
    assert [line.split(",")[0] for line in export(build).splitlines()] == ['"student"', '"student-2"', '"student-8"']
    assert len(reading.collect(submitted).submissions) == 2
