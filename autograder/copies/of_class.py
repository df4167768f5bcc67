"""The copies check of a class: which two handed in answers that are alike beyond what the task and the class explain.

What is compared, for each task and each written question of a lab:

- of code the subtrees of its syntax tree in a normal form (normal.py), of text its runs of words (words.py);
- less what the released lab itself holds;
- weighed by how few of the class have it (alike.py); what the course's own answer holds too counts half.

The course's own answers, which anyone can read, take part as one more student. Since all of theirs counts half, a copy
of one is told of only where the answer is long enough that nobody would write the same by himself.

An answer that is short leaves no room for differences, so nothing is said of it. Nothing is executed, and the time for
one submission is bounded.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from autograder import tasks
from autograder.copies.alike import Alike, alike
from autograder.copies.normal import Piece, pieces_of
from autograder.copies.words import runs_of
from autograder.course import fault_of_machine
from autograder.judge.watch import TookTooLong, limited
from autograder.plain import plain
from autograder.reading import slicing
from autograder.reading.files import Unreadable
from autograder.reading.notebook import Reading, cells_of
from autograder.reading.submission import Submission, read_submission, written_answer
from autograder.tasks import Plan

SOLUTION = "the course's own answer"
"""Its name in a pair."""

SECONDS_TO_READ = 20
"""Of computing, for one submission."""


@dataclass(frozen=True)
class Measure:
    """From where on two answers are told. share: of the shorter one; weight: of what both hold (see alike.Alike)."""

    share: float
    weight: float
    pieces_of: Callable[[str], list[Piece]]


CODE = Measure(share=0.65, weight=150, pieces_of=pieces_of)
"""tests/autograder/test_copies.py measures what independent kernels and copies in disguise share. A plain softmax
weighs 180, an elementwise kernel 20 to 80."""
TEXT = Measure(share=0.4, weight=12, pieces_of=runs_of)
"""Twelve runs of five words that only these two have: a sentence and a half."""


@dataclass(frozen=True)
class Passage:
    """What both hold in one place. first, second: line numbers in the cell of each; text: the first's first line."""

    first: tuple[int, int]
    second: tuple[int, int]
    text: str


@dataclass(frozen=True)
class Copy:
    """Two students whose answers to one task are alike; see Alike for share and weight."""

    lab: str
    task: str
    students: tuple[str, str]
    share: float
    weight: float
    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class _Work:
    student: str
    source: str
    pieces: dict[bytes, Piece]


def compare(submissions: Iterable[Submission]) -> tuple[list[Copy], list[str]]:
    """The pairs of a class that are alike, the most alike first; and what could not be compared, a sentence each."""
    by_lab: dict[str, list[Submission]] = defaultdict(list)
    for submission in submissions:
        by_lab[submission.lab].append(submission)
    copies: list[Copy] = []
    left: list[str] = []
    for lab, those in by_lab.items():  # one after the other, so that memory holds the answers to one lab
        works: dict[str, list[_Work]] = defaultdict(list)
        for submission in those:
            found, problems = _read(submission)
            left += [f"{submission.student}, {lab}: {problem}" for problem in problems]
            for task, work in found.items():
                works[task].append(work)
        for task, answers in works.items():
            copies += _copies(lab, task, answers)
    return sorted(copies, key=lambda c: (-c.share * c.weight, c.lab, c.task, c.students)), left


def _read(submission: Submission) -> tuple[dict[str, _Work], list[str]]:
    """The answers of one student by task or question; and what cannot be compared. No submission stops the class."""
    try:
        with limited(SECONDS_TO_READ):
            reading = read_submission(submission.folder, submission.lab, submission.files)
            return _works(tasks.plan_of(submission.lab), submission.student, reading)
    except Unreadable as problem:
        return {}, [plain(problem, 200)]
    except TookTooLong:
        return {}, [f"reading it took more than {SECONDS_TO_READ} s of computing"]
    except Exception as problem:
        if fault_of_machine(problem):
            raise
        return {}, [f"{type(problem).__name__}: {plain(problem, 200)}"]


def _works(plan: Plan, student: str, reading: Reading) -> tuple[dict[str, _Work], list[str]]:
    """The answers by task or question, without what the lab holds; and what cannot be compared."""
    found: dict[str, _Work] = {}
    problems = []
    for task, source in _sources(plan, reading).items():
        measure = _measure(plan, task)
        try:
            pieces = measure.pieces_of(source)
        except ValueError as problem:
            problems.append(f"{task}: {problem}")
            continue
        own = {p.digest: p for p in reversed(pieces) if p.digest not in _of_the_lab(plan.lab)}
        if own:
            found[task] = _Work(student, source, own)
    return found, problems


def _measure(plan: Plan, task: str) -> Measure:
    return CODE if any(task == t.grade_id for t in plan.tasks) else TEXT


def _sources(plan: Plan, reading: Reading) -> dict[str, str]:
    """What was written, by task or question."""
    found = {}
    for task in plan.tasks:
        cuts, _ = slicing.candidates(plan, task, reading)
        if cuts and not cuts[0].blank and cuts[0].problem is None:
            found[task.grade_id] = cuts[0].source
    for part in plan.parts:
        if part.written and (text := written_answer(plan, part, reading)):
            found[part.grade_id] = text
    return found


@cache
def _of_the_lab(lab: str) -> frozenset[bytes]:
    """All pieces of the released lab's own cells."""
    found: set[bytes] = set()
    for text in tasks.plan_of(lab).texts.values():
        for read in (pieces_of, runs_of):
            try:
                found |= {piece.digest for piece in read(text)}
            except ValueError:  # a cell of text is no program
                continue
    return frozenset(found)


@cache
def _of_the_course(lab: str) -> dict[str, _Work]:
    """The course's own answers, by task."""
    reading = Reading(cells_of((tasks.WITH_SOLUTIONS / lab / f"{lab}.ipynb").read_bytes()))
    works, _ = _works(tasks.plan_of(lab), SOLUTION, reading)
    return works


def _copies(lab: str, task: str, works: list[_Work]) -> list[Copy]:
    measure = _measure(tasks.plan_of(lab), task)
    known: frozenset[bytes] = frozenset()
    if (ours := _of_the_course(lab).get(task)) is not None:
        works, known = [*works, ours], frozenset(ours.pieces)
    sizes = [{digest: piece.size for digest, piece in work.pieces.items()} for work in works]
    return [
        Copy(
            lab,
            task,
            (works[pair.first].student, works[pair.second].student),
            pair.share,
            pair.weight,
            _passages(works[pair.first], works[pair.second], pair),
        )
        for pair in alike(sizes, measure.share, measure.weight, known)
    ]


_MOST_PASSAGES = 5


def _passages(first: _Work, second: _Work, pair: Alike) -> tuple[Passage, ...]:
    """Where the longest pieces stand that both hold."""
    places = {}
    for digest in pair.pieces:
        mine, other = first.pieces[digest], second.pieces[digest]
        if mine.first and other.first:
            places[mine.first, mine.last] = (other.first, other.last)
    kept: list[tuple[int, int]] = []
    for begin, end in sorted(places, key=lambda place: (place[0] - place[1], place)):
        if len(kept) < _MOST_PASSAGES and not any(a <= end and begin <= b for a, b in kept):
            kept.append((begin, end))
    lines = first.source.split("\n")
    return tuple(Passage(k, places[k], plain(lines[k[0] - 1].strip(), 100)) for k in sorted(kept))
