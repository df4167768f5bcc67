"""The progress grid with no kernels, with right ones, wrong ones and unchecked ones."""

import re

import pytest

from llaisys_mini import check, operators
from llaisys_mini.course.progress import print_progress, show_progress
from llaisys_mini.errors import CheckFailed
from llaisys_mini.kernels.runtime import kernels_changed

KERNEL = """
from numba import njit
from llaisys_mini import kernel

@kernel("{name}", device="cpu")
@njit(cache=True)
def {name}({arguments}):
    for i in range(out.size):
        out[i] = {value}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    kernels_changed()

    def write_kernel(name, arguments, value):
        (tmp_path / "cpu").mkdir(exist_ok=True)
        (tmp_path / "cpu" / f"{name}.py").write_text(KERNEL.format(name=name, arguments=arguments, value=value))

    yield write_kernel
    monkeypatch.undo()
    kernels_changed()


def rows(capsys):
    print_progress()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    return {line.split()[0]: line for line in lines}, next(line for line in lines if "are yours" in line)


def test_the_grid(write, capsys):
    write("add", "x, y, out", "x[i] + y[i]")
    check("add")
    write("relu", "x, out", "x[i]")
    with pytest.raises(CheckFailed):
        check("relu")
    write("sigmoid", "x, out", "x[i]")
    capsys.readouterr()
    grid, last = rows(capsys)
    assert "correct" in grid["add"]
    assert re.search(r"correct +\d+\.\d\d x", grid["add"])
    assert grid["add"].split()[-1] == "student"
    assert "wrong" in grid["relu"]
    assert grid["relu"].split()[-1] == "solutions"
    assert "written, not checked" in grid["sigmoid"]
    assert "check relu` says what is wrong" in grid["`llaisys-mini"]
    assert grid["softmax"].split() == ["softmax", "-", "-", "solutions"]
    assert last == f"1 of {len(operators.names)} operators are yours on the cpu"


def test_names_stay_whole_in_a_narrow_terminal(write, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    print_progress(speed=False)
    column = "".join(line[:10].strip() for line in capsys.readouterr().out.splitlines())
    assert "softmax_cross_entropy_backward" in column


def test_no_mark_stands_apart_from_its_task(write, monkeypatch, capsys):
    for width in ("60", "80", "100"):
        monkeypatch.setenv("COLUMNS", width)
        show_progress()
        lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
        assert any("numerical_gradient" in line for line in lines)
        assert not [line for line in lines if line.endswith(("\N{MIDDLE DOT}", "\N{CHECK MARK}"))]
