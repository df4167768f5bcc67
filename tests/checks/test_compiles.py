"""`check(..., device="cuda")` says that a kernel compiles for a GPU, or where it does not and why; and only once."""

import subprocess

import pytest

from llaisys_mini import check
from llaisys_mini.checks import compiles
from llaisys_mini.errors import CheckFailed
from llaisys_mini.inspect import compile_check
from llaisys_mini.kernels import verdicts
from llaisys_mini.kernels.runtime import Runtime

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(compile_check.unavailable() is not None, reason="the compiler is not installed"),
]

RELU = """
import numpy as np

from llaisys_mini import cuda, kernel


@cuda.jit
def relu_kernel(x, out):
    i = cuda.grid(1)
    if out.size > 1_000_000_000:
        out[0] = np.float32(1)
    if i < out.size:
        out[i] = max(x[i], np.float32(0))


@kernel("relu", device="cuda")
def relu(x, out):
    x, out = x.reshape(-1), out.reshape(-1)
    relu_kernel[(out.size + 127) // 128, 128](x, out)
"""


@pytest.fixture
def student(tmp_path):
    (tmp_path / "cuda").mkdir()
    with Runtime(student=tmp_path).in_force():
        yield tmp_path / "cuda" / "relu.py"


def test_it_is_said_once_the_verdict_stands_and_asked_once(student, capsys, monkeypatch):
    student.write_text(RELU)
    check("relu", device="cuda")
    printed = capsys.readouterr().out
    assert printed.index("right on all cases") < printed.index("compiles for sm_80")
    monkeypatch.setattr(subprocess, "Popen", None)  # a second process would fail
    check("relu", device="cuda")
    assert "compiles for sm_80" in capsys.readouterr().out
    assert verdicts.passed_storages("relu", "cuda")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("out[x[0]] = np.float32(1)", "this stores a value that does not fit"),
        ("i = 'a'", "the variable i is a int64 in one place and a str in another"),
        ("out[0] = np.log(np.float16(1))", "unsupported type for input operand: float16"),
    ],
)
def test_what_no_thread_reaches_is_compiled_too(student, statement, words):
    """The sanitizer does not run these lines, so only the compiler sees them."""
    student.write_text(RELU.replace("out[0] = np.float32(1)", statement))
    with pytest.raises(CheckFailed, match=rf"does not compile for a GPU \(sm_80\)\n.*line 1[012](.|\n)*{words}"):
        check("relu", device="cuda")
    assert not verdicts.passed_storages("relu", "cuda")


def test_a_wrong_kernel_does_not_wait_for_the_compiler(student, monkeypatch):
    stopped = []
    real = compiles.Compilation.stop
    monkeypatch.setattr(compiles.Compilation, "stop", lambda self: (real(self), stopped.append(self)))
    monkeypatch.setattr(compiles.Compilation, "answer", None)
    student.write_text(RELU.replace("i < out.size", "i <= out.size"))
    with pytest.raises(CheckFailed, match="out-of-bounds"):
        check("relu", device="cuda")
    (compilation,) = stopped
    assert compilation._process.returncode is not None
