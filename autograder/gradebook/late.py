"""Late submissions: one small file of the instructor's says what is due when, what a day costs, and who has longer.

    per_day = 10              # percent of a lab's points that each day begun costs
    grace = 15                # minutes that are forgiven
    free_days = 3             # late days of each student that cost nothing, over the whole course

    [due]
    07_softmax = 2026-03-01T23:59:00+01:00
    09_matmul = 2026-03-15T23:59:00      # without a zone: this machine's

    [extensions.ada]          # days more, for one lab or for all
    07_softmax = 4
    all = 1

    [handed_in."Bo Li"]       # where no date came with the file, as in the downloads of Moodle and Canvas
    07_softmax = 2026-03-02T10:00:00+01:00

Only the export applies it: gradebook and feedback keep the points that the work deserves.
"""

import math
import tomllib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from autograder.course import GradingError, lab_names
from autograder.judge.verdicts import Verdict

_KEYS = {"per_day", "grace", "free_days", "due", "extensions", "handed_in"}


@dataclass(frozen=True)
class Late:
    """days: begun after the deadline, extensions counted; free: of these the ones that cost nothing; points: what is
    left of the verdict's points."""

    days: int
    free: int
    points: float


@dataclass(frozen=True)
class Deadlines:
    """due: by lab, with a zone; extensions: days by student, then by lab or "all"; per_day: percent; grace: minutes;
    handed_in: dates by student, then by lab, which count before that of the file."""

    due: dict[str, datetime] = field(default_factory=dict)
    extensions: dict[str, dict[str, float]] = field(default_factory=dict)
    per_day: float = 0
    grace: float = 0
    free_days: int = 0
    handed_in: dict[str, dict[str, datetime]] = field(default_factory=dict)

    def date_of(self, verdict: Verdict) -> datetime | None:
        """When it was handed in, with a zone; None where nothing says so."""
        told = self.handed_in.get(verdict.student, {}).get(verdict.lab)
        return told or (datetime.fromisoformat(verdict.handed_in) if verdict.handed_in else None)

    def doubts(self, verdicts: list[Verdict], lab: str | None = None) -> list[str]:
        """Sentences on what the file leaves open, since the points look decided all the same. lab: this one alone."""
        due = [v for v in verdicts if v.lab in self.due and lab in (None, v.lab)]
        undated = [f"{v.student} {v.lab}" for v in due if self.date_of(v) is None]
        told = []
        if undated:
            names = ", ".join(undated[:5]) + (", ..." if len(undated) > 5 else "")
            told.append(
                f"nothing was taken off {len(undated)} of {len(due)} submissions, as no date came with them ({names}). "
                "Downloads of Moodle and Canvas hold none; [handed_in.<student>] names it"
            )
        for name in sorted({*self.extensions, *self.handed_in} - {v.student for v in verdicts}):
            told.append(f"{name} handed in nothing; names are those of the report")
        return told

    def days_late(self, verdict: Verdict) -> int | None:
        """Days begun after the deadline; None where there is none, or no date of handing in is known."""
        date = self.date_of(verdict)
        if verdict.lab not in self.due or date is None:
            return None
        longer = self.extensions.get(verdict.student, {})
        days = longer.get("all", 0) + longer.get(verdict.lab, 0)
        deadline = self.due[verdict.lab] + timedelta(days=days, minutes=self.grace)
        after = (date - deadline).total_seconds()
        return max(0, math.ceil(after / 86_400))

    def applied(self, verdicts: list[Verdict]) -> dict[tuple[str, str], Late]:
        """What lateness does to each verdict that is late or in time, by (student, lab). Free days go to the labs that
        were due first."""
        left = dict.fromkeys((v.student for v in verdicts), self.free_days)
        found = {}
        for v in sorted(verdicts, key=lambda v: (self.due[v.lab].timestamp() if v.lab in self.due else 0, v.lab)):
            days = self.days_late(v)
            if days is None:
                continue
            free = min(days, left[v.student])
            left[v.student] -= free
            lost = (days - free) * self.per_day / 100 * v.maximum
            found[v.student, v.lab] = Late(days, free, max(0.0, round(v.points - lost, 2)))
        return found


def read(path: Path) -> Deadlines:
    """The deadlines in a file. Raises GradingError, which names what is wrong in it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GradingError(f"{path} is not there; it should say what is due when") from None
    except (OSError, ValueError) as problem:
        raise GradingError(f"{path} cannot be read: {problem}") from None
    unknown = set(data) - _KEYS
    if unknown:
        raise GradingError(f"{path}: {', '.join(sorted(unknown))} means nothing; there are {', '.join(sorted(_KEYS))}")
    due, extensions, handed_in = (data.get(key, {}) for key in ("due", "extensions", "handed_in"))
    tables = [due, extensions, handed_in, *(handed_in.values() if isinstance(handed_in, dict) else ())]
    if not all(isinstance(table, dict) for table in tables):
        raise GradingError(f"{path}: [due], [extensions.<student>] and [handed_in.<student>] are tables")
    due = _dates(path, due)
    handed_in = {student: _dates(path, dates) for student, dates in handed_in.items()}
    for student, days in extensions.items():
        if not isinstance(days, dict) or not all(_is_number(n) for n in days.values()):
            raise GradingError(f"{path}: an extension looks like [extensions.{student}] and 07_softmax = 3, in days")
        for lab in set(days) - {"all", *lab_names()}:
            raise GradingError(f"{path}: {student} has an extension for {lab}, which is no lab")
    numbers = {key: data[key] for key in ("per_day", "grace", "free_days") if key in data}
    for key, number in numbers.items():
        if not _is_number(number) or number < 0:
            raise GradingError(f"{path}: {key} must be a number, not {number!r}")
    return Deadlines(due, extensions, **numbers, handed_in=handed_in)


def _dates(path: Path, dates: dict) -> dict[str, datetime]:
    """Dates of labs; one without a zone is this machine's."""
    for lab, date in dates.items():
        if lab not in lab_names():
            raise GradingError(f"{path}: there is no lab {lab}; there are {', '.join(lab_names())}")
        if not isinstance(date, datetime):
            raise GradingError(f"{path}: {lab} needs a date with a time, such as 2026-03-01T23:59:00+01:00")
    return {lab: date if date.tzinfo else date.astimezone() for lab, date in dates.items()}


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
