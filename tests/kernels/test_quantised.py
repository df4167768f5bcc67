"""linear_int8 and linear_int4 above the sizes of the cases: the parallel path, several panels, plain and expert."""

import numpy as np
import pytest

from llaisys_mini import operators
from llaisys_mini.checks.check import describe
from llaisys_mini.checks.run import run_cases
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.task import Case


@pytest.mark.parametrize("kernel_set", ["solutions", pytest.param("expert", marks=pytest.mark.slow)])
@pytest.mark.parametrize("rows", [1, 2, 67])
@pytest.mark.parametrize("name", ["linear_int8", "linear_int4"])
def test_large_inputs_take_the_parallel_path_and_stay_right(name, rows, kernel_set):
    rng = np.random.default_rng(5)
    inputs, outputs = 1056, 1003
    weight = rng.integers(-127, 128, size=(outputs, inputs)).astype(np.int8)
    if name == "linear_int4":
        weight = weight[:, : inputs // 2].copy().view(np.uint8)
    case = dict(
        x=rng.normal(size=(rows, inputs)).astype(np.float32),
        weight=weight,
        scales=rng.normal(size=(outputs, inputs // 32)).astype(np.float32),
        bias=rng.normal(size=outputs).astype(np.float32),
    )
    for result in run_cases(from_set(kernel_set, name, "cpu"), [Case("large", case)]):
        assert result.passed, describe(operators.get(name), result)
