"""Finding submissions in what was collected: nbgrader's folders, the bulk downloads of Moodle and Canvas, and what
students make of them: other capitals, a folder more or less, a file without a folder.

    <student>/<lab>/...                                   nbgrader, and `submit`
    <lab>/<student>/...                                   one download for each lab
    spring/<student>/<lab>/..., spring/<lab>/<student>/...    one folder around a class (nested.py)
    Ada Lovelace_123_assignsubmission_file_/...           Moodle, with or without folders
    lovelaceada_123_456_softmax.ipynb                     Canvas

A notebook that lies in no lab's folder belongs to the lab whose cells it holds. What belongs to nobody, or to no lab,
is named in `left`, so that nothing is lost in silence. Nothing is executed, and no link is followed.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from autograder.course import GradingError, lab_names
from autograder.plain import plain
from autograder.reading.belonging import lab_named, lab_of
from autograder.reading.files import (
    Unreadable,
    entries_of,
    is_left_by_programs,
    may_hold_notebook,
    notebooks_in,
    shown,
)
from autograder.reading.nested import MOODLE, holds_work, lab_of_folder, of_lms, people_of_lms, rivals
from autograder.reading.notebook import cells_of
from autograder.reading.people import Left, Student, told_apart
from autograder.reading.submission import Submission

_MOST_DEPTH = 4


@dataclass
class Collected:
    """What was found: submissions in the order of students and labs, and what belongs to none."""

    submissions: list[Submission] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def collect(folder: Path, lab: str | None = None, student: str | None = None) -> Collected:
    """Everything that was handed in below `folder`, of this lab and student or of all. Raises GradingError if there is
    nothing."""
    if not folder.is_dir():
        raise GradingError(f"{folder} is not a folder; it should hold <student>/<lab>/<lab>.ipynb")
    found = Collected()
    sorting = _Sorting(found.left)
    try:
        entries = _all_entries(folder)
    except OSError as problem:
        raise GradingError(f"{folder} cannot be read: {problem.strerror}") from None
    sorting.take_all(entries)
    for one in sorting.students.values():
        _sort_loose(one)
    for person in told_apart(list(sorting.students.values())):
        if student is not None and student not in (person.name, person.lms_id):
            continue
        if not person.labs and not person.left:
            person.left.append(Left(person.name, "no notebook was found in it"))
        found.left += [Left(left.place, left.reason, person.name) for left in person.left]
        found.submissions += [
            Submission(person.name, name, place.folder, place.files, place.lms_id)
            for name, place in person.labs.items()
            if lab in (None, name)
        ]
    found.submissions.sort(key=lambda s: (s.student, s.lab))
    if not found.submissions and not found.left:
        wanted = "".join(f" of {what}" for what in (student, lab) if what)
        raise GradingError(f"{folder} holds no submission{wanted}; it should hold <student>/<lab>/<lab>.ipynb")
    return found


def _all_entries(folder: Path) -> list[os.DirEntry]:
    with os.scandir(folder) as found:
        return sorted((e for e in found if not is_left_by_programs(e.name)), key=lambda e: os.fsencode(e.name))


@dataclass
class _Sorting:
    """Sorts folders and files by whose they are; students: by name as it is on disk, and number."""

    left: list[Left]
    students: dict[tuple[str, str], Student] = field(default_factory=dict)

    def take_all(self, entries: list[os.DirEntry], lab: str | None = None, depth: int = 0) -> None:
        """What lies beside each other at the top, or (lab) in a folder of one lab that holds students.

        A folder that may be one student's or that of several is of several if nothing beside it is plainly of one.
        """
        within = {
            entry.name: rivals(Path(entry.path), lab)
            for entry in entries
            if entry.is_dir(follow_symlinks=False) and (lab is not None or lab_of_folder(shown(entry.name)) is None)
        }
        ones = [e for e in entries if of_lms(shown(e.name)) or (within.get(e.name) == [] and holds_work(Path(e.path)))]
        for entry in entries:
            try:
                self._take(entry, lab, depth, within.get(entry.name, []), bool(ones) or depth >= _MOST_DEPTH)
            except Exception as problem:  # whatever one folder holds, the others are graded
                self.left.append(Left(shown(entry.name), f"it cannot be read: {plain(problem, 200)}"))

    def _take(self, entry: os.DirEntry, lab: str | None, depth: int, within: list[str], is_ones: bool) -> None:
        """within: folders in it that may be students'. is_ones: it is one student's all the same."""
        path, name = Path(entry.path), shown(entry.name)
        if entry.is_symlink():
            self.left.append(Left(name, "it is a link; links are not followed"))
        elif entry.is_dir(follow_symlinks=False):
            self._take_folder(entry, lab, depth, within, is_ones)
        elif match := of_lms(name):
            person = self.students.setdefault((match["name"], match["id"]), Student(match["name"], match["id"]))
            if not may_hold_notebook(entry.name):
                return  # who handed in nothing else is named all the same
            if lab is not None:
                person.take_file(lab, path)
            else:
                person.loose.append(path)
        elif may_hold_notebook(entry.name):
            self.left.append(Left(name, "it lies in no student's folder; put it in <student>/<lab>/"))

    def _take_folder(self, entry: os.DirEntry, lab: str | None, depth: int, within: list[str], is_ones: bool) -> None:
        path, name = Path(entry.path), shown(entry.name)
        match = MOODLE.fullmatch(name)
        own_lab = lab_of_folder(name) if lab is None and match is None else None
        person = Student(match["name"], match["id"]) if match else Student(name)
        if lab is None and own_lab is None:
            _gather(path, person, 0)
        is_of_several = match is None and bool(within) and not is_ones
        if match is None and lab is None and depth < _MOST_DEPTH:
            is_of_several |= _holds_students(path, person)
        if own_lab is not None or is_of_several:
            try:
                inner = _all_entries(path)
            except OSError as problem:
                self.left.append(Left(name, f"the folder cannot be read: {problem.strerror}"))
                return
            self.take_all(inner, own_lab or lab, depth + 1)
            return
        if within:
            person.left.append(Left(name, f"{_listed(within)} in it were read as one student's work; {_IF_SEVERAL}"))
        known = self.students.setdefault((match["name"], match["id"]) if match else (entry.name, ""), person)
        if known is not person:  # Moodle has a folder for files and one for texts
            for of_lab, place in person.labs.items():
                known.labs.setdefault(of_lab, place)
            known.loose += person.loose
            known.left += person.left
        if lab is not None:
            known.take_folder(lab, path)


_IF_SEVERAL = "if they are several students, grade this folder by itself (python -m autograder grade FOLDER)"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _holds_students(path: Path, gathered: Student) -> bool:
    """Whether a folder is none of a student but holds those of several: a download, or the same lab many times."""
    return bool(people_of_lms(path)) or max(gathered.again.values(), default=0) >= 2


def _gather(folder: Path, person: Student, depth: int) -> None:
    """Look through a student's folder for folders of labs, and for notebooks that lie in none."""
    try:
        entries = entries_of(folder)
    except Unreadable as problem:
        person.left.append(Left(f"{person.name}/{shown(folder)}" if depth else person.name, str(problem)))
        return
    known = lab_names()
    for entry in sorted(entries, key=lambda e: e.name not in known):  # the name as it should be goes first
        path, name = Path(entry.path), shown(entry.name)
        if is_left_by_programs(entry.name):
            continue
        if entry.name in known:  # also a link, or a file: reading it says so
            person.take_folder(entry.name, path)
        elif entry.is_symlink():
            person.left.append(Left(f"{person.name}/{name}", "it is a link; links are not followed"))
        elif entry.is_dir(follow_symlinks=False):
            lab = lab_named(name)
            if lab is not None:
                person.take_folder(lab, path)
            elif depth < _MOST_DEPTH:
                _gather(path, person, depth + 1)
            else:
                person.left.append(Left(f"{person.name}/.../{name}", "too many folders in each other"))
        elif may_hold_notebook(entry.name) and entry.is_file(follow_symlinks=False):
            person.loose.append(path)


def _sort_loose(person: Student) -> None:
    """Give each notebook that lies in no lab's folder to the lab whose cells it holds, else to the one in its name."""
    in_folders = {lab for lab, place in person.labs.items() if place.files is None}
    for path in sorted(person.loose, key=_newest_first):
        place = f"{person.name}/{shown(path)}"
        labs, reason = _labs_in(path)
        labs = labs or {lab for lab in [_lab_of_file(path)] if lab}
        for lab in sorted(labs):
            if lab in in_folders:
                person.left.append(Left(place, f"a folder holds {lab}; that one was read"))
            else:
                person.take_file(lab, path)
        if not labs:
            person.left.append(Left(place, reason))


def _lab_of_file(path: Path) -> str | None:
    name = shown(path)
    match = of_lms(name)
    return lab_named(match["file"] if match else name)


def _newest_first(path: Path) -> tuple[int, bytes]:
    """Canvas and browsers number later versions: softmax.ipynb, softmax-1.ipynb, softmax (2).ipynb."""
    number = re.search(r"(?:-(\d{1,3})|\((\d{1,3})\))\.\w+$", path.name)
    return (-int(number[1] or number[2]) if number else 0, os.fsencode(path.name))


def _labs_in(path: Path) -> tuple[set[str], str]:
    """The labs whose cells a file holds; and why, if it is none."""
    labs: set[str] = set()
    reason = "no notebook of a lab: it holds no cell of any"
    try:
        for _, content in notebooks_in(path):
            try:
                if isinstance(content, Unreadable):
                    raise content
                lab = lab_of(cells_of(content))
                labs |= {lab} if lab else set()
            except Unreadable as problem:
                reason = str(problem)
    except Unreadable as problem:
        reason = str(problem)
    return labs, reason
