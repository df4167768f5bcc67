"""Where labs and the learner's kernels are found when the package is installed apart from the course."""

import pytest

from llaisys_mini import paths


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """As from a wheel, with two labs handed out to <tmp>/term/labs."""
    monkeypatch.delenv(paths.STUDENT_VARIABLE)
    monkeypatch.setattr(paths, "course_root", lambda: tmp_path / "site-packages" / "llaisys_mini" / "_course")
    for name in ("00_practice", "07_softmax"):
        folder = tmp_path / "term" / "labs" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.ipynb").write_text("{}")
    paths._handed_out.cache_clear()
    yield tmp_path / "term"
    paths._handed_out.cache_clear()


@pytest.mark.parametrize("working", [".", "labs", "labs/07_softmax"])
def test_one_place_for_labs_and_kernels_wherever_python_starts(installed, monkeypatch, working):
    monkeypatch.chdir(installed / working)
    assert paths.labs_folder() == installed / "labs"
    assert paths.student_folder() == installed / "student"


def test_labs_may_lie_in_a_folder_of_another_name(installed, monkeypatch):
    (installed / "labs").rename(installed / "llm-course")
    monkeypatch.chdir(installed / "llm-course" / "00_practice")
    assert paths.labs_folder() == installed / "llm-course"
    assert paths.student_folder() == installed / "student"


def test_without_labs_kernels_go_to_the_working_folder(installed, monkeypatch, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert paths.student_folder() == elsewhere / "student"
