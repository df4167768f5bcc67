"""The judge on whole labs: a solution lab gets every point, in every sandbox; an answer may not change its inputs."""

import json
import sys

import pytest

from autograder import sandbox, tasks
from autograder.judge import submission as judge
from autograder.judge.submission import MANUAL, PASSED, WRONG
from autograder.reading.notebook import Reading, cells_of
from autograder.sandbox.limits import Limits
from autograder.worker.pool import Worker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]
SECRET = b"a secret of the tests"


@pytest.fixture(scope="module", params=sandbox.LEVELS)
def worker(request):
    tasks.make_if_stale()
    if request.param not in sandbox.candidates():
        pytest.skip(f"{request.param} is not here")
    with Worker(request.param, Limits()) as worker:
        yield worker


def judged(worker, lab, sources=None):
    """The verdict on the solution lab with the cells of `sources` replaced."""
    notebook = json.loads((tasks.WITH_SOLUTIONS / lab / f"{lab}.ipynb").read_text())
    for cell in notebook["cells"]:
        cell["source"] = (sources or {}).get(cell["id"], cell["source"])
    reading = Reading(cells_of(json.dumps(notebook).encode()))
    return judge.judge(tasks.plan_of(lab), "a student", reading, worker, SECRET)


@pytest.mark.parametrize("lab", tasks.lab_names())
def test_a_solution_lab_gets_every_point(worker, lab):
    verdict = judged(worker, lab)
    written = {part.grade_id for part in tasks.plan_of(lab).parts if part.written}
    wrong = {name: part for name, part in verdict.parts.items() if part.state != PASSED and name not in written}
    assert not wrong
    assert {verdict.parts[name].state for name in written} <= {MANUAL}
    assert not verdict.tampering


ANSWER = """import copy
import sys

import numpy as np

from llaisys_mini import answer


@answer("numerical_gradient")
def numerical_gradient(function, x, step):
    {first}
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        before = x[index]
        x[index] = before + step
        above = function(x)
        x[index] = before - step
        gradient[index] = (above - function(x)) / (2 * step)
        x[index] = before
    {last}
    return gradient
"""
CHANGES = "x.flat[0] += 1e-12"
LIES = f"""{CHANGES}
    exercise = sys.modules["llaisys_mini.exercise"]
    exercise._same = lambda *_: True
    exercise.Exercise.with_inputs_after = lambda self, result, *_: {{"the gradient": result, "x is left alone": True}}
    np.array_equal = lambda *_: True"""


@pytest.mark.parametrize(
    ("first", "last", "state"),
    [("pass", "pass", PASSED), ("x = x.copy()", CHANGES, PASSED), ("pass", CHANGES, WRONG), ("pass", LIES, WRONG)],
)
def test_what_happened_to_inputs_is_the_judges_to_say(worker, first, last, state):
    source = ANSWER.format(first=first, last=last)
    parts = judged(worker, "02_layers", {"numerical_gradient-python": source}).parts
    mine = {name: part for name, part in parts.items() if part.task == "numerical_gradient-python"}
    assert {part.state for part in mine.values()} == {state}
    if state == WRONG:
        assert any("x is left alone" in part.message for part in mine.values())


def test_a_kernel_that_leaves_its_array_is_told_so(worker):
    solution = (tasks.ROOT / "solutions" / "kernels" / "cpu" / "softmax.py").read_text()
    source = solution.rstrip() + "\n    out[x.shape[0], 0] = 1\n"
    parts = judged(worker, "07_softmax", {"softmax-cpu": source}).parts
    public, hidden = parts["softmax-public"], parts["softmax-hidden"]
    assert (public.state, hidden.state) == (WRONG, WRONG)
    assert "past the end" in public.message and "outside of its arrays" in hidden.message
