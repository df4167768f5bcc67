"""Kernels written from the docstrings alone: right ones pass, wrong ones do not, and what they are told is true."""

import numpy as np
import pytest

from llaisys_mini import operators
from llaisys_mini.checks.compare import recognised
from llaisys_mini.checks.run import run_cases
from llaisys_mini.kernels.registry import Kernel
from tests.operators import blind_kernels, blind_kernels_2, blind_kernels_3
from tests.operators.derived_names import DERIVED
from tests.operators.student_kernels import KERNELS
from tests.operators.student_names import NAMES

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of plain Python on numbers that overflow

TOLD = NAMES | DERIVED
WRONG = [entry for entry in KERNELS if entry[2] is not None]


def results(operator, function, seed):
    contract = operators.get(operator)
    with np.errstate(all="ignore"):
        return list(run_cases(Kernel(operator, "cpu", "student", function), contract.make_cases(seed, ("float32",))))


@pytest.mark.parametrize("seed", [0, 40417])
@pytest.mark.parametrize(
    ("operator", "function"), [pytest.param(o, f, id=f.__name__) for o, f, wrong in KERNELS if wrong is None]
)
def test_a_right_kernel_passes(operator, function, seed):
    assert [result.case.name for result in results(operator, function, seed) if not result.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize(("operator", "function"), [pytest.param(o, f, id=f.__name__) for o, f, _ in WRONG])
def test_a_wrong_kernel_fails_and_is_named_rightly(operator, function):
    found = results(operator, function, 0)
    assert [result for result in found if not result.passed]
    runs = [(result.case.inputs, result.results) for result in found if result.exception is None]
    assert recognised(operators.get(operator), runs) == TOLD.get(function.__name__)


def test_most_are_named():
    assert len(WRONG) >= 150
    assert len(TOLD) >= 0.6 * len(WRONG)


@pytest.mark.parametrize("module", [blind_kernels, blind_kernels_2, blind_kernels_3])
def test_most_of_those_are_named_that_were_written_blind(module):
    """The share of the third was the same when its kernels were run for the first time."""
    names = [function.__name__ for _, function, _ in WRONG if function.__module__ == module.__name__]
    assert len(names) >= 40
    assert sum(name in TOLD for name in names) >= 0.6 * len(names)
