"""The sandbox of a worker: the strongest that works on this machine, found by trying, and named in the report.

    bubblewrap    namespaces (own files, network, processes), and inside them everything below
    landlock      file rules, a system call filter and resource limits; works inside Docker too
    limits        resource limits alone. Reduced isolation: a class is graded with it only when asked for

A worker can write nowhere, so there is no scratch to fill. It sees Python, the libraries and the parts of
`llaisys_mini` that a kernel needs.

bubblewrap.py, landlock.py, seccomp.py, limits.py: one mechanism each.
"""

import ctypes
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autograder.sandbox import bubblewrap, landlock, limits, seccomp
from autograder.sandbox.limits import Limits
from llaisys_mini import paths

BUBBLEWRAP, LANDLOCK, LIMITS = "bubblewrap", "landlock", "limits"
LEVELS = (BUBBLEWRAP, LANDLOCK, LIMITS)
"""From the strongest to the weakest."""

_COURSE = Path(__file__).resolve().parents[2]
_SECRET_PARTS = {"exercises", "student", "_course", "__pycache__"}
"""Parts of the package that a student's code must not read while it is graded."""


@dataclass(frozen=True)
class Sandbox:
    """level: one of LEVELS; parts: the mechanisms in force, for the report."""

    level: str
    parts: tuple[str, ...]

    @property
    def reduced(self) -> bool:
        return self.level == LIMITS

    def __str__(self) -> str:
        return ", ".join(self.parts) + (" (reduced isolation)" if self.reduced else "")


def describe(level: str) -> Sandbox:
    """What a level consists of on this machine."""
    parts = ["bubblewrap"] if level == BUBBLEWRAP else []
    if level != LIMITS:
        parts += [f"Landlock {landlock.version()}"] if landlock.version() else []
        parts += ["system call filter"] if seccomp.available() else []
    return Sandbox(level, (*parts, "resource limits"))


def candidates() -> list[str]:
    """The levels worth trying here. Whether one really holds is found out by autograder.worker.probe."""
    found = [LIMITS]
    if landlock.version() and seccomp.available():
        found.insert(0, LANDLOCK)
        if shutil.which("bwrap"):
            found.insert(0, BUBBLEWRAP)
    return found


def command(level: str, scratch: Path, argv: list[str]) -> list[str]:
    """The command that starts a warm parent under `level`."""
    if level != BUBBLEWRAP:
        return argv
    files = [path for path in system_paths() if not path.is_relative_to("/dev")]  # bubblewrap makes its own
    return bubblewrap.command([*files, _COURSE / "llaisys_mini", _COURSE / "autograder"], scratch, argv)


def restrict(level: str, scratch: Path, allowed: Limits) -> None:
    """Called in a worker before it touches a student's code; nothing of it can be undone. Raises OSError."""
    limits.apply(allowed)
    if level == LIMITS:
        return
    _drop_capabilities()
    landlock.restrict([*system_paths(), *_package_parts(), scratch])
    seccomp.restrict()


def _drop_capabilities() -> None:
    """Drop all of root's capabilities, for a grader that runs as root (as in Docker)."""
    version_3, this_process = 0x20080522, 0
    header = (ctypes.c_uint32 * 2)(version_3, this_process)
    if ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError("capabilities cannot be dropped")


def adopt_orphans() -> None:
    """Have processes whose parent ended become children of this one, so that `sweep` finds them (Linux)."""
    if sys.platform == "linux":
        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def sweep() -> int:
    """Kill every child process that is left, and theirs. Returns how many there were."""
    count = 0
    while children := _children():
        for child in children:
            count += 1
            try:
                os.kill(child, 9)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
    return count


def _children() -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


@cache
def system_paths() -> list[Path]:
    """Python and the libraries."""
    named = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    found = [Path(p) for p in named if Path(p) != Path("/") and Path(p).is_dir()]
    found += [Path(p) for p in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")]
    return sorted(set(found))


@cache
def _package_parts() -> list[Path]:
    return [path for path in sorted(paths.PACKAGE.iterdir()) if path.name not in _SECRET_PARTS] + [
        _COURSE / "autograder" / "channel.py"
    ]
