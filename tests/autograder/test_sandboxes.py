"""The adversarial class again in the weaker sandboxes: its Python answers and CUDA kernels, whose tasks are quick.

The whole class runs in the strongest one, in test_adversarial.py.
"""

import dataclasses
import json
import sys

import pytest

from autograder import sandbox, tasks
from autograder.judge import submission as judge
from autograder.reading.files import Unreadable
from autograder.reading.submission import read_submission

from .adversarial import BASE, GPU_LAB, LAB, MERGE, ClassWorker, base, cell, the_class, write_class
from .remembering import RememberingWorker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]
QUICK = {LAB: "merge_softmax-python", GPU_LAB: "softmax-cuda"}
OTHERS = ("softmax-cpu", "softmax-online", "cross_entropy-cpu")
LEFT_OUT = ("sleeps", "more-points", "points-beyond-float")  # ends by the clock alone; change a test that is left out


def is_quick(place, honest) -> bool:
    """Whether the tasks that take long are the right ones of every honest submission, so that they can be left out."""
    if not place.is_file():  # a pipe, which nobody writes to, among others
        return False
    try:
        cells = {c["id"]: "".join(c["source"]) for c in json.loads(place.read_text())["cells"]}
        return all(cells[name] == honest[name] for name in OTHERS)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def quick_plan(lab):
    """The plan of a lab with its quick task alone."""
    plan = tasks.plan_of(lab)
    parts = tuple(p for p in plan.parts if p.checks and {check.task for check in p.checks} == {QUICK[lab]})
    return dataclasses.replace(plan, tasks=tuple(t for t in plan.tasks if t.grade_id == QUICK[lab]), parts=parts)


@pytest.mark.parametrize("level", [sandbox.LANDLOCK, sandbox.LIMITS])
def test_the_same_verdicts(level, tmp_path, monkeypatch):
    if level not in sandbox.candidates():
        pytest.skip(f"{level} is not here")
    if level == sandbox.candidates()[0]:
        pytest.skip("it is the strongest here: the whole class runs in it")
    tasks.make_if_stale()
    monkeypatch.setenv("SECRET_OF_GRADER", "1")
    plans, folder, build = {lab: quick_plan(lab) for lab in QUICK}, tmp_path / "submitted", tmp_path / "build"
    build.mkdir()
    (build / "gradebook.db").write_bytes(b"")
    attempts = the_class()
    write_class(folder, build, attempts)
    honest = {name: "".join(cell(base(), name)["source"]) for name in OTHERS}
    wrong, count = {}, 0
    with ClassWorker(RememberingWorker, level) as worker:
        for attempt in attempts:
            place = folder / attempt.student / attempt.lab
            if attempt.student in LEFT_OUT:
                continue
            if attempt.lab == LAB and not is_quick(place / f"{LAB}.ipynb", honest):
                continue
            try:
                reading = read_submission(place, attempt.lab)
            except Unreadable:
                continue
            verdict = judge.judge(plans[attempt.lab], attempt.student, reading, worker, b"a secret of the tests")
            count += 1
            others = BASE - MERGE if attempt.lab == LAB else 0
            if (verdict.points, verdict.state) != (attempt.points - others, attempt.state):
                wrong[attempt.student] = (verdict.points, verdict.state, verdict.parts, verdict.tampering)
    assert not wrong, "\n".join(f"{student}: {what}" for student, what in wrong.items())
    assert count > 60
