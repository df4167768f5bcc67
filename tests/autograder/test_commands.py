"""What the instructor's commands do around the judge."""

import os
import subprocess
import sys
import zipfile

import nbformat
import pytest
from click.testing import CliRunner
from nbgrader.utils import compute_checksum

from autograder import labs, tasks
from autograder.__main__ import main
from autograder.gradebook import report
from autograder.gradebook import url as gradebook_url
from autograder.judge.submission import Verdict
from autograder.reading.notebook import cells_of
from autograder.tasks import GradingError


def test_release_packs_the_labs_and_the_lectures_that_they_link_to(tmp_path, monkeypatch):
    monkeypatch.setattr(labs, "make_labs", labs.lab_names)
    answer = CliRunner().invoke(main, ["release", "--to", str(tmp_path / "labs.zip")], catch_exceptions=False)
    assert answer.exit_code == 0
    names = set(zipfile.ZipFile(tmp_path / "labs.zip").namelist())
    assert {f"labs/{name}/{name}.ipynb" for name in labs.lab_names()} <= names
    assert {name.split("/")[0] for name in names} == {"labs", "notebooks"}
    assert {name.rpartition(".")[2] for name in names} == {"ipynb"}


def test_formgrader_says_that_it_sees_only_the_course(tmp_path):
    answer = CliRunner().invoke(main, ["formgrader", str(tmp_path)])
    assert isinstance(answer.exception, GradingError)
    assert "formgrader sees only" in str(answer.exception)


def test_points_of_an_earlier_version_of_a_lab_are_not_taken_for_tampering():
    notebook = labs.release_notebook("07_softmax")
    cells = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}
    cell = cells["softmax-public"]

    def read(grade_id="softmax-public"):
        return next(c for c in cells_of(nbformat.writes(notebook).encode()) if c.grade_id == grade_id)

    assert read().is_as_released()
    cell.metadata.nbgrader.points = 100
    assert read().points == 100
    assert not read().is_as_released()
    cell.metadata.nbgrader.checksum = compute_checksum(cell)
    assert read().is_as_released()

    cells["softmax-mean"].source = "an answer, which no checksum knows"
    assert read("softmax-mean").points is None


def test_grading_one_lab_again_keeps_the_verdicts_on_the_others(tmp_path):
    tasks.make_if_stale()
    before = [Verdict("ada", lab, notes=["before"]) for lab in ("00_practice", "07_softmax")]
    url = gradebook_url.default(tmp_path)
    report.write_all(before, tmp_path, "none", url)
    report.write_all([Verdict("ada", "07_softmax", notes=["again"])], tmp_path, "none", url)
    kept, _ = report.load(tmp_path)
    assert [(v.lab, v.notes) for v in kept] == [("00_practice", ["before"]), ("07_softmax", ["again"])]


@pytest.mark.slow
def test_a_user_without_a_home_can_grade():
    """As in a container that runs as a user who is in no list of users. nbgrader raises as it is imported."""
    code = (
        "import pwd\n"
        "def unknown(number): raise KeyError('getpwuid(): uid not found')\n"
        "pwd.getpwuid = unknown\n"
        "from autograder.__main__ import be_at_home_somewhere\n"
        "{first}\n"
        "import nbgrader.api\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}

    def ends(first):
        return subprocess.run([sys.executable, "-c", code.format(first=first)], env=environment, capture_output=True)

    assert b"home directory" in ends("").stderr, "this test is no longer needed"
    assert ends("be_at_home_somewhere()").returncode == 0
