"""What counts as a kernel: the course's own are accepted, every known way around Numba is named."""

import pytest

from autograder import tasks
from autograder.findings import ELSEWHERE, REFUSED
from autograder.reading import rules, slicing
from autograder.reading.notebook import Reading, cells_of

KERNEL = """import math

from numba import njit
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
    for task in plan.tasks:
        cuts, notes = slicing.candidates(plan, task, reading)
        assert len(cuts) == 1 and not notes and not cuts[0].problem
        if task.device == "python":
            assert rules.exercise_findings(cuts[0].source, task.name) == []
        else:
            assert rules.kernel_findings(cuts[0].source, task.name, task.device) == []


@pytest.mark.parametrize("lab", tasks.lab_names())
def test_the_judge_knows_every_test_of_every_lab(lab):
    plan = tasks.plan_of(lab)
    assert not [part.grade_id for part in plan.parts if any(check.kind == tasks.BY_HAND for check in part.checks)]


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
        ("TABLE = np.dot(1, 2)", "pass"),
    ],
)
def test_ways_around_are_refused(above, inside):
    found = rules.kernel_findings(KERNEL.format(above, inside), "relu")
    assert [finding for finding in found if finding.kind == REFUSED]


@pytest.mark.parametrize(
    "above",
    [
        "def njit(f):\n    return f",
        "njit = print",
        "import os",
        "class A:\n    pass",
        "T = open('x')",
        "T = eval('1')",
        "T: eval('1') = 3",
        "@njit\ndef help(a: eval('1')):\n    return a",
        "@njit\ndef help(a=eval('1')):\n    return a",
        "@njit\ndef help(a) -> eval('1'):\n    return a",
        "T = np.testing.runstring('1', {})",
        "from numpy.testing import runstring as float\nT = float('1', {})",
        "from numpy.testing import *",
        "T = np.vectorize(print)(1)",
        "import numpy.testing as np\nT = np.array(1)",
        "T = np.arange(3).tofile('x')",
    ],
)
def test_unusual_forms_are_left_to_a_person(above):
    assert rules.kernel_findings(KERNEL.format(above, "pass"), "relu")


def test_ordinary_constants_and_helpers_pass():
    above = (
        "TILE: int = 16\nTABLE = np.arange(TILE, dtype=np.float32).reshape(4, 4)\nROOT = np.sqrt(2) / math.pi\n"
        "@njit('float32(float32)', fastmath=True)\ndef help(a: np.float32, b: float = 1.0) -> float:\n    return a\n"
    )
    assert rules.kernel_findings(KERNEL.format(above, "out[0] = help(x[0])"), "relu") == []


CUDA = """import math

import numpy as np

from llaisys_mini import cuda, kernel
{above}

@cuda.jit
def relu_kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = max(x[i], np.float32(0))


@kernel("relu", device="cuda")
def relu(x, out):
    {host}
"""
LAUNCH = "relu_kernel[(out.size + 127) // 128, 128](x, out)"


def cuda_findings(above="", host=LAUNCH):
    return rules.kernel_findings(CUDA.format(above=above, host=host.replace("\n", "\n    ")), "relu", "cuda")


@pytest.mark.parametrize(
    "host",
    [
        LAUNCH,
        "blocks = math.ceil(out.size / 128)\nrelu_kernel[blocks, 128](x.reshape(-1), out[:])",
        "n = int(np.ceil(np.prod(x.shape) / 128))\nfor part in range(2):\n    relu_kernel[n, 128](x, out)",
        "launch = relu_kernel[1, 128]\nlaunch(x, cuda.device_array(x.shape, np.float32))\nlaunch(x, out)",
        f"if x.size > 10**6:\n    raise KernelError(f'too large: {{x.shape}}')\n{LAUNCH}",
        f"start(x, out)\nout[:] = 0\n{LAUNCH}",
    ],
)
def test_ordinary_launchers_pass(host):
    above = "from llaisys_mini.errors import KernelError\n\n\ndef start(x, out):\n    relu_kernel[1, 32](x, out)\n"
    assert cuda_findings(above, host) == []


@pytest.mark.parametrize(
    ("above", "host"),
    [
        ("", "out[:] = np.maximum(x, 0)"),
        ("", "out[:] = x * (x > 0)"),
        ("", f"{LAUNCH}\nout[:] = np.maximum(x, 0)"),
        ("", f"{LAUNCH}\nnp.maximum(x, 0, out=out)"),
        ("", f"{LAUNCH}\nimport llaisys_mini"),
        ("", f"with cuda.sanitized():\n    {LAUNCH}"),
        ("", f"x.dtype = np.int32\n{LAUNCH}"),
        ("", f"y = x.view(np.ndarray)\n{LAUNCH}"),
        ("from numba import njit", LAUNCH),
        ("from llaisys_mini.cuda import sanitizer", LAUNCH),
        ("from llaisys_mini.sanitizer.memory import Memory", LAUNCH),
        ("from llaisys_mini.operators.relu import relu as theirs", LAUNCH),
        ("from llaisys_mini.cuda import sanitized", LAUNCH),
        ("cuda.jit = print", LAUNCH),
        ("import torch", LAUNCH),
    ],
)
def test_ways_around_a_cuda_kernel_are_refused(above, host):
    assert [finding for finding in cuda_findings(above, host) if finding.kind == REFUSED]


@pytest.mark.parametrize(
    ("above", "host"),
    [
        ("", f"eval('1')\n{LAUNCH}"),
        ("", f"f = eval\n{LAUNCH}"),
        ("", f"y = x.base\n{LAUNCH}"),
        ("", f"y = np.array(x)\n{LAUNCH}"),
        ("", f"y = x.tolist()\n{LAUNCH}"),
        ("", f"relu_kernel.py_func(x, out)\n{LAUNCH}"),
        ("", f"try:\n    {LAUNCH}\nexcept ValueError:\n    pass"),
        ("", f"def inner():\n    pass\n{LAUNCH}"),
        ("", f"y = lambda: 0\n{LAUNCH}"),
        ("", f"y = '{{0.base}}'.format(x)\n{LAUNCH}"),
        ("", f"np = x\n{LAUNCH}"),
        ("from llaisys_mini.cuda import reductions", f"reductions.cuda.runtime.force(0)\n{LAUNCH}"),
        ("from llaisys_mini.cuda.reductions import cuda as other", f"other.runtime.force(0)\n{LAUNCH}"),
        ("import functools\n\n\n@functools.cache\ndef f():\n    pass\n", LAUNCH),
        ("@cuda.jit\ndef f(x: eval('1')):\n    pass\n", LAUNCH),
    ],
)
def test_unusual_launchers_are_left_to_a_person(above, host):
    assert cuda_findings(above, host)


def test_numbas_own_cuda_is_left_to_a_person():
    source = CUDA.format(above="", host=LAUNCH).replace(
        "from llaisys_mini import cuda, kernel", "from numba import cuda\n\nfrom llaisys_mini import kernel"
    )
    kinds = {finding.kind for finding in rules.kernel_findings(source, "relu", "cuda")}
    assert ELSEWHERE in kinds and REFUSED not in kinds


def test_resource_limits_alone_are_refused_for_a_class(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from autograder import sandbox
    from autograder.__main__ import main

    monkeypatch.setattr(sandbox, "candidates", lambda: [sandbox.LIMITS])
    result = CliRunner().invoke(main, ["grade", str(tasks.ROOT / "data" / "class"), "--build", str(tmp_path)])
    assert isinstance(result.exception, tasks.GradingError) and "--allow-unsandboxed" in str(result.exception)
