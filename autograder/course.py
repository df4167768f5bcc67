"""The course's folders, its labs by name, and the error that the autograder's commands raise."""

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
