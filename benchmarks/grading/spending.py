"""Commands, each in a process of its own, and what that process used.

CPU seconds are those of the command and of every process that it started: workers, kernels, sandboxes. The system adds
them up for whatever waits for a process to end. bubblewrap does not wait for what runs in it, so that is watched.
"""

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import machine, surroundings
from benchmarks.surroundings import Usage


@dataclass(frozen=True)
class Spent:
    """What one command took, in seconds. used: of the whole machine meanwhile, None where the system does not tell."""

    wall: float
    cpu: float
    used: Usage | None
    output: str

    def trouble(self, elsewhere: float = 0.0) -> str | None:
        """What disturbed it, or None. elsewhere: CPU seconds of processes that belong to it and are no children."""
        if self.used is None:
            return None
        cores = machine.cores()
        return surroundings.disturbance(replace(self.used, own=self.used.own + elsewhere), cores, cores)


def spend(command: list[str], cwd: Path, environment: dict[str, str], log: Path) -> Spent:
    """Run a command to its end. Its exit status does not matter: nbgrader's tells of any damaged submission."""
    before, start = surroundings.usage_now(), time.perf_counter()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        inside = _InBubblewrap(process.pid)
        try:
            pid = 0
            while not pid:
                time.sleep(_LOOK)
                inside.look()
                pid, status, used = os.wait4(process.pid, os.WNOHANG)
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            process.kill()
            process.wait()
            raise
    wall, meanwhile = time.perf_counter() - start, _meanwhile(before, inside)
    cpu = used.ru_utime + used.ru_stime + inside.cpu()
    return Spent(wall, cpu, meanwhile, log.read_text(encoding="utf-8", errors="replace"))


_LOOK, _SEARCH = 0.05, 0.5  # seconds between two looks at the known processes, and between two searches for new ones


class _InBubblewrap:
    """The processes below `root` that run in bubblewrap, and the CPU seconds that each had used when last seen."""

    def __init__(self, root: int):
        self._root, self._searched = root, 0.0
        self._seconds: dict[int, float] = {}
        self._there: list[int] = []

    def look(self) -> None:
        if time.monotonic() - self._searched > _SEARCH:
            self._there, self._searched = self._search(), time.monotonic()
        for pid in self._there:
            with contextlib.suppress(OSError, ValueError, IndexError):
                # utime stime cutime cstime: its own time, and that of the children it has waited for
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                self._seconds[pid] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def _search(self) -> list[int]:
        import psutil  # comes with ipykernel

        found = []
        with contextlib.suppress(psutil.Error):
            for one in psutil.Process(self._root).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if one.name() != "bwrap" and one.parent().name() == "bwrap":
                        found.append(one.pid)
        return found

    def cpu(self) -> float:
        return sum(self._seconds.values())


def _meanwhile(before: Usage | None, inside: _InBubblewrap) -> Usage | None:
    """What the whole machine used since `before`; what ran inside is this command's own."""
    after = surroundings.usage_now()
    if before is None or after is None:
        return None
    used = after - before
    return replace(used, own=used.own + inside.cpu())


def spend_until(command: list[str], marker: str, cwd: Path, environment: dict[str, str]) -> Spent:
    """Run a command until it prints `marker`; then it is ended, with what it started. wall: until then."""
    before, start = surroundings.usage_now(), time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None  # since it is a pipe
    inside = _InBubblewrap(process.pid)
    seen, wall = [], None
    try:
        for line in process.stdout:
            seen.append(line)
            if marker in line:
                wall = time.perf_counter() - start
                inside.look()
                break
    finally:
        process.send_signal(2)  # as Ctrl+C: both end what they started
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    if wall is None:
        raise RuntimeError(f"{' '.join(command)} never said {marker!r}:\n{''.join(seen[-20:])}")
    return Spent(wall, 0.0, _meanwhile(before, inside), "".join(seen))
