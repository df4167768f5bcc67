"""What a kernel does around its arrays shows: marks that are overwritten are found, what is read there is NaN."""

import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from llaisys_mini.checks.guard_zones import FAR
from llaisys_mini.checks.run import run_case
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.task import Case


def run(function):
    inputs = dict(x=np.arange(6, dtype=np.float32))
    return run_case(Kernel("relu", "cpu", "student", function), Case("mine", inputs))


def test_a_write_past_the_end_is_named():
    @njit
    def one_too_far(x, out):
        for i in range(x.size + 1):
            out[i] = max(x[i], np.float32(0))

    assert run(one_too_far).out_of_bounds == (
        "out (6,) has 6 elements, and the kernel wrote to element 6, counted from 0: past the end",
    )


def test_a_write_before_the_first_is_named():
    @njit
    def before_the_first(x, out):
        for i in range(x.size):
            out[i] = max(x[i], np.float32(0))
        x[-x.size - 2] = 1

    assert run(before_the_first).out_of_bounds == (
        "x (6,) has 6 elements, and the kernel wrote 2 elements before the first",
    )


def test_what_is_read_outside_is_nan():
    @njit
    def next_one(x, out):
        for i in range(x.size):
            out[i] = x[i + 1]

    assert run(next_one).differences[0].uninitialised == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only there the far zone is known to work")
@pytest.mark.parametrize("distance", [100_000, 50_000_000, 1_000_000_000, -100_000_000])
def test_an_access_far_outside_is_found_and_does_no_harm(distance):
    @njit
    def far(x, out):
        for i in range(x.size):
            out[i] = max(x[i], np.float32(0))
        (out if distance % 3 else x)[distance + (x.size if distance > 0 else -x.size)] = 0

    assert run(far).out_of_bounds == (FAR,)


def test_without_addresses_to_spare_the_near_zones_remain():
    script = (
        "import resource; from llaisys_mini.checks.guard_zones import GuardZones; import numpy as np\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "zones = GuardZones(); a = zones.around('out', np.zeros(3, np.float32))\n"
        "np.lib.stride_tricks.as_strided(a, (4,))[3] = 1\n"
        "print(zones.overrun())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "the kernel wrote to element 3" in done.stdout
