"""The compiler's word on graded CUDA kernels: asked beside the sandbox about what the judge wrote of a cell."""

import sys

import numpy as np
import pytest

from autograder import tasks
from autograder.compiler import Compiled, Compiler, launches_of
from autograder.judge.submission import PASSED, WRONG
from llaisys_mini import cuda
from llaisys_mini.cuda.availability import why_no_compiler

needs_compiler = pytest.mark.skipif(why_no_compiler() is not None, reason=why_no_compiler() or "the compiler is there")

KERNEL = """from llaisys_mini import cuda, kernel


@cuda.jit
def add_kernel(x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i] + y[i]
    if out.size < 0:
        out[i] = {never}


@kernel("add", device="cuda")
def add(x, y, out):
    add_kernel[max(1, (out.size + 255) // 256), 256](x, y, out)
"""
VECTORS = {("add_kernel", ("array float32 1",) * 3)}
REFUSED = "x[i] & y[i]"  # no thread gets there, so the sanitizer does not see it


@pytest.fixture(scope="module")
def compiler():
    compiler = Compiler()
    yield compiler
    compiler.close()


@needs_compiler
@pytest.mark.slow
def test_the_compiler_says_what_compiles_and_why_another_does_not(compiler):
    assert str(compiler.ask("add", KERNEL.format(never="x[i]"), VECTORS)) == "compiles for sm_80"
    said = compiler.ask("add", KERNEL.format(never=REFUSED), VECTORS)
    assert "line 10 of the cell" in said.why_not
    assert f"out[i] = {REFUSED}" in said.why_not
    assert len(said.why_not.splitlines()) == 3


@needs_compiler
@pytest.mark.slow
def test_a_long_line_is_refused_like_a_short_one(compiler):
    """A reason that is too long to be told was "not run", which costs nothing."""
    said = compiler.ask("add", KERNEL.format(never=REFUSED + "  # " + "é" * 30_000), VECTORS)
    assert "line 10 of the cell" in said.why_not and len(said.why_not) < 1500


@needs_compiler
@pytest.mark.slow
def test_launches_of_other_kernels_tell_nothing(compiler):
    others = {("another", ("int",)), ("np", ("int",)), ("add", ("int",))}
    said = compiler.ask("add", KERNEL.format(never="x[i]"), others)
    assert (said.why_not, said.not_run) == (None, "no kernel of the cell was launched")


@needs_compiler
@pytest.mark.slow
def test_a_text_is_compiled_once(compiler):
    first = compiler.ask("add", KERNEL.format(never="y[i]"), VECTORS)
    compiler.close()
    assert Compiler().ask("add", KERNEL.format(never="y[i]"), VECTORS) is first


@needs_compiler
@pytest.mark.slow
def test_a_module_that_ends_its_process_costs_no_other(compiler):
    source = "import os\ndef end(code=os._exit(3)):\n    pass\n"  # the judge never writes such a module
    assert "did not end" in compiler.ask("add", source, VECTORS).not_run
    source = "def end(code=1 / 0):\n    pass\n"
    assert "in the compiler" in compiler.ask("add", source, VECTORS).not_run
    assert compiler.ask("add", KERNEL.format(never="x[0]"), VECTORS).why_not == ""


def test_without_the_compiler_it_is_not_run(monkeypatch):
    from autograder import compiler as module

    def absent(_):
        raise module.PackageNotFoundError

    monkeypatch.setattr(module, "version", absent)
    said = Compiler().ask("add", KERNEL.format(never="1.0"), VECTORS)
    assert str(said) == "compiling for sm_80: not run (numba-cuda is not installed)"


def test_the_types_of_launches_are_those_of_the_arguments():
    @cuda.jit
    def many(x, n, scale, factor, flag, nothing, half):
        pass

    with cuda.sanitized() as report:
        arguments = np.float32(2), True, None, np.zeros(3, np.float16)
        many[1, 32](np.zeros((2, 3), np.int64), 3, 0.5, *arguments)
    kinds = ["array int64 2", "int", "float", "float32", "bool", "none", "array float16 1"]
    assert launches_of([list(launch) for launch in report.argument_types]) == {("many", tuple(kinds))}


@pytest.mark.parametrize(
    "sent",
    [
        "add_kernel",
        [["add kernel", "int"]],
        [["k", "array float32"]],
        [["k", "array object 1"]],
        [["k", "float32 1"]],
        [["k", 3]],
        [[]],
        [["k"]] * 65,
        [["k", *["int"] * 65]],
        [["k", "int\n"]],
    ],
)
def test_what_is_no_launch_is_refused(sent):
    with pytest.raises(ValueError, match="no "):
        launches_of(sent)


# ---- in a verdict ----------------------------------------------------------------------------------------------------


def _with_add(judged, source):
    lab, task = next(
        (lab, task)
        for lab in tasks.lab_names()
        for task in tasks.plan_of(lab).tasks
        if (task.name, task.device) == ("add", "cuda")
    )
    verdict = judged(lab, {task.grade_id: source})
    return next(part for part in verdict.parts.values() if part.task == task.grade_id)


@needs_compiler
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
def test_what_the_compiler_refuses_is_wrong_as_in_check_and_what_it_takes_is_told(judged):
    part = _with_add(judged, KERNEL.format(never="x[i]"))
    assert (part.state, part.points) == (PASSED, part.maximum)
    assert "compiles for sm_80" in part.message.splitlines()
    part = _with_add(judged, KERNEL.format(never=REFUSED))
    assert (part.state, part.points) == (WRONG, 0)
    assert part.message.startswith("add: the kernel does not compile for a GPU (sm_80)")
    assert REFUSED in part.message


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
def test_a_compiler_that_is_not_there_costs_no_points(judged, worker, monkeypatch):
    monkeypatch.setattr(worker.compiler, "ask", lambda *_: Compiled(None, "it is not installed"))
    part = _with_add(judged, KERNEL.format(never=REFUSED))
    assert (part.state, part.points) == (PASSED, part.maximum)
    assert "compiling for sm_80: not run (it is not installed)" in part.message
