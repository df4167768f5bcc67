"""The course's CUDA kernels are right on every case and storage; the sanitizer finds nothing in any thread order."""

import math
import re

import numpy as np
import pytest

from llaisys_mini import cuda, operators
from llaisys_mini.checks import compiles
from llaisys_mini.checks.check import check, describe
from llaisys_mini.checks.run import run_case, run_cases
from llaisys_mini.errors import CheckFailed
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.kernels.sets import expert_set, solutions_set
from llaisys_mini.task import Case
from tests.cuda.expert_cases import LARGER, larger_cases
from tests.kernels.markers import assert_marked


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    """It takes seconds; tests/checks/test_compiles.py has its tests."""
    monkeypatch.setattr(compiles, "_is_installed", lambda: False)


all_operators = pytest.mark.parametrize("name", operators.names)


@all_operators
def test_right_on_every_public_case(name):
    operator = operators.get(name)
    for result in run_cases(from_set("solutions", name, "cuda"), operator.make_cases(0)):
        assert result.passed, describe(operator, result)


OTHER_ORDERS = ("forward", "backward", "block by block")
MANY_BLOCKS = 40  # one after the other, they take long


def blocks(launches: list[str]) -> int:
    """How many blocks a report's launches have: kernel[x, y, z][...]."""
    return sum(math.prod(map(int, re.search(r"\[(.*?)\]", launch)[1].split(", "))) for launch in launches)


def run_in_orders(kernel, cases, every):
    """(order, result): each case shuffled, and if its numbers are float32 in another order, in turn; or in every order.

    A case in 16 bits is that of float32 once more, and what the sanitizer finds does not depend on the order.
    """
    for number, case in enumerate(cases):
        with cuda.sanitized(order="shuffled") as report:
            yield "shuffled", run_case(kernel, case)
        others = [OTHER_ORDERS[number % 3] if blocks(report.launches) <= MANY_BLOCKS else OTHER_ORDERS[number % 2]]
        if any(isinstance(value, np.ndarray) and value.dtype.itemsize == 2 for value in case.inputs.values()):
            others = []
        for order in OTHER_ORDERS if every else others:
            with cuda.sanitized(order=order):
                yield order, run_case(kernel, case)


two_orders_or_every = pytest.mark.parametrize(
    "every", [pytest.param(False, id="two orders"), pytest.param(True, id="every order", marks=pytest.mark.long)]
)


@pytest.mark.slow
@two_orders_or_every
@all_operators
@pytest.mark.parametrize("kernel_set", ["solutions", "expert"])
def test_right_on_private_cases_in_several_thread_orders(name, kernel_set, every):
    operator = operators.get(name)
    if kernel_set == "expert" and expert_set().path(name, "cuda") == solutions_set().path(name, "cuda"):
        pytest.skip("there is no expert version")
    kernel = from_set(kernel_set, name, "cuda")
    for order, result in run_in_orders(kernel, operator.make_cases(77), every):
        assert result.passed, f"{order}: {describe(operator, result)}"
    if cuda.is_available():
        for result in run_cases(kernel, operator.make_cases(77)):
            assert result.passed, describe(operator, result)


@all_operators
def test_a_launcher_with_solution_markers(name):
    kernel = solutions_set().get(name, "cuda")
    assert_marked(kernel.path, kernel.function)


def test_what_the_sanitizer_finds_stands_in_the_describe(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path))
    source = solutions_set().path("add", "cuda").read_text()
    assert "if i < out.size" in source
    path = tmp_path / "cuda" / "add.py"
    path.parent.mkdir()
    path.write_text(source.replace("if i < out.size", "if i <= out.size"))
    with pytest.raises(CheckFailed) as caught:
        check("add", device="cuda")
    line = 1 + path.read_text().splitlines().index("        out[i] = x[i] + y[i]")
    assert f"add_kernel, line {line}: out-of-bounds access" in str(caught.value)


def test_a_right_kernel_with_float64_gets_a_remark(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path))
    path = tmp_path / "cuda" / "add.py"
    path.parent.mkdir()
    path.write_text(solutions_set().path("add", "cuda").read_text().replace("x[i] + y[i]", "x[i] + y[i] * 1.0"))
    check("add", device="cuda")
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("remark: add_kernel, line") == 1
    assert "accidental float64" in printed


def test_right_is_said_with_what_was_run(capsys, tmp_path, monkeypatch):
    if cuda.is_available():
        pytest.skip("there is a device")
    check("relu", device="cuda", kernel_set="solutions")
    printed = " ".join(capsys.readouterr().out.split())
    assert "relu on cuda: right on all cases" in printed
    assert "sanitizer: no findings; on a device: not run (" in printed


@pytest.mark.parametrize("name", ["add", "swiglu"])
def test_views_that_begin_anywhere_are_read_right_by_expert_kernels(name):
    values = np.random.default_rng(0).normal(size=(2, 2001)).astype(np.float32)
    outs = np.full(2001, np.nan, np.float32)[1:]
    from_set("expert", name, "cuda").function(values[0, 1:], values[1, 1:], outs)
    expected = operators.get(name).reference(*values[:, 1:].astype(float))
    np.testing.assert_allclose(outs, expected, rtol=1e-5, atol=1e-6)


def test_a_head_too_wide_is_refused_in_one_sentence():
    wide = dict(q=np.zeros((1, 1, 300), np.float32), k=np.zeros((1, 1, 300), np.float32), scale=1.0)
    case = Case("wide", {**wide, "v": wide["k"]})
    (result,) = run_cases(from_set("solutions", "attention", "cuda"), [case])
    assert "heads are 300 wide" in str(result.exception)


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["float32", pytest.param("float16", marks=pytest.mark.long), "bfloat16"])
@pytest.mark.parametrize("name", LARGER)
def test_expert_kernels_are_right_on_whole_and_partial_tiles(name, storage):
    operator = operators.get(name)
    if storage not in operator.storages:
        pytest.skip(f"{name} reads float32 only")
    for result in run_cases(from_set("expert", name, "cuda"), larger_cases(name, storage)):
        assert result.passed, describe(operator, result)
