"""What the sanitizer reports about a kernel: findings (errors) and remarks (slow or odd, but right)."""

import linecache
from dataclasses import dataclass

from llaisys_mini.errors import KernelError

OUT_OF_BOUNDS = "out-of-bounds access"
MISALIGNED = "misaligned address"
UNINITIALISED = "uninitialised memory"
RACE = "data race"
BARRIER = "barrier divergence"
INACTIVE_LANES = "inactive lanes"
RUNAWAY = "runaway loop"
LIMIT = "hardware limit"
READ_ONLY = "write to an input"
DIVISION = "division by zero"
ASSERTION = "failed assertion"
KINDS = (
    *(OUT_OF_BOUNDS, MISALIGNED, UNINITIALISED, RACE, BARRIER, INACTIVE_LANES, RUNAWAY, LIMIT, READ_ONLY, DIVISION),
    ASSERTION,
)
"""Kinds of findings: each makes a kernel wrong."""

FLOAT64 = "accidental float64"
SAME_VALUE = "benign data race"
NEGATIVE = "negative index"
UNUSED = "unused uninitialised memory"
EARLY_RETURN = "threads that have returned"
UNWRITTEN = "elements never written"
REMARKS = (UNWRITTEN, FLOAT64, SAME_VALUE, NEGATIVE, UNUSED, EARLY_RETURN)
"""Kinds of remarks."""


@dataclass
class Finding:
    """One thing that is wrong, or remarkable, on one line of a kernel.

    thread: who did it first, as text; times: how often it happened (once per statement and set of threads).
    """

    kind: str
    message: str
    kernel: str
    file: str
    line: int
    thread: str = ""
    times: int = 1

    @property
    def source(self) -> str:
        """The line's text."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def is_remark(self) -> bool:
        return self.kind in REMARKS

    def __str__(self) -> str:
        text = f"{self.kernel}, line {self.line}: {self.kind}: {self.message}"
        return f"{text}\n    {self.source}" if self.source else text


class SanitizerError(KernelError):
    """A kernel did something that is wrong on a GPU. `report` holds all findings."""

    def __init__(self, report, findings):
        self.report = report
        self.findings = findings
        super().__init__("\n".join(map(str, findings)))


class RefusedKernel(KernelError):
    """A kernel cannot be run. kernel, line: where; a launch fills them in where whoever raises does not know them."""

    def __init__(self, sentence: str, kernel: str = "", line: int = 0):
        self.sentence, self.kernel, self.line = sentence, kernel, line
        super().__init__(f"{kernel}, line {line}: {sentence}" if line else sentence)


class UnsupportedInKernel(RefusedKernel):
    """A kernel uses something that the sanitizer does not know. On a GPU it may be right."""


class DoesNotCompile(RefusedKernel):
    """A kernel uses something that numba-cuda refuses: see accepted."""


class Halt(Exception):
    """Raised to end a launch that cannot go on, after its finding was reported."""
