"""Handing in: the score is told, the file lies where the autograder collects, and what cannot work is refused."""

import io
import json
import sys

import pytest
from click.testing import CliRunner
from rich.console import Console

from llaisys_mini.cli import main
from llaisys_mini.course import labs as labs_module
from llaisys_mini.course import submission
from llaisys_mini.course.labs import LabError, find_lab, find_labs, next_step
from llaisys_mini.course.submission import submit


def cell(kind, source, grade_id=None, points=None, task=None):
    graded = {"grade_id": grade_id, "grade": points is not None, "points": points, "solution": False}
    metadata = ({"nbgrader": graded} if grade_id else {}) | ({"llaisys_mini": {"task": task}} if task else {})
    outputs = {} if kind == "markdown" else {"outputs": [], "execution_count": None}
    return {
        "cell_type": kind,
        "id": grade_id or f"c{abs(hash(source))}",
        "metadata": metadata,
        "source": source,
    } | outputs


CELLS = [
    cell("code", "def f():\n    return 2", "f", task="cpu/add"),
    cell("code", "assert f() == 2", "right", 3),
    cell("code", "assert f() == 3, 'f is wrong'", "wrong", 4),
    cell("code", "# hidden", "hidden", 5),
    cell("markdown", "*Your answer here.*", "written", 2),
    cell("code", "from llaisys_mini import submit\nsubmit('01_small')\nprint('after')"),
]


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course folder with one lab; write(cells) changes it, and with another name adds one."""
    monkeypatch.setattr(labs_module, "labs_folder", lambda: tmp_path / "labs")
    monkeypatch.setenv("COLUMNS", "120")

    def write(cells, name="01_small", after=None, kernelspec=None):
        folder = tmp_path / "labs" / name
        folder.mkdir(parents=True, exist_ok=True)
        metadata = {"llaisys_mini": {"after": after}} if after else {}
        metadata |= {"kernelspec": kernelspec} if kernelspec else {}
        notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))

    write(CELLS)
    write.folder = tmp_path
    return write


@pytest.mark.slow
def test_submit_says_the_score_and_hands_in(course, capsys):
    target = submit("01_small", name="ada")
    assert target == course.folder / "submitted" / "ada" / "01_small" / "01_small.ipynb"
    assert target.read_bytes() == (course.folder / "labs" / "01_small" / "01_small.ipynb").read_bytes()
    assert (target.parent / "timestamp.txt").read_text().endswith("UTC")
    out = capsys.readouterr().out
    for line in (
        r"right 3 passes",
        r"wrong 4 f is wrong",
        "hidden 5 hidden cases",
        "written 2 no answer yet",
        "sure 3 7",
    ):
        assert line in " ".join(out.split()), out


@pytest.mark.slow
def test_an_absent_kernel_is_explained_by_its_cell(course, capsys):
    course(
        [
            cell("code", '@kernel("add", device="cpu")\ndef add(x, y, out):\nreturn 1', "add-cpu", task="cpu/add"),
            cell("code", "from llaisys_mini import check\ncheck('add')", "add", 1),
            cell("code", "check('softmax')", "softmax", 1),
            cell("code", "check('relu')", "relu", 1),
            cell("code", '# @kernel("relu", device="cpu")', "relu-cpu", task="cpu/relu"),
        ]
    )
    submit("01_small", name="ada")
    out = " ".join(capsys.readouterr().out.split())
    assert 'add 1 the cell with @kernel("add", device="cpu") ends with IndentationError: expected an indented' in out
    assert 'softmax 1 no cell of the notebook has @kernel("softmax", device="cpu")' in out
    assert 'relu 1 relu: run the cell with @kernel("relu", device="cpu") first' in out
    assert "or write it to" not in out  # a path that is gone


@pytest.mark.slow
def test_submit_in_a_terminal(course):
    result = CliRunner().invoke(main, ["submit", "01", "--name", "bob"])
    assert result.exit_code == 0, result.output
    assert (course.folder / "submitted" / "bob" / "01_small" / "01_small.ipynb").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernelspec",
    [
        {"name": "conda-env-other-py", "display_name": "other", "language": "python"},
        {"name": "ir", "display_name": "R", "language": "R"},
        {"name": "python3", "display_name": "Python 3"},
    ],
    ids=lambda kernelspec: kernelspec["name"],
)
def test_whatever_kernel_a_notebook_names_this_python_runs_it(course, monkeypatch, capsys, kernelspec):
    """One of another machine, of another language, and another Python that is installed under the usual name."""
    elsewhere = course.folder / "jupyter" / "kernels" / "python3"
    elsewhere.mkdir(parents=True)
    elsewhere.joinpath("kernel.json").write_text(json.dumps({"argv": ["/bin/false"], "display_name": "another"}))
    monkeypatch.setenv("JUPYTER_PATH", str(course.folder / "jupyter"))
    course([cell("code", f"import sys\nassert sys.executable == {sys.executable!r}", "same", 1)], kernelspec=kernelspec)
    submit("01_small", name="ada")
    assert "same 1 passes" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_no_home_is_needed_and_no_start_up_file_is_run(course, monkeypatch, capsys):
    startup = course.folder / "home" / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("from_startup = 1\n")
    monkeypatch.setenv("IPYTHONDIR", str(startup.parents[1]))
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", "/nonexistent/runtime")
    course([cell("code", "assert 'from_startup' not in globals()", "fresh", 1)])
    submit("01_small", name="ada")
    assert "fresh 1 passes" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_python_that_does_not_start_is_told(course, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(LabError, match=r"a fresh Python could not be started .*; nothing was handed in"):
        submit("01_small", name="ada")
    assert not (course.folder / "submitted").exists()


@pytest.mark.slow
def test_a_graded_cell_with_a_magic_is_scored(course, capsys):
    course([cell("code", "%%time\nassert 1 == 1", "timed", 2), cell("code", "assert 1 ==", "broken", 3)])
    submit("01_small", name="ada")
    out = " ".join(capsys.readouterr().out.split())
    assert "timed 2 passes" in out and "broken 3 invalid syntax" in out


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_named(course):
    (course.folder / "submitted").write_text("a file")
    with pytest.raises(LabError, match=r"submitted/ada/01_small cannot be written \(.*\); nothing was handed in"):
        submit("01_small", name="ada")


@pytest.mark.parametrize("problem", [KeyError("getpwuid(): uid not found: 4242"), OSError("No username set")])
def test_a_user_without_a_name_is_asked_for_one(course, monkeypatch, problem):
    """Python 3.13 raises OSError where earlier ones raise KeyError."""

    def getuser():
        raise problem

    monkeypatch.setattr("getpass.getuser", getuser)
    with pytest.raises(LabError, match=r'no login name .*name="ada"'):
        submit("01_small")


@pytest.mark.slow
def test_a_cell_that_kills_python_is_named_and_nothing_is_handed_in(course):
    course([cell("code", "import os\nos._exit(3)")])
    with pytest.raises(LabError, match="a cell ended the Python process; nothing was handed in"):
        submit("01_small", name="ada")
    assert not (course.folder / "submitted").exists()


@pytest.mark.slow
def test_an_endless_cell_is_ended(course, monkeypatch):
    monkeypatch.setattr("llaisys_mini.course.submission.SECONDS_PER_CELL", 2)
    course([cell("code", "while True:\n    pass")])
    with pytest.raises(LabError, match="ran for more than 2 s; nothing was handed in"):
        submit("01_small", name="ada")


@pytest.mark.parametrize(
    ("lab", "name", "sentence"),
    [
        ("99", "ada", "there is no lab '99'; the labs are: 01_small"),
        ("01_small", "../ada", "must be letters, digits"),
        ("01_small", "a b", "must be letters, digits"),
    ],
)
def test_what_is_refused(course, lab, name, sentence):
    with pytest.raises(LabError, match=sentence):
        submit(lab, name=name)


def test_within_the_clean_run_nothing_is_submitted(course, monkeypatch):
    monkeypatch.setenv("LLAISYS_MINI_SUBMITTING", "1")
    assert submit("01_small", name="ada") is None


def test_labs_are_found_by_number_and_word(course):
    assert find_lab("01") == find_lab("small") == find_lab("01_small")
    assert find_lab("01").tasks == (("cpu", "add"),)
    assert "next: add on cpu, in lab 01 small" in next_step()


def test_a_lab_comes_after_the_one_it_names(course, monkeypatch):
    for number, what, after in ((2, "relu", "07_gelu"), (3, "silu", None), (7, "gelu", None), (9, "sign", None)):
        course([cell("code", "", what, task=f"cpu/{what}")], f"{number:02}_{what}", after)
    assert [lab.name for lab in find_labs()] == ["01_small", "03_silu", "07_gelu", "02_relu", "09_sign"]
    passed = {"add", "silu", "gelu"}
    monkeypatch.setattr(labs_module.verdicts, "passed_storages", lambda what, device: what in passed)
    assert "next: relu on cpu, in lab 02 relu" in next_step()


def test_a_broken_notebook_is_left_out_of_the_list(course):
    (course.folder / "labs" / "01_small" / "01_small.ipynb").write_text("{")
    assert find_labs() == []
    with pytest.raises(LabError, match=r"01_small\.ipynb is not a readable notebook"):
        find_lab("01")


def test_a_large_notebook_is_handed_in_without_its_outputs(course, monkeypatch):
    shown = dict(cell("code", "x = 1"), outputs=[{"output_type": "stream", "name": "stdout", "text": "x" * 5000}])
    course([*CELLS, shown])
    monkeypatch.setattr(submission, "MOST_BYTES", 4000)
    said = Console(file=io.StringIO(), width=200)
    content = submission._as_taken(find_lab("01"), said)
    assert len(content) < 4000 and "the outputs are not handed in" in said.file.getvalue()
    assert [c["source"] for c in json.loads(content)["cells"]] == [c["source"] for c in [*CELLS, shown]]


@pytest.mark.parametrize(("limit", "told"), [("MOST_BYTES", "even without outputs"), ("MOST_CELLS", "6 cells")])
def test_what_the_autograder_would_refuse_is_not_handed_in(course, monkeypatch, limit, told):
    monkeypatch.setattr(submission, limit, 5)
    with pytest.raises(LabError, match=told):
        submit("01_small", name="ada")
    assert not (course.folder / "submitted").exists()
