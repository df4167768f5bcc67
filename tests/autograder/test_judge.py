"""The judge: a solution lab gets every point, and each kind of task in every sandbox; an answer may not change its
inputs. Half-solved labs stand in test_lab_scores.py."""

import dataclasses
import sys

import pytest

from autograder import sandbox, tasks
from autograder.judge.submission import MANUAL, PASSED, WRONG
from autograder.sandbox.limits import Limits
from autograder.worker.pool import Worker
from llaisys_mini.checks.prange_races import RACE
from llaisys_mini.checks.unset_arrays import UNSET

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]


@pytest.mark.parametrize("lab", tasks.lab_names())
def test_a_solution_lab_gets_every_point(judged, lab):
    verdict = judged(lab)
    written = {part.grade_id for part in tasks.plan_of(lab).parts if part.written}
    wrong = {name: part for name, part in verdict.parts.items() if part.state != PASSED and name not in written}
    assert not wrong
    assert {verdict.parts[name].state for name in written} <= {MANUAL}
    assert not verdict.tampering


# ---- every sandbox -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=sandbox.LEVELS)
def in_any_sandbox(request):
    """A worker in each of the sandboxes that work here."""
    if request.param not in sandbox.candidates():
        pytest.skip(f"{request.param} is not here")
    with Worker(request.param, Limits(wall=300, cpu=100)) as worker:  # all ends long before
        yield worker


def with_one_task(plan, grade_id):
    """The plan with one task, and what is graded of it alone."""
    parts = tuple(p for p in plan.parts if p.checks and {check.task for check in p.checks} == {grade_id})
    return dataclasses.replace(plan, tasks=tuple(t for t in plan.tasks if t.grade_id == grade_id), parts=parts)


def one_of_each_kind():
    """Plans of one task each, for every device and kind of check that the course has."""
    seen = set()
    for plan in map(tasks.plan_of, tasks.lab_names()):
        for task in plan.tasks:
            kinds = {(task.device, check.kind) for check in plan.checks_of(task)}
            if not kinds <= seen:
                seen |= kinds
                yield with_one_task(plan, task.grade_id)


def test_each_kind_of_task_is_judged(judged, in_any_sandbox):
    plans = list(one_of_each_kind())
    assert {task.device for plan in plans for task in plan.tasks} == {"python", "cpu", "cuda"}
    for plan in plans:
        verdict = judged(plan.lab, plan=plan, by=in_any_sandbox)
        assert verdict.parts and {part.state for part in verdict.parts.values()} == {PASSED}, (plan.lab, verdict.parts)
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
GRADIENT = "numerical_gradient-python"
CHANGES = "x.flat[0] += 1e-12"
LIES = f"""{CHANGES}
    exercise = sys.modules["llaisys_mini.exercise"]
    exercise._same = lambda *_: True
    exercise.Exercise.with_inputs_after = lambda self, got, *_: {{"the gradient": got, "the given x": "as it was"}}
    np.array_equal = lambda *_: True"""


@pytest.mark.parametrize(
    ("first", "last", "state"),
    [("pass", "pass", PASSED), ("x = x.copy()", CHANGES, PASSED), ("pass", CHANGES, WRONG), ("pass", LIES, WRONG)],
)
def test_what_happened_to_inputs_is_the_judges_to_say(judged, in_any_sandbox, first, last, state):
    source, plan = ANSWER.format(first=first, last=last), with_one_task(tasks.plan_of("03_backpropagation"), GRADIENT)
    parts = judged("03_backpropagation", {GRADIENT: source}, plan, in_any_sandbox).parts
    mine = {name: part for name, part in parts.items() if part.task == GRADIENT}
    assert {part.state for part in mine.values()} == {state}
    if state == WRONG:
        assert any("the given x" in part.message for part in mine.values())


DIGITS = "train_digits-python"
FIRST_WEIGHTS = """import numpy as np

from llaisys_mini import answer


@answer("train_digits")
def train_digits(images, labels, seed):
    rng = np.random.default_rng(seed)
    {first}
    return rng.normal(size=(48, 81)), np.zeros(48), rng.normal(size=(10, 48)), np.zeros(10)
"""


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("pass", "unseen digits are read right"),
        ("from llaisys_mini.digits import digits", "is not there when an answer"),
    ],
)
def test_trained_weights_are_judged_on_digits_that_the_answer_cannot_make(judged, first, message):
    plan = with_one_task(tasks.plan_of("04_training"), DIGITS)
    parts = judged("04_training", {DIGITS: FIRST_WEIGHTS.format(first=first)}, plan).parts
    mine = [part for part in parts.values() if part.task == DIGITS]
    assert PASSED not in {part.state for part in mine}
    assert any(message in part.message for part in mine), mine


def test_what_does_not_compile_is_told_as_check_tells_it(judged):
    solution = (tasks.ROOT / "solutions" / "kernels" / "cpu" / "softmax.py").read_text()
    source = solution.rstrip() + "\n    out[0] = max(x, axis=1)\n"
    part = judged("07_softmax", {"softmax-cpu": source}).parts["softmax-public"]
    assert part.state == WRONG
    assert part.message.startswith("softmax: the kernel does not compile\n  Numba cannot compile it, line ")
    assert "      out[0] = max(x, axis=1)\n" in part.message
    assert "an array is handled element by element" in part.message


def test_a_kernel_that_leaves_its_array_is_told_so(judged, in_any_sandbox):
    solution = (tasks.ROOT / "solutions" / "kernels" / "cpu" / "softmax.py").read_text()
    source = solution.rstrip() + "\n    out[x.shape[0], 0] = 1\n"
    plan = with_one_task(tasks.plan_of("07_softmax"), "softmax-cpu")
    parts = judged("07_softmax", {"softmax-cpu": source}, plan, in_any_sandbox).parts
    public, hidden = parts["softmax-public"], parts["softmax-hidden"]
    assert (public.state, hidden.state) == (WRONG, WRONG)
    assert (
        ": out[x.shape[0], 0] = 1\n" in public.message
        and "writes outside of out (1, 8): index 1 is out" in public.message
    )
    assert "out of bounds" in hidden.message


@pytest.mark.slow
@pytest.mark.parametrize(
    "slip",
    [
        "    for n in range(x.shape[0]):\n        out[x.shape[1] ** 7 * (n + 1), 0] = 1\n",
        "    own = np.empty(3, np.float32)\n    for n in range(x.shape[1]):\n        own[n << 30] = 1\n",
        "    C = x.shape[1]\n    for n in range(x.shape[0]):\n        out[(n + 1) * C * C * C * C, 0] = 1\n",
    ],
)
def test_a_kernel_that_goes_far_outside_is_told_the_line(judged, slip):
    source = (tasks.ROOT / "solutions" / "kernels" / "cpu" / "softmax.py").read_text().rstrip() + "\n" + slip
    parts = judged(
        "07_softmax", {"softmax-cpu": source}, with_one_task(tasks.plan_of("07_softmax"), "softmax-cpu")
    ).parts
    for name in ("softmax-public", "softmax-hidden"):
        assert parts[name].state == WRONG
        assert f": {source.splitlines()[-1].strip()}" in parts[name].message
    assert "is out of bounds for axis 0" in parts["softmax-public"].message
    assert "is out of bounds for axis 0" not in parts["softmax-hidden"].message


RACING = """\
import numpy as np
from numba import njit, prange
from llaisys_mini import kernel


@kernel("softmax", device="cpu")
@njit(parallel=True, cache=True)
def softmax(x, out):
    sums = np.zeros(x.shape[0], np.float32)
    for c in prange(x.shape[1]):
        for r in range(x.shape[0]):
            sums[r] += np.exp(x[r, c] - x[r].max())
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[r, c] = np.exp(x[r, c] - x[r].max()) / sums[r]
"""


UNSET_SUMS = RACING.replace("np.zeros", "np.empty").replace("prange(x.shape[1])", "range(x.shape[1])")


def test_sums_that_were_never_set_are_wrong_whatever_came_out(judged):
    part = judged("07_softmax", {"softmax-cpu": UNSET_SUMS}).parts["softmax-public"]
    assert (part.state, part.mistake) == (WRONG, UNSET)
    assert "sums[r] += np.exp" in part.message and "np.zeros" in part.message


def test_a_race_is_wrong_whatever_came_out(judged):
    parts = judged("07_softmax", {"softmax-cpu": RACING}).parts
    for name in ("softmax-public", "softmax-hidden"):
        assert parts[name].state == WRONG
        assert "the threads of prange get in each other's way\n  line 12: sums[r] += np.exp" in parts[name].message
        assert parts[name].mistake == RACE
