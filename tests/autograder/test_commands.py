"""The instructor's commands that grade nothing."""

import zipfile

from click.testing import CliRunner

from autograder import labs
from autograder.__main__ import main
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
