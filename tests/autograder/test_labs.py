"""`labs/` is exactly what the sources generate, holds nothing of the solutions, and makes valid nbgrader notebooks."""

import json
import re

import pytest
from nbgrader.utils import is_grade, is_solution

from autograder import labs, tasks
from autograder.tasks import GradingError
from llaisys_mini import exercises, operators
from llaisys_mini.course.labs import find_labs

NAMES = labs.lab_names()
all_labs = pytest.mark.parametrize("name", NAMES)


def released(name):
    return (labs.RELEASE / name / f"{name}.ipynb").read_text(encoding="utf-8")


def test_labs_is_exactly_what_the_sources_generate(tmp_path):
    labs.make_labs(tmp_path / "labs", tmp_path / "source")
    made = {p.relative_to(tmp_path / "labs"): p.read_bytes() for p in (tmp_path / "labs").rglob("*") if p.is_file()}
    there = {
        p.relative_to(labs.RELEASE): p.read_bytes()
        for p in labs.RELEASE.rglob("*")
        if p.is_file() and ".ipynb_checkpoints" not in p.parts
    }
    assert set(made) == set(there), "run `make labs`"
    assert [str(p) for p in made if made[p] != there[p]] == [], "run `make labs`"


def test_making_twice_gives_the_same_bytes(tmp_path):
    labs.make_labs(tmp_path / "a", tmp_path / "sa")
    labs.make_labs(tmp_path / "b", tmp_path / "sb")
    for one in (tmp_path / "a").rglob("*.ipynb"):
        assert one.read_bytes() == (tmp_path / "b" / one.relative_to(tmp_path / "a")).read_bytes()


WITH_PYPLOT = {"11_tokens_and_positions"}
"""Labs whose figures do not follow the light or dark theme yet. Ends empty."""


@all_labs
def test_figures_follow_the_theme_and_have_alternative_text(name):
    source = "".join(cell.source for cell in labs.source_notebook(name).cells if cell.cell_type == "code")
    if name not in WITH_PYPLOT:
        assert "pyplot" not in source, "draw with plots.figure and plots.show(figure, alt=...)"


def test_a_lab_without_a_source_is_removed(tmp_path):
    old = tmp_path / "labs" / "98_gone"
    old.mkdir(parents=True)
    labs.make_labs(tmp_path / "labs", tmp_path / "source")
    assert not old.exists()


def test_work_in_the_labs_is_not_overwritten(tmp_path):
    labs.make_labs(tmp_path / "labs", tmp_path / "source")
    mine = tmp_path / "labs" / "07_softmax" / "07_softmax.ipynb"
    notebook = json.loads(mine.read_text())
    next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")["execution_count"] = 1
    mine.write_text(json.dumps(notebook))
    with pytest.raises(GradingError, match=r"07_softmax\.ipynb was run"):
        labs.make_labs(tmp_path / "labs", tmp_path / "source")
    assert json.loads(mine.read_text()) == notebook


def test_grading_does_not_touch_the_labs(tmp_path, monkeypatch):
    for name in ("RELEASED", "WITH_SOLUTIONS"):
        monkeypatch.setattr(tasks, name, tmp_path / name)
    before = {path: path.stat().st_mtime_ns for path in labs.RELEASE.rglob("*.ipynb")}
    tasks.make_if_stale()
    assert {path: path.stat().st_mtime_ns for path in labs.RELEASE.rglob("*.ipynb")} == before
    assert tasks.lab_names() == NAMES


def between(source, kind):
    """The stripped lines between the marks ### BEGIN <kind> and ### END <kind>."""
    inside = False
    for line in source.splitlines():
        if f"### BEGIN {kind}" in line or f"### END {kind}" in line:
            inside = "BEGIN" in line
        elif inside:
            yield line.strip()


@all_labs
def test_no_solution_text_and_no_hidden_test_is_released(name):
    cells = json.loads(released(name))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    code = {
        line.strip() for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()
    }
    assert "### BEGIN" not in text
    for cell in labs.source_notebook(name).cells:
        hidden = [line for line in between(cell.source, "HIDDEN TESTS") if line]
        assert [line for line in hidden if line in text and "import" not in line] == []
        # Words of the explanation, such as a formula, may be words of the code too. Lines of code may not.
        decorators = ("@njit", "from ", "import ")
        solution = [line for line in between(cell.source, "SOLUTION") if len(line) >= 12]
        assert [line for line in solution if line in code and not line.startswith(decorators)] == []
        if cell.cell_type == "markdown" and is_solution(cell):
            assert [line for line in cell.source.splitlines() if len(line) >= 12 and line in text] == []


def test_nothing_but_notebooks_lies_in_labs():
    assert {p.suffix for p in labs.RELEASE.rglob("*") if p.is_file()} <= {".ipynb"}


@all_labs
def test_every_lab_has_tasks_public_and_hidden_tests_and_one_written_question(name):
    cells = labs.source_notebook(name).cells
    tests = [cell for cell in cells if is_grade(cell) and cell.cell_type == "code"]
    hidden = [cell for cell in tests if "### BEGIN HIDDEN TESTS" in cell.source]
    written = [cell for cell in cells if is_grade(cell) and is_solution(cell)]
    assert hidden
    assert len(tests) > len(hidden)
    assert len(written) == 1
    # The question stands in the cell before: the written cell is emptied for students.
    assert cells[cells.index(written[0]) - 1].cell_type == "markdown"
    tasks = [cell.metadata.llaisys_mini.task for cell in cells if "llaisys_mini" in cell.metadata]
    assert tasks
    for task in tasks:
        device, what = task.split("/")
        assert what in (exercises.names if device == "python" else operators.names)


@all_labs
def test_hints_come_in_threes(name):
    for cell in labs.source_notebook(name).cells:
        assert cell.source.count("<summary>Hint") in (0, 3), cell.source
        assert cell.source.count("<details>") == cell.source.count("</details>")


@all_labs
def test_links_lead_to_files(name):
    for target in re.findall(r"\]\((\.\./[^)]+)\)", released(name)):
        assert (labs.RELEASE / name / target).resolve().exists(), target


def test_labs_lead_to_each_other_in_the_order_in_which_a_learner_is_sent_to_them():
    order = [lab.name for lab in find_labs()]
    assert sorted(order) == NAMES
    assert {lab.after for lab in find_labs()} <= {None, *NAMES}
    for name, before, after in zip(order, [None, *order[:-1]], [*order[1:], None], strict=True):
        way = json.loads(released(name))["cells"][0]["source"]
        assert re.findall(r"\(\.\./(\w+)/\w+\.ipynb\)", "".join(way)) == [lab for lab in (before, after) if lab]


def test_stub_raises_where_a_body_was_and_drops_helpers():
    source = "A = 1\n### BEGIN SOLUTION\nB = 2\n### END SOLUTION\n@njit(parallel=True)\ndef f(x):\n"
    source += "    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION\n"
    assert labs.stub(source, "f") == (
        'A = 1\n@njit(cache=True)\ndef f(x):\n    raise NotImplementedError("write f here")'
    )


@pytest.mark.parametrize("source", ["### BEGIN SOLUTION\nx", "### END SOLUTION", "### BEGIN SOLUTION\n" * 2])
def test_marks_that_do_not_pair_up_are_refused(source):
    with pytest.raises(ValueError, match="SOLUTION"):
        labs.stub(source, "f")
