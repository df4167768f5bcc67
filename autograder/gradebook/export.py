"""The rows of the CSV export: plain, for each question, and in the forms that Moodle and Canvas read.

Nothing in them depends on the clock, and no cell is taken for a formula, whatever a student is called.
"""

from autograder.gradebook.report import NOT_GRADED, NOT_HANDED_IN, with_absent
from autograder.judge.submission import UNREADABLE, Verdict
from autograder.reading.collected import Left
from autograder.tasks import plan_of

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # Japanese settings take the wide signs alike


def rows(verdicts: list[Verdict], lms: str = "plain", left: list[Left] | tuple = (), lab: str | None = None):
    """The rows of the export, the head first. lms: plain, moodle or canvas; lab: of this one alone."""
    verdicts = [v for v in verdicts if lab in (None, v.lab)]
    if lms == "plain":
        made = _plain(verdicts, left)
    elif lms == "moodle" and lab is not None:
        made = _worksheet(verdicts)
    else:
        made = _table(verdicts, lms)
    return (list(map(_cell, row)) for row in made)


def questions(verdicts: list[Verdict]):
    """A row for each part of each submission: what was given, of how much. An empty cell is not decided yet."""
    yield ["student", "lab", "question", "state", "points", "maximum"]
    for v in verdicts:
        for name, part in v.parts.items():
            points = "" if part.points is None else part.points
            yield list(map(_cell, [v.student, v.lab, name, part.state, points, part.maximum]))


def _plain(verdicts, left):
    yield ["student", "lab", "state", "points", "points open", "maximum", "reason"]
    for v in with_absent(verdicts):
        if isinstance(v, Verdict):
            yield [v.student, v.lab, v.state, v.points, v.open_points, v.maximum, v.reason or "; ".join(v.tampering)]
        else:
            yield [*v, NOT_HANDED_IN, "", "", plan_of(v[1]).points, ""]
    for place in left:
        yield [place.student, "", NOT_GRADED, "", "", "", str(place)]


def _worksheet(verdicts):
    """Moodle's worksheet for the offline grading of one assignment, with Moodle's own numbers."""
    yield ["Identifier", "Full name", "Grade", "Feedback comments"]
    for v in verdicts:
        yield [f"Participant {v.lms_id}" if v.lms_id else "", v.student, _decided(v), v.state]


def _table(verdicts, lms):
    """A row for each student, a column for each lab."""
    labs = sorted({v.lab for v in verdicts})
    found = {(v.student, v.lab): v for v in verdicts}
    numbers = {v.student: v.lms_id for v in verdicts if v.lms_id}
    first = {"moodle": ["username"], "canvas": ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]}[lms]
    yield [*first, *labs, *(f"{lab} state" for lab in labs)]
    if lms == "canvas":
        yield ["    Points Possible", "", "", "", "", *(plan_of(lab).points for lab in labs), *("" for _ in labs)]
    for student in sorted({v.student for v in verdicts}):
        sis = "" if student in numbers else student
        names = [student] if lms == "moodle" else [student, numbers.get(student, ""), sis, sis, ""]
        mine = [found.get((student, lab)) for lab in labs]
        points = [_decided(v) if v is not None else "" for v in mine]
        yield [*names, *points, *(v.state if v is not None else NOT_HANDED_IN for v in mine)]


def _decided(verdict: Verdict):
    """An empty cell is "no grade yet": only what is decided is handed to a gradebook as a number."""
    return verdict.points if verdict.state != UNREADABLE and not verdict.open_points else ""


def _cell(value):
    """A text that no spreadsheet takes for a formula; numbers as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
