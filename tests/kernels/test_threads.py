"""The thread pool and how its threads wait: chosen before Numba loads the pool, and never against the user.

OpenMP reads its environment when it is loaded, and Numba loads one pool per process, so each case is a process.
"""

import os
import subprocess
import sys

import pytest

from llaisys_mini import paths
from llaisys_mini.kernels.threads import SPINS

NAMES = {
    "GOMP_SPINCOUNT",
    "OMP_WAIT_POLICY",
    "KMP_BLOCKTIME",
    "NUMBA_THREADING_LAYER",
    "NUMBA_THREADING_LAYER_PRIORITY",
}

LOAD = "from llaisys_mini.kernels.sets import solutions_set; solutions_set().get('sign', 'cpu')"
"""Imports a kernel of the course, compiled or not, and calls nothing."""

REPORT = f"""
import os, sys
found = {{name: os.environ[name] for name in sorted({sorted(NAMES)!r}) if name in os.environ}}
pools = [name for name in sys.modules if name in ("numba.np.ufunc.omppool", "numba.np.ufunc.workqueue")]
print(found, pools)
"""


def answer(program: str, **environment: str) -> str:
    """What the program prints in a process with these variables and no others that concern threads."""
    clean = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean | environment,
        cwd=paths.course_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_waiting_is_chosen_before_a_pool_is_loaded():
    assert answer(LOAD + REPORT) == f"{{'GOMP_SPINCOUNT': '{SPINS}'}} []"


@pytest.mark.parametrize(
    "chosen",
    [
        {"GOMP_SPINCOUNT": "7"},
        {"OMP_WAIT_POLICY": "active"},
        {"NUMBA_THREADING_LAYER": "workqueue"},
        {"NUMBA_THREADING_LAYER_PRIORITY": "workqueue omp tbb"},
    ],
    ids=lambda chosen: next(iter(chosen)),
)
def test_what_the_user_chose_stays_and_nothing_is_added(chosen):
    program = "from llaisys_mini.kernels.threads import choose_thread_pool; choose_thread_pool()"
    assert answer(program + REPORT, **chosen) == f"{chosen} []"


def test_what_other_runtimes_were_told_stays():
    program = "from llaisys_mini.kernels.threads import choose_thread_pool; choose_thread_pool()"
    assert answer(program + REPORT, KMP_BLOCKTIME="7") == f"{{'GOMP_SPINCOUNT': '{SPINS}', 'KMP_BLOCKTIME': '7'}} []"


def test_openmp_waits_as_chosen():
    """What libgomp itself read when Numba loaded it. Other runtimes print the same list in other words."""
    program = """
import numba
from llaisys_mini.kernels.threads import choose_thread_pool
choose_thread_pool()
numba.set_num_threads(1)
print(numba.threading_layer())
"""
    verbose = subprocess.run(
        [sys.executable, "-c", program],
        env={name: value for name, value in os.environ.items() if name not in NAMES} | {"OMP_DISPLAY_ENV": "verbose"},
        cwd=paths.course_root(),
        capture_output=True,
        text=True,
        check=True,
    )
    if verbose.stdout.strip() != "omp" or "GOMP_SPINCOUNT" not in verbose.stderr:
        pytest.skip("this Numba does not run on libgomp")
    assert f"GOMP_SPINCOUNT = '{SPINS}'" in verbose.stderr
