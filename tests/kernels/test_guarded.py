"""No kernel of the course touches memory beyond its arrays; see guarded.py."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llaisys_mini import operators
from llaisys_mini.kernels.sets import expert_set, solutions_set

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="mprotect is POSIX"),
]

PROGRAM = Path(__file__).with_name("guarded.py")
TWINS = [n for n in operators.names if expert_set().path(n, "cpu") != solutions_set().path(n, "cpu")]


def run(*arguments):
    root = Path(__file__).resolve().parents[2]
    return subprocess.run([sys.executable, PROGRAM, *arguments], cwd=root, capture_output=True, text=True)


@pytest.mark.parametrize("name", TWINS)
def test_expert_kernels_stay_within_their_arrays(name):
    answer = run("expert", name)
    assert answer.returncode == 0, f"{answer.returncode}: {answer.stderr[-2000:]}"


def test_the_guard_guards():
    assert run("expert", "overrun").returncode == -signal.SIGSEGV
