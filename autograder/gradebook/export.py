"""The rows of the CSV export: plain, for each question, and in the forms that Moodle and Canvas read.

Nothing in them depends on the clock, and no cell is taken for a formula, whatever a student is called.
"""

from autograder.gradebook.late import Deadlines, Late
from autograder.gradebook.report import NOT_GRADED, NOT_HANDED_IN, with_absent
from autograder.judge.submission import UNREADABLE, Verdict
from autograder.plain import spreadsheet_cell
from autograder.reading.people import Left
from autograder.tasks import plan_of


def rows(
    verdicts: list[Verdict],
    lms: str = "plain",
    left: list[Left] | tuple = (),
    lab: str | None = None,
    deadlines: Deadlines | None = None,
):
    """The rows of the export, the head first. lms: plain, moodle or canvas; lab: of this one alone; deadlines: what a
    system gets are then the points after lateness, and the plain form has columns for it."""
    late = deadlines.applied(verdicts) if deadlines is not None else {}
    verdicts = [v for v in verdicts if lab in (None, v.lab)]
    if lms == "plain":
        made = _plain(verdicts, left, deadlines, late)
    elif lms == "moodle" and lab is not None:
        made = _worksheet(verdicts, late)
    else:
        made = _table(verdicts, lms, late)
    return (list(map(spreadsheet_cell, row)) for row in made)


def questions(verdicts: list[Verdict]):
    """A row for each part of each submission: what was given, of how much. An empty cell is not decided yet."""
    yield ["student", "lab", "question", "state", "points", "maximum"]
    for v in verdicts:
        for name, part in v.parts.items():
            points = "" if part.points is None else part.points
            yield list(map(spreadsheet_cell, [v.student, v.lab, name, part.state, points, part.maximum]))


def _plain(verdicts, left, deadlines, late):
    more = [] if deadlines is None else ["handed in", "days late", "free days", "points after lateness"]
    yield ["student", "lab", "state", "points", "points open", "maximum", "reason", *more]
    for v in with_absent(verdicts):
        if isinstance(v, Verdict):
            row = [v.student, v.lab, v.state, v.points, v.open_points, v.maximum, v.reason or "; ".join(v.tampering)]
            if deadlines is not None:
                its, date = late.get((v.student, v.lab)), deadlines.date_of(v)
                row += [
                    date.isoformat() if date else "",
                    *((its.days, its.free, its.points) if its else ("", "", v.points)),
                ]
            yield row
        else:
            yield [*v, NOT_HANDED_IN, "", "", plan_of(v[1]).points, "", *("" for _ in more)]
    for place in left:
        yield [place.student, "", NOT_GRADED, "", "", "", str(place), *("" for _ in more)]


def _worksheet(verdicts, late):
    """Moodle's worksheet for the offline grading of one assignment, with Moodle's own numbers."""
    yield ["Identifier", "Full name", "Grade", "Feedback comments"]
    for v in verdicts:
        yield [f"Participant {v.lms_id}" if v.lms_id else "", v.student, _decided(v, late), v.state]


def _table(verdicts, lms, late):
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
        points = [_decided(v, late) if v is not None else "" for v in mine]
        yield [*names, *points, *(v.state if v is not None else NOT_HANDED_IN for v in mine)]


def _decided(verdict: Verdict, late: dict[tuple[str, str], Late]):
    """An empty cell is "no grade yet": only what is decided is handed to a gradebook as a number."""
    if verdict.state == UNREADABLE or verdict.open_points:
        return ""
    its = late.get((verdict.student, verdict.lab))
    return verdict.points if its is None else its.points
