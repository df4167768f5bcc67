"""Of a wrong kernel or answer the judge tells the same case as `check` in the lab, in the same words."""

import dataclasses
import sys

import pytest

from autograder import tasks
from autograder.judge.submission import WRONG
from autograder.tasks import CASES
from llaisys_mini import check
from llaisys_mini.errors import CheckFailed
from llaisys_mini.kernels.runtime import Runtime

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]

HEAD = """import math

import numpy as np
from numba import njit, prange
from llaisys_mini import cuda, kernel


"""


def on_cpu(name: str, arguments: str, body: str) -> str:
    return f'{HEAD}@kernel("{name}", device="cpu")\n@njit\ndef {name}({arguments}):\n{body}'


NORM = """    for n in range(x.shape[0]):
        total = 0.0
        for c in range(x.shape[1]):
            total += np.float64(x[n, c]) ** 2
        root = {root}
        for c in range(x.shape[1]):
            out[n, c] = x[n, c] / root * weight[c]
"""
SOFTMAX = """    for n in range(x.shape[0]):
        {make}
        top = x[n].max()
        total = np.float32(0)
        for c in range(x.shape[1]):
            row[c] = math.exp(x[n, c]{shift})
            total += row[c]
        for c in range(x.shape[1]):
            out[n, c] = row[c] / total
"""
OWN_ROW = "row = np.empty({}, np.float32)".format
ADD_ON_CUDA = (
    HEAD
    + """@cuda.jit
def _add(x, y, out):
    i = cuda.grid(1)
    if {within}:
        out[i] = x[i] + y[i]


@kernel("add", device="cuda")
def add(x, y, out):
    _add[(x.size + 127) // 128, 128](x.reshape(-1), y.reshape(-1), out.reshape(-1))
"""
)
PERCEPTRON = """from llaisys_mini import answer


@answer("perceptron_update")
def perceptron_update(weights, bias, x, label):
    {}
"""
WRONG_KERNELS = {
    "wrong by a rounding on the first case that fails": (
        *("05_norms", "rms_norm-cpu", "cpu"),
        on_cpu("rms_norm", "x, weight, eps, out", NORM.format(root="math.sqrt(total / x.shape[1]) + eps")),
    ),
    "wrong by a rounding alone": (
        *("05_norms", "rms_norm-cpu", "cpu"),
        on_cpu("rms_norm", "x, weight, eps, out", NORM.format(root="math.sqrt(total / x.shape[1] + eps) * 1.00001")),
    ),
    "a mistake that is known": (
        *("07_softmax", "softmax-cpu", "cpu"),
        on_cpu("softmax", "x, out", SOFTMAX.format(make=OWN_ROW("x.shape[1]"), shift="")),
    ),
    "out of an array of its own": (
        *("07_softmax", "softmax-cpu", "cpu"),
        on_cpu("softmax", "x, out", SOFTMAX.format(make=OWN_ROW(100), shift=" - top")),
    ),
    "wrong, and later out of an array": (
        *("07_softmax", "softmax-cpu", "cpu"),
        on_cpu("softmax", "x, out", SOFTMAX.format(make=OWN_ROW(100), shift="")),
    ),
    "a division by zero": (
        *("07_softmax", "softmax-cpu", "cpu"),
        on_cpu("softmax", "x, out", "    for n in range(x.size):\n        out[0, 0] = 1.0 / (x.shape[0] - 1)\n"),
    ),
    "on CUDA, out of an array": (
        *("08_reductions", "add-cuda", "cuda"),
        ADD_ON_CUDA.format(within="i <= x.size"),
    ),
    "on CUDA, elements that nobody wrote": (
        *("08_reductions", "add-cuda", "cuda"),
        ADD_ON_CUDA.format(within="i < x.size - 1"),
    ),
    "an exercise, wrong": (
        *("01_neuron", "perceptron_update-python", "python"),
        PERCEPTRON.format("return weights, bias + label"),
    ),
    "no reason that is known": (
        *("02_layers", "relu-cpu", "cpu"),
        on_cpu("relu", "x, out", "    for i in range(x.size):\n        out[i] = max(x[i], 0.25)\n"),
    ),
}


@pytest.mark.parametrize("which", WRONG_KERNELS)
def test_the_judge_says_what_check_says(judged, tmp_path, which):
    lab, task, device, source = WRONG_KERNELS[which]
    same_as_check(judged, tmp_path, lab, task, device, source)


def same_as_check(judged, folder, lab, grade_id, device, source) -> str:
    plan = tasks.plan_of(lab)
    task = next(task for task in plan.tasks if task.grade_id == grade_id)
    (folder / device).mkdir()
    (folder / device / f"{task.name}.py").write_text(source)
    with Runtime(student=folder, keeps_compiled=False).in_force(), pytest.raises(CheckFailed) as failed:
        check(task.name, device)
    (public,) = [
        part
        for part in plan.parts
        if part.checks and {(c.task, c.kind, c.hidden) for c in part.checks} == {(grade_id, CASES, False)}
    ]
    plan = dataclasses.replace(plan, tasks=(task,), parts=(public,))
    part = judged(lab, {grade_id: source}, plan).parts[public.grade_id]
    assert part.state == WRONG
    assert part.message.splitlines() == str(failed.value).splitlines()
    return part.message
