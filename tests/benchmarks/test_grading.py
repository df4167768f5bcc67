"""The benchmark of the class runner: its class is always the same, its tables say what was missed, its command runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.example_class import LAB
from benchmarks.grading import students
from benchmarks.grading.__main__ import BATCH, batches
from benchmarks.grading.rows import Aim, Found, Row

ROOT = Path(__file__).resolve().parents[2]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.ipynb")}


def test_the_class_is_the_same_every_time_and_no_two_kernels_are(tmp_path):
    members = students.a_class(24)
    first, second = (files(students.write(members, tmp_path / name)) for name in "ab")
    assert first == second and len(first) == 24
    kernels = [
        "".join(cell["source"])
        for member in members
        if member.clean
        for cell in json.loads(first[f"{member.name}/{LAB}/{LAB}.ipynb"])["cells"]
        if cell["id"] in ("softmax-cpu", "cross_entropy-cpu")
    ]
    assert len(set(kernels)) == len(kernels) == 24
    for kernel in kernels:
        compile(kernel, "kernel", "exec")


def test_a_smaller_class_is_the_beginning_of_a_larger_one():
    assert students.a_class(12) == students.a_class(120)[:12]
    assert sum(member.clean for member in students.a_class(120)) == 60
    assert {member.kind for member in students.a_class(120)} == {students.CLEAN, *students.OTHERS}


@pytest.mark.parametrize("size", [4, 12, 120])
def test_batches_hold_everybody_once(size):
    members = students.a_class(size)
    cut = batches(members)
    assert sorted((s for _, some in cut for s in some), key=lambda s: s.name) == members
    assert all(kind == "clean" for kind, some in cut for s in some if s.clean)
    assert max(len(some) for _, some in cut) <= 1.5 * BATCH


@pytest.mark.parametrize(
    ("aim", "told"),
    [
        (Aim("seconds", 2.0, True, 1.9), "met"),
        (Aim("seconds", 2.0, True, 3.0, "slow disk"), "short by 50%: slow disk"),
        (Aim("times", 1.8, False, 1.8), "met"),
        (Aim("times", 1.8, False, 0.9, "one disk"), "short by 50%: one disk"),
        (Aim("times", 1.8, False, None, "one core"), "not measured: one core"),
    ],
)
def test_an_aim_says_what_was_missed_and_why(aim, told):
    assert aim.outcome() == told


def test_the_report_keeps_every_row(tmp_path):
    found = Found({"cores": 2}, [Row("start", "ours", {"s": 1.234}), Row("start", "theirs", state="not run: absent")])
    found.aims.append(Aim("seconds", 2.0, True, 1.234))
    as_json, as_text = found.save(tmp_path)
    assert "| ours | 1.23 | quiet |" in as_text.read_text()
    assert "| theirs |  | not run: absent |" in as_text.read_text()
    assert json.loads(as_json.read_text())["aims"][0]["met"] is True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.long)])
def test_the_command_grades_a_small_class(size, tmp_path):
    """With two members each grader takes every way once, with four there are batches too."""
    options = ["--students", str(size), "--rounds", "1", "--starts", "1", "--timeout", "5"]
    command = [sys.executable, "-m", "benchmarks.grading", *options, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "grading.json").read_text())
    assert not [remark for remark in found["remarks"] if "other grades" in remark]
    clean = next(row for row in found["rows"] if row["name"] == "clean")
    assert clean["figures"]["submissions"] == size / 2 and clean["figures"]["ours, CPU"] > 0
    assert len(found["aims"]) == 4
