"""What large classes need of the numbers: lateness and extensions, and how the class did."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from autograder import sandbox, tasks
from autograder.course import GradingError
from autograder.gradebook import export, late, statistics
from autograder.judge import submission as judge
from autograder.judge.submission import FAILED, UNREADABLE, PartVerdict, Verdict
from autograder.reading.notebook import Reading, cells_of
from autograder.sandbox.limits import Limits
from autograder.worker.pool import Worker

SOFTMAX, MATMUL = "07_softmax", "09_matmul"
FILE = """
per_day = 10
grace = 15
free_days = 1
[due]
07_softmax = 2026-03-01T23:59:00+01:00
09_matmul = 2026-03-15T12:00:00Z
[extensions.ada]
07_softmax = 2
[extensions.eve]
all = 1
"""


def verdict(student: str, lab: str, when: str = "", points: tuple[float, ...] = (6.0, 4.0)) -> Verdict:
    parts = {f"part-{n}": PartVerdict(p, 10.0, "passed") for n, p in enumerate(points)}
    return Verdict(student, lab, parts=parts, handed_in=when)


@pytest.fixture
def deadlines(tmp_path):
    (tmp_path / "late.toml").write_text(FILE, encoding="utf-8")
    return late.read(tmp_path / "late.toml")


@pytest.mark.parametrize(
    ("student", "when", "days"),
    [
        ("bob", "2026-03-01T22:00:00+00:00", 0),
        ("bob", "2026-03-01T23:13:00+00:00", 0),  # within the minutes that are forgiven
        ("bob", "2026-03-01T23:15:00+00:00", 1),
        ("bob", "2026-03-02T23:13:59+00:00", 1),
        ("bob", "2026-03-02T23:14:01+00:00", 2),
        ("ada", "2026-03-03T23:00:00+00:00", 0),
        ("ada", "2026-03-04T00:00:00+00:00", 1),
        ("eve", "2026-03-02T23:00:00+00:00", 0),
        ("bob", "", None),
    ],
)
def test_days_begun_after_the_deadline(deadlines, student, when, days):
    assert deadlines.days_late(verdict(student, SOFTMAX, when)) == days
    assert deadlines.days_late(verdict(student, "12_attention", when)) is None


def test_free_days_go_to_what_was_due_first(deadlines):
    both = [verdict("bob", MATMUL, "2026-03-16T13:00:00+00:00"), verdict("bob", SOFTMAX, "2026-03-02T10:00:00+00:00")]
    found = deadlines.applied(both)
    assert found["bob", SOFTMAX] == late.Late(days=1, free=1, points=10.0)
    assert found["bob", MATMUL] == late.Late(days=2, free=0, points=10.0 - 2 * 0.1 * 20)
    very_late = deadlines.applied([verdict("bob", SOFTMAX, "2026-06-01T00:00:00+00:00")])
    assert very_late["bob", SOFTMAX].points == 0


def test_the_export_applies_lateness(deadlines):
    tasks.make_if_stale()
    all_of_them = [verdict("bob", SOFTMAX, "2026-03-04T10:00:00+00:00"), verdict("ada", SOFTMAX)]
    head, ada, bob = export.rows(all_of_them, deadlines=deadlines)
    assert head[-4:] == ["handed in", "days late", "free days", "points after lateness"]
    assert ada[-4:] == ["", "", "", 10.0] and bob[-3:] == [3, 1, 6.0] and bob[3] == 10.0
    assert [r[1] for r in export.rows(all_of_them, "moodle", deadlines=deadlines) if r[0] == "bob"] == [6.0]
    assert "points after lateness" not in next(iter(export.rows(all_of_them)))


def test_a_date_that_came_with_no_file_can_be_told(tmp_path):
    """As with the downloads of Moodle and Canvas. Where none is known, the export says so: its points look decided."""
    tasks.make_if_stale()
    text = FILE + '[handed_in."Bo Li"]\n07_softmax = 2026-03-03T00:10:00+01:00\n'
    (tmp_path / "late.toml").write_text(text, encoding="utf-8")
    deadlines = late.read(tmp_path / "late.toml")
    bo, ada, other = verdict("Bo Li", SOFTMAX), verdict("ada", SOFTMAX), verdict("ada", "12_attention")
    assert deadlines.applied([bo, ada]) == {("Bo Li", SOFTMAX): late.Late(days=1, free=1, points=10.0)}
    assert [row[-4:] for row in export.rows([bo], deadlines=deadlines)][1] == ["2026-03-03T00:10:00+01:00", 1, 1, 10.0]
    undated, stranger = deadlines.doubts([bo, ada, other])
    assert undated.startswith("nothing was taken off 1 of 2 submissions") and "(ada 07_softmax)" in undated
    assert stranger.startswith("eve handed in nothing")
    assert deadlines.doubts([bo, ada, other, verdict("eve", SOFTMAX, "2026-03-01T22:00:00+00:00")], MATMUL) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("handed_in = 3", "are tables"),
        ("[handed_in]\nada = 2026-03-01T00:00:00", "are tables"),
        ("[handed_in.ada]\n07_softmax = 'then'", "needs a date with a time"),
        ("per_day = 'ten'", "per_day must be a number"),
        ("per_day = -1", "per_day must be a number"),
        ("grace = nan", "grace must be a number"),
        ("perday = 3", "perday means nothing"),
        ("[due]\nsoftmax = 2026-03-01T00:00:00", "there is no lab softmax"),
        ("[due]\n07_softmax = 2026-03-01", "needs a date with a time"),
        ("[due]\n07_softmax = 'tomorrow'", "needs a date with a time"),
        ("due = 3", "are tables"),
        ("[extensions]\nada = 3", "an extension looks like"),
        ("[extensions.ada]\n07_softmax = 'two'", "an extension looks like"),
        ("[extensions.ada]\n99_none = 2", "which is no lab"),
        ("= 3", "cannot be read"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(text, told, tmp_path):
    (tmp_path / "late.toml").write_text(text, encoding="utf-8")
    with pytest.raises(GradingError, match=told):
        late.read(tmp_path / "late.toml")


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(GradingError, match="is not there"):
        late.read(tmp_path / "late.toml")


def test_statistics_of_labs_and_questions():
    class_ = [verdict("a", SOFTMAX, points=(10.0, 0.0)), verdict("b", SOFTMAX, points=(10.0, 10.0))]
    undecided = verdict("c", SOFTMAX)
    undecided.parts["part-1"].points = None
    unreadable = [dataclasses.replace(verdict("d", SOFTMAX), state=state) for state in (UNREADABLE, FAILED)]
    class_ += [undecided, *unreadable, verdict("a", MATMUL, points=(5.0,))]
    softmax, matmul = statistics.spreads(class_)
    assert (softmax.lab, softmax.count, softmax.undecided) == (SOFTMAX, 2, 3)
    assert (softmax.mean, softmax.deviation, softmax.median) == (15.0, 5.0, 15.0)
    assert (softmax.lowest, softmax.highest, softmax.maximum) == (10.0, 20.0, 20.0)
    assert (matmul.count, matmul.mean, matmul.deviation) == (1, 5.0, 0.0)
    first, second, _ = statistics.questions(class_)
    assert (first.name, first.count, first.full) == ("part-0", 3, 2)
    assert first.share == pytest.approx((10 + 10 + 6) / 30) and second.count == 2 and second.share == 0.5
    assert statistics.spreads([]) == statistics.questions([]) == []


# ---- memory ----------------------------------------------------------------------------------------------------------

MERGE = "merge_softmax-python"


def resident(process: int | str) -> int:
    """Bytes of memory that a process holds."""
    line = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def variant(source: str, number: int) -> str:
    """The course's own answer, right or wrong in one of several ways; some of the wrong ones return much."""
    wrong = ["", "    raise ValueError(NUMBER)\n", "    return [0.0] * 1_000\n", "    return None\n"][number % 4]
    head, _, body = source.partition("):\n")
    return f"NUMBER = {number}  # no two answers of a class are equal\n{head}):\n{wrong}{body}"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_the_memory_of_judge_and_worker_does_not_grow_with_the_class(count):
    level = next(level for level in (sandbox.LANDLOCK, sandbox.LIMITS) if level in sandbox.candidates())
    tasks.make_if_stale()
    plan = tasks.plan_of(SOFTMAX)
    parts = tuple(p for p in plan.parts if p.checks and {check.task for check in p.checks} == {MERGE})
    plan = dataclasses.replace(plan, tasks=tuple(t for t in plan.tasks if t.grade_id == MERGE), parts=parts)
    solved = json.loads((tasks.WITH_SOLUTIONS / SOFTMAX / f"{SOFTMAX}.ipynb").read_text())
    cell = next(c for c in solved["cells"] if c["id"] == MERGE)
    source, right, held = "".join(cell["source"]), 0, []
    with Worker(level, Limits(wall=300)) as worker:
        for number in range(count):
            cell["source"] = variant(source, number)
            reading = Reading(cells_of(json.dumps(solved).encode()))
            verdict = judge.judge(plan, f"student {number}", reading, worker, b"a secret")
            right += verdict.points == verdict.maximum
            held.append((resident("self"), resident(worker._process.pid)))
    assert right == (count + 3) // 4
    for before, after in zip(held[count // 3], held[-1], strict=True):
        assert after - before < 8 << 20, f"from {before >> 20} to {after >> 20} MB"
