"""Killed in the middle and resumed, the grader gives the grades of an undisturbed run, byte for byte."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder import tasks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]

KILLS = int(os.environ.get("KILLS", "3"))
"""Environment variable KILLS=20 for the long form."""


def command(what, build, *arguments):
    return [sys.executable, "-m", "autograder", what, *arguments, "--build", str(build)]


def export(build) -> str:
    return subprocess.run(command("export", build), check=True, capture_output=True, text=True).stdout


def grade(submitted, build, *arguments):
    return command("grade", build, str(submitted), "--jobs", "1", "--timeout", "20", *arguments)


def test_resumed_after_kills(tmp_path):
    tasks.make_if_stale()
    submitted, build = tmp_path / "submitted", tmp_path / "build"
    for student in ("student-1", "student-2", "student-4", "student-7", "student-8"):
        shutil.copytree(tasks.ROOT / "data" / "class" / student, submitted / student)
    subprocess.run(grade(submitted, build), check=True, capture_output=True)
    undisturbed = export(build)
    assert len(undisturbed.splitlines()) == 6
    for name in ("gradebook.db", "report.html"):
        (build / name).unlink()
    (build / "grading" / "journal.jsonl").unlink()
    (build / "grading" / "verdicts.json").unlink()

    rng = random.Random(0)
    start = time.monotonic()
    for _ in range(KILLS):
        process = subprocess.Popen(
            grade(submitted, build, "--resume"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        time.sleep(rng.uniform(0.5, 12))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    subprocess.run(grade(submitted, build, "--resume"), check=True, capture_output=True)
    assert export(build) == undisturbed
    assert time.monotonic() - start < 600
    time.sleep(3)
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _read(path)]


def _read(path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
