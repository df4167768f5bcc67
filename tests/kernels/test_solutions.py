"""The course's kernels are right on every case, public and private, for every storage dtype."""

import inspect

import numpy as np
import pytest

from llaisys_mini import operators
from llaisys_mini.checks.check import diagnosis
from llaisys_mini.checks.run import run_cases
from llaisys_mini.contract import Case
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.kernels.sets import solutions_set

# Expert kernels take long to compile.
EXPERT = pytest.param("expert", marks=pytest.mark.slow)

all_operators = pytest.mark.parametrize("name", operators.names)


@all_operators
@pytest.mark.parametrize("kernel_set", ["reference", "solutions", EXPERT])
def test_right_on_every_case(name, kernel_set):
    operator = operators.get(name)
    for seed in (0, 77):
        for result in run_cases(from_set(kernel_set, name, "cpu"), operator.make_cases(seed)):
            assert result.passed, diagnosis(operator, result)


@all_operators
def test_is_a_numba_kernel_with_solution_markers(name):
    kernel = solutions_set().get(name, "cpu")
    assert type(kernel.function).__module__.startswith("numba")
    source = kernel.path.read_text()
    assert source.count("### BEGIN SOLUTION") == source.count("### END SOLUTION") >= 1
    body = inspect.getsource(kernel.function.py_func)
    assert "### BEGIN SOLUTION" in body, "the body of the kernel itself is part of the solution"


@pytest.mark.parametrize("kernel_set", ["solutions", EXPERT])
def test_large_inputs_take_the_parallel_path_and_stay_right(kernel_set):
    """The cases are small; these sizes lie above every kernel's threshold for starting threads."""
    rng = np.random.default_rng(5)

    def f32(*shape):
        return rng.normal(size=shape).astype(np.float32)

    large = {
        "add": dict(x=f32(70001), y=f32(70001)),
        "relu": dict(x=f32(70001)),
        "relu_backward": dict(grad_out=f32(70001), x=f32(70001)),
        "sigmoid": dict(x=f32(9001)),
        "silu": dict(x=f32(9001)),
        "gelu": dict(x=f32(9001)),
        "swiglu": dict(gate=f32(40001), up=f32(40001)),
        "softmax": dict(x=f32(70, 131)),
        "layer_norm": dict(x=f32(301, 131), weight=f32(131), bias=f32(131), eps=1e-5),
        "rms_norm": dict(x=f32(301, 131), weight=f32(131), eps=1e-5),
        "add_rms_norm": dict(x=f32(301, 131), residual=f32(301, 131), weight=f32(131), eps=1e-5),
        "embedding": dict(ids=rng.integers(0, 50, size=700), weight=f32(50, 131)),
        "argmax": dict(x=f32(5, 40001)),
        "linear": dict(x=f32(67, 131), weight=f32(73, 131), bias=f32(73)),
        "matmul": dict(a=f32(67, 700), b=f32(700, 803)),
        "rope": dict(x=f32(131, 6, 64), positions=np.arange(131), theta=1e4),
        "attention": dict(q=f32(67, 4, 32), k=f32(131, 2, 32), v=f32(131, 2, 32), scale=0.2),
        "sliding_attention": dict(q=f32(67, 4, 32), k=f32(131, 2, 32), v=f32(131, 2, 32), scale=0.2, window=90),
    }
    for name, inputs in large.items():
        operator = operators.get(name)
        for result in run_cases(from_set(kernel_set, name, "cpu"), [Case("large", inputs)]):
            assert result.passed, diagnosis(operator, result)
    one_row = dict(x=f32(1, 1100), weight=f32(1000, 1100), bias=None)
    for result in run_cases(from_set(kernel_set, "linear", "cpu"), [Case("one large row", one_row)]):
        assert result.passed, diagnosis(operators.get("linear"), result)
    # Heads as wide as real models have them, in groups of 7 (Qwen2.5-0.5B), and keys that fill no block.
    for length in (1, 67):
        wide = dict(q=f32(length, 14, 64), k=f32(391, 2, 64), v=f32(391, 2, 64), scale=0.125)
        for result in run_cases(from_set(kernel_set, "attention", "cpu"), [Case(f"{length} queries", wide)]):
            assert result.passed, diagnosis(operators.get("attention"), result)
