"""Taking a student out of what grading made: gradebook, verdicts, report, pages, journal, copies.

    look_for(...) -> what there is of the student       remove(...)

Points that a person gave are kept in build/grading/removed_grades.jsonl, as those of cells that left a lab are. What
was handed in is no part of this.
"""

import difflib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import MissingEntry

from autograder import journal
from autograder.copies import told as copies
from autograder.course import GradingError, lab_names
from autograder.gradebook import changed_labs, report
from autograder.gradebook.book import opened
from autograder.judge.verdicts import Verdict

_STEPS = "autograded", "feedback"
_MOST_NAMES = 5


@dataclass
class Found:
    """What there is of one student. lab: only of this one. all_labs: those that the student has anything in."""

    student: str
    lab: str | None
    verdicts: list[Verdict] = field(default_factory=list)
    in_book: list[str] = field(default_factory=list)
    by_hand: list[dict] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    left: int = 0
    all_labs: set[str] = field(default_factory=set)

    def is_of(self, student: str, lab: str) -> bool:
        return student == self.student and self.lab in (None, lab)

    def told(self) -> list[str]:
        """Lines for a person who is to agree."""
        lines = [f"{self.student}:"]
        for verdict in self.verdicts:
            points = f"{report.number(verdict.points)}/{report.number(verdict.maximum)} points"
            lines.append(f"  {verdict.lab}: {verdict.state}, {points}")
        known = {verdict.lab for verdict in self.verdicts}
        lines += [f"  {lab}: in the gradebook only" for lab in self.in_book if lab not in known]
        if self.by_hand:
            many = len(self.by_hand)
            lines.append(f"  {many} {'grade' if many == 1 else 'grades'} given by hand, kept in removed_grades.jsonl")
        lines += [f"  {folder}" for folder in self.folders]
        if self.left:
            lines.append(f"  {self.left} {'line' if self.left == 1 else 'lines'} on what could not be graded")
        return lines


def look_for(student: str, lab: str | None, url: str, build: Path) -> Found:
    """What grading made of a student. Raises GradingError if nobody of this name was graded, or not in this lab."""
    if lab is not None and lab not in lab_names():
        raise GradingError(f"there is no lab {lab}; the labs are {', '.join(lab_names())}")
    verdicts = report.load(build)[0]
    left = report.load_left(build)
    found = Found(student, lab)
    with opened(url) as gradebook:
        names = {verdict.student for verdict in verdicts} | {place.student for place in left if place.student}
        names |= {each.id for each in gradebook.students}
        if student not in names:
            raise GradingError(f"nobody called {student} was graded{_near(student, names)}")
        found.all_labs = {verdict.lab for verdict in verdicts if verdict.student == student}
        for submission in gradebook.student_submissions(student) if _is_in(gradebook, student) else ():
            of_lab = submission.assignment.name
            found.all_labs.add(of_lab)
            if lab in (None, of_lab):
                found.in_book.append(of_lab)
                for notebook in submission.notebooks:
                    found.by_hand += changed_labs.given_by_hand(notebook.grades, of_lab)
    found.verdicts = [verdict for verdict in verdicts if found.is_of(verdict.student, verdict.lab)]
    found.folders = [folder for step in _STEPS for folder in _folders(build / step, student, lab)]
    found.left = sum(place.student == student for place in left) if lab is None else 0
    if lab is not None and lab not in found.all_labs:
        has = f"only in {', '.join(sorted(found.all_labs))}" if found.all_labs else "in no lab"
        raise GradingError(f"{student} was not graded in {lab}, {has}")
    return found


def _near(student: str, names: set[str]) -> str:
    """Names that are like this one, in other capitals too; else how many there are."""
    folded = {name.casefold(): name for name in sorted(names)}
    near = [folded[name] for name in difflib.get_close_matches(student.casefold(), folded, _MOST_NAMES, 0.6)]
    near += [name for name in sorted(names) if student.casefold() in name.casefold() and name not in near]
    return f"; near: {', '.join(near[:_MOST_NAMES])}" if near else f", of {len(names)} students; the report names all"


def _is_in(gradebook, student: str) -> bool:
    try:
        gradebook.find_student(student)
    except MissingEntry:
        return False
    return True


def _folders(step: Path, student: str, lab: str | None) -> list[Path]:
    """The folder of a student, or of a lab in it, as it lies in `step`: a name is never taken for a path."""
    if student not in _names_in(step):
        return []
    if lab is None:
        return [step / student]
    return [step / student / lab] if lab in _names_in(step / student) else []


def _names_in(folder: Path) -> list[str]:
    try:
        return [] if folder.is_symlink() else os.listdir(folder)
    except OSError:
        return []


def remove(found: Found, url: str, build: Path) -> None:
    """Remove it. The report is written anew. Raises GradingError if the database fails, OSError if a file does.

    The gradebook goes first: what fails later is still named by the next call, which then ends the work.
    """
    changed_labs.keep_points(found.by_hand, changed_labs.kept_in(build))
    with opened(url) as gradebook:
        for lab in found.in_book:
            gradebook.remove_submission(lab, found.student)
        if _is_in(gradebook, found.student) and not gradebook.student_submissions(found.student):
            gradebook.remove_student(found.student)
    for folder in found.folders:
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink()
        else:
            shutil.rmtree(folder)
        if folder.parent.name == found.student and not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    journal.forget(build, found.is_of)
    copies.forget(build, found.is_of)
    kept = report.forget(build, found.is_of, found.student if found.lab is None else None)
    journal.log_errors(build, kept)
    report.add_manual_grades(kept, url)
    report.write_page(kept, build, report.load(build)[1])
