"""The result of grading: the states of a submission and of its parts, and the verdict that holds them."""

from dataclasses import asdict, dataclass, field, fields

from autograder.plain import plain, plain_source

GRADED, TIMED_OUT, CRASHED = "graded", "timed out", "crashed"
UNREADABLE, MANUAL, TAMPERING = "unreadable", "needs manual grading", "suspected tampering"
FAILED = "error while grading"
STATES = (FAILED, UNREADABLE, TAMPERING, TIMED_OUT, CRASHED, MANUAL, GRADED)
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

    cpu, wall: seconds of its workers; peak: bytes of memory. trace: of the exception that ended the grading, for the
    log. lms_id: the student's number in the learning management system that the file came from. handed_in: when, in
    ISO form with its zone, or "" if that is not known.
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
    trace: str = ""
    lms_id: str = ""
    handed_in: str = ""

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

    def plain(self) -> "Verdict":
        """Itself, with every text fit to be kept and shown: each may quote what a student wrote."""
        self.reason, self.trace = plain(self.reason), plain(self.trace)
        self.notes = [plain(note) for note in self.notes[:_MOST_LINES]]
        self.tampering = [plain(sign, _MOST_OF_A_SIGN) for sign in self.tampering[:_MOST_LINES]]
        self.written = {name: plain_source(text) for name, text in self.written.items()}
        self.sources = {name: plain_source(text) for name, text in self.sources.items()}
        for part in self.parts.values():
            part.message = plain(part.message)
            part.mistake = plain(part.mistake) if part.mistake else part.mistake
        return self

    def fail(self, reason: str, trace: str = "") -> "Verdict":
        """Itself as one whose grading ended in an error: no points are decided, a person has a look."""
        self.state, self.reason, self.trace = FAILED, reason, trace
        for part in self.parts.values():
            # The reason is for the instructor: the text of an exception may hold anything.
            part.points, part.state, part.message = None, FAILED, "an error of the grader; a person decides"
        return self.plain()

    def as_data(self) -> dict:
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict) -> "Verdict":
        parts = {name: PartVerdict(**part) for name, part in data["parts"].items()}
        known = {f.name for f in fields(cls)}  # a report of another version may have more
        return cls(**{**{name: value for name, value in data.items() if name in known}, "parts": parts})


_MOST_LINES = 200  # of notes and signs
_MOST_OF_A_SIGN = 500  # characters
