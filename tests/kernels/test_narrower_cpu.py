"""On a CPU with vectors of 8 numbers the course's kernels are right too, and give a row the same bits in any company.

In processes of their own, which take this CPU for a narrower one. Their compiled kernels are kept apart from those of
other tests, since Numba's cache does not know of the width.
"""

import os
import subprocess
import sys

import pytest

from llaisys_mini import paths

pytestmark = pytest.mark.slow  # all is compiled anew


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """narrow(arguments of Python): what it prints in such a process."""
    compiled = tmp_path_factory.mktemp("compiled")
    given = {"LLAISYS_MINI_SIMD_WIDTH": "8", "NUMBA_NUM_THREADS": "4", "NUMBA_CACHE_DIR": str(compiled)}

    def run(*arguments):
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=os.environ | given, cwd=paths.course_root(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    return run


def test_the_expert_kernels_are_right(narrow):
    program = """
from llaisys_mini import operators
from llaisys_mini.checks.run import run_cases
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.cpu.simd import WIDTH
assert WIDTH == 8
for name in ("linear", "linear_int8", "linear_int4", "matmul", "attention"):
    cases = operators.get(name).make_cases(5, storages=("float32",))
    cases = [case for case in cases if case.inputs.get("bias", 0) is not None]  # without one, all is compiled again
    assert all(result.passed for result in run_cases(from_set("expert", name, "cpu"), cases)), name
print("right")
"""
    assert narrow("-c", program) == "right"


@pytest.mark.parametrize("storages", ["float32", pytest.param("every storage", marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["linear", "attention"])
def test_a_row_has_the_same_bits_in_any_company(narrow, name, storages):
    assert narrow("-m", "tests.kernels.company", name, storages) == "the same bits"
