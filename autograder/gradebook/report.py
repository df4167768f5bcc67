"""What people read: the instructor's page and table, and a feedback page for each student.

Every page is one file that works offline and on a phone. Templates: pages/*.html.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import jinja2
from rich.table import Table
from rich.text import Text

from autograder.copies import told
from autograder.course import GradingError, lab_names
from autograder.gradebook import statistics
from autograder.judge.submission import FAILED, GRADED, MANUAL, NOT_WRITTEN, PASSED, STATES, Verdict
from autograder.reading.people import Left
from autograder.tasks import make_if_stale, plan_of
from llaisys_mini.files import write_atomically

NOT_HANDED_IN, NOT_GRADED = "not handed in", "not graded"

MEANING = {
    "graded": "all points are decided",
    "timed out": "a task did not end in time; the other tasks count",
    "crashed": "a task ended the process or ran into the memory limit; the other tasks count",
    "unreadable": "no notebook could be read; ask the student for it",
    "needs manual grading": "some points are given by hand: see formgrader",
    "suspected tampering": "the notebook holds code that no lab needs; it changes no points. Have a look at it",
    FAILED: "grading it ended in an error of the grader; no points are decided. See build/grading/errors.log",
    NOT_HANDED_IN: "there is no submission",
    NOT_GRADED: "it was handed in, but belongs to no student or no lab",
}


def write_all(verdicts: list[Verdict], build: Path, sandbox: str, url: str, left: list[Left] | None = None) -> Path:
    """Keep the verdicts beside those of earlier runs, write every page; returns the instructor's.

    left: what could not be graded, in the place of what earlier runs said; None keeps that.
    """
    earlier = load(build)[0] if _kept(build).is_file() else []
    left = load_left(build) if left is None else left
    everything = {(v.student, v.lab): v for v in [*earlier, *verdicts]}
    ordered = [everything[name] for name in sorted(everything)]
    _keep(build, sandbox, [verdict.as_data() for verdict in ordered], [asdict(place) for place in left])
    add_manual_grades(ordered, url)
    for verdict in verdicts:
        write_feedback(verdict, build)
    return write_page(ordered, build, sandbox)


def _keep(build: Path, sandbox: str, verdicts: list[dict], left: list[dict]) -> None:
    write_atomically(
        _kept(build), json.dumps({"sandbox": sandbox, "verdicts": verdicts, "left": left}, indent=1) + "\n"
    )


def forget(build: Path, is_of: Callable[[str, str], bool], student: str | None) -> list[Verdict]:
    """Take the verdicts on these (student, lab) out of what is kept, and of a student all that could not be graded;
    returns the others."""
    data = json.loads(_kept(build).read_text(encoding="utf-8"))
    verdicts = [verdict for verdict in data["verdicts"] if not is_of(verdict["student"], verdict["lab"])]
    left = [place for place in data.get("left", ()) if student is None or place["student"] != student]
    _keep(build, data["sandbox"], verdicts, left)
    return load(build)[0]


def load_left(build: Path) -> list[Left]:
    """What the last run found and could not grade."""
    if not _kept(build).is_file():
        return []
    return [Left(**place) for place in json.loads(_kept(build).read_text(encoding="utf-8")).get("left", ())]


def load(build: Path) -> tuple[list[Verdict], str]:
    """The last verdict on each submission, and the sandbox of the last run. Raises GradingError if there are none."""
    if not _kept(build).is_file():
        raise GradingError(f"nothing is graded yet: {_kept(build)} is missing. Run: python -m autograder grade")
    make_if_stale()
    data = json.loads(_kept(build).read_text(encoding="utf-8"))
    known = lab_names()
    return [Verdict.from_data(verdict) for verdict in data["verdicts"] if verdict["lab"] in known], data["sandbox"]


def _kept(build: Path) -> Path:
    return build / "grading" / "verdicts.json"


def add_manual_grades(verdicts: list[Verdict], url: str) -> None:
    """Put the points given by hand in formgrader into the verdicts. url: of the gradebook."""
    from nbgrader.api import MissingEntry

    from autograder.gradebook.book import opened

    with opened(url) as gradebook:
        for verdict in verdicts:
            try:
                submission = gradebook.find_submission_notebook(verdict.lab, verdict.lab, verdict.student)
            except MissingEntry:
                continue
            for grade in submission.grades:
                part = verdict.parts.get(grade.name)
                if part is not None and grade.manual_score is not None and not grade.needs_manual_grade:
                    part.points = min(float(grade.manual_score) + float(grade.extra_credit or 0), part.maximum)
                    part.state, part.message = GRADED, "graded by hand"
            if verdict.state in (MANUAL, FAILED) and not verdict.open_points:
                verdict.state = GRADED


def number(value: float) -> str:
    """3 for 3.0, 2.5 for 2.5."""
    return f"{value:g}"


# ---- tables ------------------------------------------------------------------------------------------------------


def terminal_table(verdicts: list[Verdict]) -> Table:
    """A row for each submission."""
    table = Table(box=None, pad_edge=False)
    table.add_column("student", overflow="fold")
    table.add_column("lab", overflow="fold")
    table.add_column("points", justify="right")
    table.add_column("to read", justify="right")
    table.add_column("state", overflow="fold")
    colours = {GRADED: "green", MANUAL: "yellow"}
    for v in verdicts:
        colour = colours.get(v.state, "red")
        points = f"{number(v.points)}/{number(v.maximum)}"
        to_read = number(v.open_points) if v.open_points else ""
        table.add_row(Text(v.student), v.lab, points, to_read, f"[{colour}]{v.state}")
    return table


def with_absent(verdicts: list[Verdict]):
    """The verdicts in order, and (student, lab) for every lab that a student of the class did not hand in."""
    found = {(v.student, v.lab): v for v in verdicts}
    labs = sorted({v.lab for v in verdicts})
    for student in sorted({v.student for v in verdicts}):
        for lab in labs:
            yield found.get((student, lab), (student, lab))


# ---- pages -------------------------------------------------------------------------------------------------------


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).resolve().parents[1] / "pages")
    made = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters["number"] = number
    made.globals.update(
        PASSED=PASSED, MANUAL=MANUAL, NOT_WRITTEN=NOT_WRITTEN, GRADED=GRADED, FAILED=FAILED, MEANING=MEANING
    )
    return made


def write_feedback(verdict: Verdict, build: Path) -> Path:
    """The page of one student, where nbgrader's release_feedback looks for it."""
    path = build / "feedback" / verdict.student / verdict.lab / f"{verdict.lab}.html"
    order = [part.grade_id for part in plan_of(verdict.lab).parts]
    parts = [(name, verdict.parts[name]) for name in order if name in verdict.parts]
    write_atomically(path, _templates().get_template("feedback.html").render(verdict=verdict, parts=parts))
    return path


def write_page(verdicts: list[Verdict], build: Path, sandbox: str) -> Path:
    """The instructor's page."""
    mistakes = Counter(
        (v.lab, part.task, part.mistake)
        for v in verdicts
        for part in {(p.task, p.mistake): p for p in v.parts.values() if p.mistake}.values()
    )
    labs = []
    for lab in sorted({v.lab for v in verdicts}):
        mine = [v for v in verdicts if v.lab == lab]
        about = {"name": lab, "submissions": mine, "bins": _bins(mine)}
        (spread,), asked = statistics.spreads(mine), statistics.questions(mine)
        labs.append(about | {"spread": spread, "questions": asked})
    path = build / "report.html"
    text = (
        _templates()
        .get_template("report.html")
        .render(
            labs=labs,
            absent=[v for v in with_absent(verdicts) if not isinstance(v, Verdict)],
            count=len(verdicts),
            students=len({v.student for v in verdicts}),
            sandbox=sandbox,
            states=[(state, n) for state in STATES if (n := sum(v.state == state for v in verdicts))],
            mistakes=mistakes.most_common(20),
            slowest=[v for v in sorted(verdicts, key=lambda v: -v.cpu)[:5] if v.cpu > 0],
            suspicious=[v for v in verdicts if v.tampering],
            failed=[v for v in verdicts if v.state == FAILED],
            left=load_left(build),
            copies=_copies(build),
            limits=[(v, n, p) for v in verdicts for n, p in v.parts.items() if p.state in ("timed out", "crashed")],
        )
    )
    write_atomically(path, text)
    return path


def _copies(build: Path) -> dict | None:
    """What `copies` found in its last run."""
    found = told.load(build)
    return None if found is None else {"hint": told.HINT, "pairs": told.shown(found[0]), "count": len(found[0])}


def _bins(verdicts: list[Verdict], count: int = 10) -> list[dict]:
    """How many submissions reached which tenth of the points, as bars of percent."""
    tally = Counter(min(int(count * v.points / v.maximum), count - 1) if v.maximum else 0 for v in verdicts)
    highest = max(tally.values(), default=1)
    return [
        {"from": 100 * i // count, "to": 100 * (i + 1) // count, "count": tally[i], "height": 100 * tally[i] / highest}
        for i in range(count)
    ]
