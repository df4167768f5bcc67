"""Processes beside the grader that hold what students wrote: which environment they have, and how they end."""

import subprocess
from pathlib import Path

from autograder.course import ROOT

_PATIENCE = 5  # seconds that a process has to end by itself


def bare_environment(home: Path) -> dict[str, str]:
    """The environment of such a process, whose home is `home`. Nothing of the grader's is handed on: it may hold
    secrets."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "OPENBLAS_NUM_THREADS": "1",
    }


def await_end(process: subprocess.Popen) -> None:
    """Wait for a process that has lost its line to the grader; one that does not end by itself is killed."""
    try:
        process.wait(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
