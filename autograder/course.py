"""The course's folders and the user's home, its labs by name, and the error that the autograder's commands raise."""

import errno
import os
from pathlib import Path

from llaisys_mini.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "solutions" / "labs"
KERNELS = ROOT / "solutions" / "kernels"
RELEASE = ROOT / "labs"
WITH_SOLUTIONS = ROOT / "build" / "labs"
RELEASED = ROOT / "build" / "released"
"""The release notebooks again, for grading. Those in `labs/` may hold a learner's work, so they are not read."""


class GradingError(UserError):
    """The autograder cannot do what was asked; the message says what to do."""


def lab_names() -> list[str]:
    """The labs of the course in order."""
    return sorted(path.stem for path in SOURCES.glob("[0-9][0-9]_*.py"))


_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO}


def fault_of_machine(problem: BaseException) -> str | None:
    """A sentence where an exception says that the machine cannot go on, such as a full disk; None for any other."""
    return told_of(problem) if isinstance(problem, OSError) and problem.errno in _OF_THE_MACHINE else None


def told_of(problem: OSError) -> str:
    """What the system refused, on which file, and what to do."""
    where = str(problem.filename or "a file")
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: {where} cannot be written. Make room; `grade --resume` then goes on"
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where} may not be read or written: {problem.strerror}. Change its rights, or name another --build"
    return f"{where}: {problem.strerror or problem}"


def be_at_home_somewhere() -> None:
    """Where nobody knows this user's home, take / for it, as containers do. Jupyter's packages raise without one,
    though nothing is written there.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
