"""What counts as a kernel: the course's own are accepted, every known way around Numba is named."""

import pytest

from autograder import rules, slicing, tasks
from autograder.reading import Reading, cells_of
from autograder.rules import REFUSED

KERNEL = """from numba import njit
import numpy as np
from llaisys_mini import kernel
{}
@kernel('relu')
@njit
def relu(x, out):
    {}
"""


@pytest.mark.parametrize("lab", tasks.lab_names())
def test_the_courses_own_answers_are_plain(lab):
    tasks.make_if_stale()
    plan = tasks.plan_of(lab)
    reading = Reading(cells_of((tasks.WITH_SOLUTIONS / lab / f"{lab}.ipynb").read_bytes()))
    for task in (task for task in plan.tasks if task.device in tasks.JUDGED_DEVICES):
        cuts, notes = slicing.candidates(plan, task, reading)
        assert len(cuts) == 1 and not notes and not cuts[0].problem
        look = rules.exercise_findings if task.device == "python" else rules.kernel_findings
        assert look(cuts[0].source, task.name) == []


@pytest.mark.parametrize(
    ("above", "inside"),
    [
        ("", "out[:] = np.dot(x, x)"),
        ("", "out[:] = x @ x"),
        ("from numpy import dot as d", "d(x, x)"),
        ("import numpy.linalg as tools", "tools.norm(x)"),
        ("from numba import objmode", "pass"),
        ("from numba import carray", "pass"),
        ("from numba.extending import intrinsic", "pass"),
        ("from scipy import special", "pass"),
        ("import ctypes", "pass"),
        ("from llaisys_mini import operators", "pass"),
        ("from llaisys_mini.operators.relu import relu as theirs", "pass"),
        ("np.abs = abs", "pass"),
    ],
)
def test_ways_around_are_refused(above, inside):
    found = rules.kernel_findings(KERNEL.format(above, inside), "relu")
    assert [finding for finding in found if finding.kind == REFUSED]


@pytest.mark.parametrize(
    "above",
    ["def njit(f):\n    return f", "njit = print", "import os", "class A:\n    pass", "T = open('x')", "T = eval('1')"],
)
def test_unusual_forms_are_left_to_a_person(above):
    assert rules.kernel_findings(KERNEL.format(above, "pass"), "relu")


def test_ordinary_constants_and_helpers_pass():
    above = "TILE = 16\nTABLE = np.arange(TILE, dtype=np.float32)\n@njit(fastmath=True)\ndef help(a):\n    return a\n"
    assert rules.kernel_findings(KERNEL.format(above, "out[0] = help(x[0])"), "relu") == []


def test_resource_limits_alone_are_refused_for_a_class(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from autograder import sandbox
    from autograder.__main__ import main

    monkeypatch.setattr(sandbox, "candidates", lambda: [sandbox.LIMITS])
    result = CliRunner().invoke(main, ["grade", str(tasks.ROOT / "data" / "class"), "--build", str(tmp_path)])
    assert isinstance(result.exception, tasks.GradingError) and "--allow-unsandboxed" in str(result.exception)
