"""The graders as an instructor runs them: ours, plain nbgrader, and a Dask cluster on this machine."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder import course
from autograder.example_class import LAB
from autograder.gradebook.url import default as gradebook_in
from benchmarks import machine
from benchmarks.grading.spending import Spent, spend, spend_until

OURS, PLAIN = "ours", "plain nbgrader"


# ---- ours --------------------------------------------------------------------------------------------------------

_FIRST = "the first submission starts"
_TELLING = f"""
from autograder import __main__
from autograder.reading import submission as reading

read = reading.read_submission

def told(*arguments):
    print({_FIRST!r}, flush=True)
    return read(*arguments)

reading.read_submission = told  # before autograder.runner takes it: what is imported here early would not be counted
__main__.run()
"""


@dataclass(frozen=True)
class Ours:
    """`python -m autograder grade`. work: a folder for what it writes."""

    work: Path
    timeout: float

    def _command(self, submitted: Path, build: Path, start: list[str], *options: str) -> list[str]:
        words = ["grade", str(submitted), "--build", str(build), "--timeout", f"{self.timeout:g}", *options]
        return [sys.executable, *start, *words]

    def grade(self, submitted: Path, *options: str) -> tuple[Spent, Path]:
        """What grading took, and the build folder, which is empty before."""
        build = self.work / "build"
        shutil.rmtree(build, ignore_errors=True)
        command = self._command(submitted, build, ["-m", "autograder"], *options)
        spent = spend(command, course.ROOT, _environment(), self.work / "log")
        if not (build / "report.html").is_file():
            raise RuntimeError(f"{' '.join(command)} failed:\n{spent.output[-2000:]}")
        return spent, build

    def until_first(self, submitted: Path) -> Spent:
        """From the command to the first submission."""
        build = self.work / "start"
        shutil.rmtree(build, ignore_errors=True)
        command = self._command(submitted, build, ["-c", _TELLING], "--jobs", "1")
        return spend_until(command, _FIRST, course.ROOT, _environment())

    @staticmethod
    def points(build: Path) -> dict[str, float | None]:
        """Points that were given to each student, as the gradebook holds them."""
        return _points(gradebook_in(build))


# ---- plain nbgrader ----------------------------------------------------------------------------------------------


class Plain:
    """`nbgrader autograde` as it comes, in a course folder of its own."""

    def __init__(self, work: Path, timeout: float):
        self.work = work
        source = work / "source" / LAB
        source.mkdir(parents=True)
        shutil.copy(course.WITH_SOLUTIONS / LAB / f"{LAB}.ipynb", source)
        (work / "nbgrader_config.py").write_text(
            "c = get_config()\n"
            f"c.CourseDirectory.root = {str(work)!r}\n"
            f"c.ExecutePreprocessor.timeout = {max(1, round(timeout))}\n"
            "c.ExecutePreprocessor.interrupt_on_timeout = True\n"
        )
        # The learner's kernels are kept in a folder of their own; the last cell of a lab hands in, which is not wanted.
        own = {"LLAISYS_MINI_STUDENT_DIR": str(work / "student"), "LLAISYS_MINI_SUBMITTING": "1"}
        own |= {"IPYTHONDIR": str(work / "ipython"), "JUPYTER_CONFIG_DIR": str(work / "jupyter")}
        self._environment = _environment() | own
        made = spend(self._command("generate_assignment", LAB), work, self._environment, work / "log")
        if not (work / "release" / LAB / f"{LAB}.ipynb").is_file():
            raise RuntimeError(f"nbgrader generate_assignment failed:\n{made.output[-2000:]}")

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "nbgrader", *words]

    def _autograde(self, submitted: Path) -> list[str]:
        shutil.rmtree(self.work / "autograded", ignore_errors=True)
        shutil.rmtree(self.work / "submitted", ignore_errors=True)
        shutil.copytree(submitted, self.work / "submitted")
        return self._command("autograde", LAB)

    def grade(self, submitted: Path) -> Spent:
        command = self._autograde(submitted)
        spent = spend(command, self.work, self._environment, self.work / "log")
        if not any((self.work / "autograded").glob("*")):
            raise RuntimeError(f"{' '.join(command)} graded nothing:\n{spent.output[-2000:]}")
        return spent

    def until_first(self, submitted: Path) -> Spent:
        """From the command until it has prepared the first notebook and starts a kernel for it."""
        return spend_until(self._autograde(submitted), "Autograding ", self.work, self._environment)

    def points(self) -> dict[str, float | None]:
        """Points that were given to each student; none where nbgrader could not grade at all."""
        graded = {folder.name for folder in (self.work / "autograded").glob("*")}
        found = _points(f"sqlite:///{self.work / 'gradebook.db'}")
        return {student: points if student in graded else None for student, points in found.items()}


def _points(url: str) -> dict[str, float | None]:
    from nbgrader.api import Gradebook

    with Gradebook(url) as gradebook:
        return {one.student.id: float(one.score) for one in gradebook.assignment_submissions(LAB)}


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(course.ROOT), os.environ.get("PYTHONPATH")]))
    kept = {name: value for name, value in os.environ.items() if name not in machine.DISTORTING}
    return kept | {"PYTHONPATH": path}


# ---- a Dask cluster ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def cluster(workers: int, work: Path) -> Iterator[tuple[str, "_Cluster"]]:
    """A Dask scheduler and `workers` workers with one thread each, as separate processes of this machine.

    Yields its address and something that tells the CPU seconds that it used so far. Raises ImportError where
    dask.distributed is not installed.
    """
    from distributed import Client

    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    file, log = work / "scheduler.json", open(work / "log", "wb")  # noqa: SIM115 - closed below
    dask = [sys.executable, "-m", "dask"]
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    settings: dict[str, Any] = dict(
        cwd=work, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
    )
    processes = [subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *common], **settings)]
    try:
        processes.append(
            subprocess.Popen(
                [
                    *dask,
                    "worker",
                    "--nworkers",
                    str(workers),
                    "--nthreads",
                    "1",
                    "--local-directory",
                    str(work),
                    *common,
                ],
                **settings,
            )
        )
        end = time.monotonic() + 60
        while not file.is_file():
            if time.monotonic() > end:
                raise RuntimeError(f"no Dask scheduler came up:\n{(work / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        with Client(scheduler_file=str(file), timeout=60) as client:
            client.wait_for_workers(workers, timeout=60)
            address = client.scheduler.address
        yield address, _Cluster([process.pid for process in processes])
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.close()


@dataclass(frozen=True)
class _Cluster:
    pids: list[int]

    def cpu(self) -> float:
        """CPU seconds of all its processes, ended ones included, so far."""
        import psutil  # comes with ipykernel

        total = 0.0
        for pid in self.pids:
            first = psutil.Process(pid)
            for process in [first, *first.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    total += times.user + times.system + times.children_user + times.children_system
        return total
