"""Finding submissions in what was collected: nbgrader's folders, the bulk downloads of Moodle and Canvas, and what
students make of them: other capitals, a folder more or less, a file without a folder.

    <student>/<lab>/...                                   nbgrader, and `submit`
    <lab>/<student>/...                                   one download for each lab
    Ada Lovelace_123_assignsubmission_file_/...           Moodle, with or without folders
    lovelaceada_123_456_softmax.ipynb                     Canvas

A notebook that lies in no lab's folder belongs to the lab whose cells it holds. What belongs to nobody, or to no lab,
is named in `left`, so that nothing is lost in silence. Nothing is executed, and no link is followed.
"""

import os
import re
from collections import Counter
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
from autograder.reading.notebook import cells_of
from autograder.reading.submission import Submission

_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)", re.S)
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)", re.S | re.I)
_MOST_DEPTH = 4


@dataclass(frozen=True)
class Left:
    """Something that was handed in and cannot be graded. student: as far as it is known, or ""."""

    place: str
    reason: str
    student: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass
class Collected:
    """What was found: submissions in the order of students and labs, and what belongs to none."""

    submissions: list[Submission] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@dataclass
class _Place:
    """Where one student's work on one lab lies. files: None for all that the folder holds."""

    folder: Path
    files: tuple[Path, ...] | None
    lms_id: str


@dataclass
class _Student:
    """What was found under one name. loose: notebooks in no lab's folder; again: labs that several folders hold."""

    name: str
    lms_id: str = ""
    labs: dict[str, _Place] = field(default_factory=dict)
    loose: list[Path] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)

    def take_folder(self, lab: str, folder: Path) -> None:
        if len(_people_in(folder)) > 1:  # a class read as one student would lose all but one
            self.left.append(Left(f"{self.name}/{shown(folder)}", "it is a download of a class; move it one folder up"))
        elif lab in self.labs:
            self.again[lab] += 1
            self.left.append(Left(f"{self.name}/{shown(folder)}", f"another folder holds {lab}; that one is read"))
        else:
            self.labs[lab] = _Place(folder, None, self.lms_id)

    def take_file(self, lab: str, file: Path) -> None:
        place = self.labs.setdefault(lab, _Place(file.parent, (), self.lms_id))
        place.files = (*(place.files or ()), file)


def find_submissions(folder: Path, lab: str | None = None, student: str | None = None) -> list[Submission]:
    """What `collect` finds of this lab and student. Raises GradingError if there is nothing."""
    return collect(folder, lab, student).submissions


def collect(folder: Path, lab: str | None = None, student: str | None = None) -> Collected:
    """Everything that was handed in below `folder`, of this lab and student or of all. Raises GradingError if there is
    nothing."""
    if not folder.is_dir():
        raise GradingError(f"{folder} is not a folder; it should hold <student>/<lab>/<lab>.ipynb")
    found = Collected()
    students: dict[tuple[str, str], _Student] = {}
    try:
        entries = _all_entries(folder)
    except OSError as problem:
        raise GradingError(f"{folder} cannot be read: {problem.strerror}") from None
    for entry in entries:
        try:
            _take(entry, None, students, found.left)
        except Exception as problem:  # whatever one folder holds, the others are graded
            found.left.append(Left(shown(entry.name), f"it cannot be read: {plain(problem, 200)}"))
    for one in students.values():
        _sort_loose(one)
    for person in _told_apart(list(students.values())):
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


def _take(entry: os.DirEntry, lab: str | None, students: dict, left: list[Left], depth: int = 0) -> None:
    """Sort in what lies at the top, or (lab) in a folder of one lab that holds students."""
    path, name = Path(entry.path), shown(entry.name)
    if entry.is_symlink():
        left.append(Left(name, "it is a link; links are not followed"))
    elif entry.is_dir(follow_symlinks=False):
        _take_folder(entry, lab, students, left, depth)
    elif may_hold_notebook(entry.name):
        match = _of_lms(name)
        if match is None:
            left.append(Left(name, "it lies in no student's folder; put it in <student>/<lab>/"))
            return
        person = students.setdefault((match["name"], match["id"]), _Student(match["name"], match["id"]))
        if lab is not None:
            person.take_file(lab, path)
        else:
            person.loose.append(path)


def _take_folder(entry: os.DirEntry, lab: str | None, students: dict, left: list[Left], depth: int) -> None:
    path, name = Path(entry.path), shown(entry.name)
    match = _MOODLE.fullmatch(name)
    # A number alone may be a student's.
    own_lab = lab_named(name) if lab is None and match is None and not name.isdecimal() else None
    person = _Student(match["name"], match["id"]) if match else _Student(name)
    if lab is None and own_lab is None:
        _gather(path, person, 0)
    is_of_several = match is None and lab is None and depth < _MOST_DEPTH and _holds_students(path, person)
    if own_lab is not None or is_of_several:
        try:
            inner = _all_entries(path)
        except OSError as problem:
            left.append(Left(name, f"the folder cannot be read: {problem.strerror}"))
            return
        for one in inner:
            _take(one, own_lab, students, left, depth + 1)
        return
    known = students.setdefault((match["name"], match["id"]) if match else (entry.name, ""), person)
    if lab is not None:
        known.take_folder(lab, path)
    elif known is not person:  # Moodle has a folder for files and one for texts
        for of_lab, place in person.labs.items():
            known.labs.setdefault(of_lab, place)
        known.loose += person.loose
        known.left += person.left


def _holds_students(path: Path, gathered: _Student) -> bool:
    """Whether a folder is none of a student but holds those of several: a download, or the same lab many times."""
    return bool(_people_in(path)) or max(gathered.again.values(), default=0) >= 2


def _people_in(folder: Path) -> set[tuple[str, str]]:
    """Names and numbers of those whose work lies in a folder, where it is named as Moodle or Canvas do."""
    try:
        matches = [_of_lms(shown(entry.name)) for entry in entries_of(folder)]
    except Unreadable:
        return set()
    return {(match["name"], match["id"]) for match in matches if match}


def _of_lms(name: str) -> re.Match | None:
    return _MOODLE.fullmatch(name) or _CANVAS.fullmatch(name)


def _told_apart(found: list[_Student]) -> list[_Student]:
    """One entry for each student, under a name of its own.

    Moodle numbers a student anew for each assignment, so two numbers of one name are one student, unless both handed in
    the same lab. Two folders whose names differ only in their encoding stay two.
    """
    by_name: dict[str, list[_Student]] = {}
    for one in found:
        by_name.setdefault(one.name, []).append(one)
    apart: list[_Student] = []
    for name, group in by_name.items():
        labs = [lab for one in group for lab in one.labs]
        if len(group) > 1 and len(set(labs)) == len(labs) and all(one.lms_id for one in group):
            whole = group[0]
            for other in group[1:]:
                whole.labs |= other.labs
                whole.left += other.left
            apart.append(whole)
            continue
        for number, one in enumerate(group):
            if len(group) > 1:
                one.name = f"{name} {one.lms_id}" if one.lms_id else f"{name} ({number + 1})" if number else name
            apart.append(one)
    return apart


def _gather(folder: Path, person: _Student, depth: int) -> None:
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


def _sort_loose(person: _Student) -> None:
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
    match = _of_lms(name)
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
