"""The benchmark of the class runner: its class is always the same, its tables say what was missed, its command runs."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner

from autograder import tasks
from autograder.example_class import LAB
from benchmarks.grading import __main__ as program
from benchmarks.grading import students
from benchmarks.grading.__main__ import BATCH, batches
from benchmarks.grading.commands import Ours, Plain, cluster
from benchmarks.grading.rows import Aim, Found, Row
from benchmarks.grading.spending import Spent

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


# ---- the command, with graders that take no time -----------------------------------------------------------------


class Acted:
    """In place of both graders and of the cluster. points_by: options of a command that give other points."""

    points_by: ClassVar[dict[str, float]] = {}

    def __init__(self, work: Path, timeout: float):
        self.build = work / "build"

    def until_first(self, submitted: Path) -> Spent:
        return Spent(0.5, 0.25, None, "")

    def points(self, build: Path | None = None) -> dict[str, float]:
        return self.given


class ActedOurs(Acted):
    def grade(self, submitted: Path, *options: str) -> tuple[Spent, Path]:
        names = [folder.name for folder in submitted.iterdir()]
        self.given = dict.fromkeys(names, self.points_by.get(options[-1], 12.0))
        (self.build / "grading").mkdir(parents=True, exist_ok=True)
        verdicts = {"verdicts": [{"cpu": 0.1} for _ in names]}
        (self.build / "grading" / "verdicts.json").write_text(json.dumps(verdicts))
        return Spent(2.0 if "2" in options else 4.0, 1.0 * len(names), None, ""), self.build


class ActedPlain(Acted):
    def grade(self, submitted: Path) -> Spent:
        self.given = {folder.name: 12.0 for folder in submitted.iterdir()}
        return Spent(9.0, 5.0 * len(self.given), None, "")


class ActedCluster:
    def cpu(self) -> float:
        return 1.0


@pytest.fixture
def command(tmp_path, monkeypatch):
    """command(size): exit status and grading.json of the whole command with acted graders."""
    monkeypatch.setattr(program, "Ours", ActedOurs)
    monkeypatch.setattr(program, "Plain", ActedPlain)
    monkeypatch.setattr(program, "cluster", lambda workers, work: nullcontext(("tcp://acted", ActedCluster())))

    def run(size):
        options = ["--students", str(size), "--rounds", "1", "--starts", "1", "--out", str(tmp_path)]
        done = CliRunner().invoke(program.main, options)
        return done.exit_code, json.loads((tmp_path / "grading.json").read_text())

    return run


@pytest.mark.parametrize("size", [2, 4, 24])
def test_the_command_compares_what_the_graders_took(size, command):
    """With two members each grader takes every way once, with four there are batches too."""
    status, found = command(size)
    assert status == 0 and not [remark for remark in found["remarks"] if "other grades" in remark]
    assert f"Of {size} submissions plain nbgrader gave {size} the points that ours gave" in found["remarks"][0]
    rows = {row["name"]: row["figures"] for row in found["rows"]}
    assert rows["clean"]["submissions"] == size / 2
    assert (rows["clean"]["ours, CPU"], rows["clean"]["plain nbgrader, CPU"]) == (1.0, 5.0)
    assert rows["two workers"]["times one worker"] == 2.0 and "Dask cluster of two workers" in rows
    assert len(found["aims"]) == 4


@pytest.mark.parametrize("way", ["2", "tcp://acted"])
def test_other_grades_by_another_way_are_a_defect(way, command, monkeypatch):
    monkeypatch.setattr(Acted, "points_by", {way: 3.0})
    status, found = command(4)
    assert status == 1 and len([remark for remark in found["remarks"] if "other grades" in remark]) == 1


# ---- the graders themselves --------------------------------------------------------------------------------------

linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """(ours, one submission with some of the answers, what ours took, the points that it gave)."""
    tasks.make_if_stale()
    folder = tmp_path_factory.mktemp("graded")
    (folder / "ours").mkdir()
    ours, submitted = Ours(folder / "ours", 200), students.write(students.a_class(2)[1:], folder / "class")
    spent, build = ours.grade(submitted, "--jobs", "1")
    return ours, submitted, spent, ours.points(build)


@pytest.mark.slow
@linux
def test_plain_nbgrader_gives_the_same_points(graded, tmp_path):
    ours, submitted, spent, points = graded
    plain = Plain(tmp_path / "plain", 200)
    theirs = plain.grade(submitted)
    assert plain.points() == points and len(points) == 1 and all(points.values())
    assert spent.cpu > 0 and theirs.cpu > 0
    for grader in (ours, plain):
        assert grader.until_first(submitted).wall > 0


@pytest.mark.slow
@linux
def test_a_cluster_gives_the_same_points(graded, tmp_path):
    pytest.importorskip("distributed")
    ours, submitted, _, points = graded
    with cluster(2, tmp_path / "cluster") as (address, used):
        before = used.cpu()
        _, build = ours.grade(submitted, "--scheduler", address)
        assert used.cpu() > before
    assert ours.points(build) == points


@pytest.mark.long
@linux
@pytest.mark.parametrize("size", [2, 4])
def test_the_command_grades_a_small_class(size, tmp_path):
    options = ["--students", str(size), "--rounds", "1", "--starts", "1", "--timeout", "60"]
    command = [sys.executable, "-m", "benchmarks.grading", *options, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "grading.json").read_text())
    assert not [remark for remark in found["remarks"] if "other grades" in remark]
    clean = next(row for row in found["rows"] if row["name"] == "clean")
    assert clean["figures"]["submissions"] == size / 2 and clean["figures"]["ours, CPU"] > 0
    assert len(found["aims"]) == 4
