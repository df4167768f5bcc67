"""The result of grading: the states of a submission and of its parts, and the verdict that holds them."""

from dataclasses import asdict, dataclass, field

GRADED, TIMED_OUT, CRASHED = "graded", "timed out", "crashed"
UNREADABLE, MANUAL, TAMPERING = "unreadable", "needs manual grading", "suspected tampering"
STATES = (UNREADABLE, TAMPERING, TIMED_OUT, CRASHED, MANUAL, GRADED)
"""States of a submission. Of several that fit, the first is shown."""

PASSED, WRONG, NOT_WRITTEN = "passed", "wrong", "not written"
"""Further states of a part. It may also be refused (findings.REFUSED), timed out, crashed, suspected of tampering,
or need manual grading."""


@dataclass
class PartVerdict:
    """What one cell with points gets. points: None if graded by hand. mistake: the sentence it matches, or None."""

    points: float | None
    maximum: float
    state: str
    message: str = ""
    mistake: str | None = None
    task: str | None = None


@dataclass
class Verdict:
    """What one submission gets. sources: what was run, by task; written: answers to written questions, by cell.

    cpu, wall: seconds of its workers; peak: bytes of memory.
    """

    student: str
    lab: str
    state: str = GRADED
    reason: str = ""
    parts: dict[str, PartVerdict] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tampering: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    cpu: float = 0.0
    wall: float = 0.0
    peak: int = 0

    @property
    def points(self) -> float:
        """Points decided so far."""
        return sum((part.points or 0.0 for part in self.parts.values()), 0.0)

    @property
    def maximum(self) -> float:
        return sum((part.maximum for part in self.parts.values()), 0.0)

    @property
    def open_points(self) -> float:
        """Points that are still to be given by hand."""
        return sum((part.maximum for part in self.parts.values() if part.points is None), 0.0)

    def as_data(self) -> dict:
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict) -> "Verdict":
        parts = {name: PartVerdict(**part) for name, part in data["parts"].items()}
        return cls(**{**data, "parts": parts})
