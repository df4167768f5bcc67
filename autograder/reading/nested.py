"""Whose work does a folder hold: one student's, or that of several?

    spring/07_softmax/ada/..., spring/07_softmax/bob/...      a class below one more folder
    spring/ada/07_softmax/..., spring/bob/07_softmax/...      the same, as nbgrader has it
    ada/07_softmax/old/..., ada/07_softmax/new/...            one student's two attempts

No name tells these apart for certain. Where some folder beside it is plainly one student's, so is this one; where none
is, each of the folders within is a student. collected.py takes what is found here, and names what is in doubt.
"""

import contextlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from autograder.reading.belonging import lab_named
from autograder.reading.files import Unreadable, entries_of, is_left_by_programs, may_hold_notebook, shown

MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)", re.S)
CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)", re.S | re.I)
_MOST_DEPTH = 4
_MOST_FOLDERS = 2000  # within one, that are looked into
_ANY_LAB = "a lab that only the cells of a notebook tell"


def of_lms(name: str) -> re.Match | None:
    """The parts of a name that Moodle or Canvas made: name, id, file."""
    return MOODLE.fullmatch(name) or CANVAS.fullmatch(name)


def people_of_lms(folder: Path) -> set[tuple[str, str]]:
    """Names and numbers of those whose work lies in a folder, where it is named as Moodle or Canvas do."""
    try:
        matches = [of_lms(shown(entry.name)) for entry in entries_of(folder)]
    except Unreadable:
        return set()
    return {(match["name"], match["id"]) for match in matches if match}


def lab_of_folder(name: str) -> str | None:
    """The lab that a folder is named after. A number alone may be a student's."""
    return None if name.isdecimal() else lab_named(name)


def rivals(folder: Path, lab: str | None = None) -> list[str]:
    """Folders within that hold the same lab and lie beside each other, as those of several students do; [] for the
    folder of one student who has no lab twice.

    lab: of a folder that holds this lab alone.
    """
    people = _Look().people(folder, lab, 0)
    counts = Counter(lab for labs in people.values() for lab in labs)
    return sorted(name for name, labs in people.items() if any(counts[lab] > 1 for lab in labs))


def holds_work(folder: Path) -> bool:
    """Whether a notebook or a lab's folder lies in a folder, at any depth."""
    return bool(_Look().labs(folder, 0))


@dataclass
class _Look:
    """One look into a folder; how many folders it may still open, for a student may have made very many."""

    left: int = _MOST_FOLDERS
    known: dict[Path, list[os.DirEntry]] = field(default_factory=dict)

    def people(self, folder: Path, lab: str | None, depth: int) -> dict[str, set[str]]:
        """Folders in `folder` that may each be a student's: name -> labs within."""
        found: dict[str, set[str]] = {}
        only = folder
        for path in self.folders(folder):
            name = shown(path)
            its = lab_of_folder(name)
            inner: dict[str, set[str]] = {}
            if lab is not None and its is None:
                inner, only = {name: {lab} if self.labs(path, depth + 1) else set()}, path
            elif lab is None and its is not None:
                people = people_of_lms(path)
                if len(people) > 1:
                    inner = {person: {its} for person, _ in people}
                elif not self.notebooks(path):
                    inner = self.people(path, its, depth + 1)
            elif lab is None and depth < _MOST_DEPTH:
                inner, only = {name: self.labs(path, depth + 1)}, path
            for person, labs in inner.items():
                if labs:
                    found.setdefault(person, set()).update(labs)
        if len(found) == 1 and only != folder and depth < _MOST_DEPTH:  # one more folder around them all
            within = self.people(only, lab, depth + 1)
            return within if len(within) > 1 else found
        return found

    def labs(self, folder: Path, depth: int) -> set[str]:
        """Labs whose folders or notebooks lie in a folder, as far as names tell."""
        labs = {lab_of_folder(name) or _ANY_LAB for name in self.notebooks(folder)}
        for path in self.folders(folder):
            lab = lab_of_folder(shown(path))
            if lab is not None:
                labs.add(lab)
            elif depth < _MOST_DEPTH:
                labs |= self.labs(path, depth + 1)
        return labs

    def notebooks(self, folder: Path) -> list[str]:
        """Names of the files in the folder itself that may hold a notebook."""
        folders = set(self.folders(folder))
        files = [Path(e.path) for e in self._entries(folder) if may_hold_notebook(e.name)]
        return [shown(path) for path in files if path not in folders]

    def folders(self, folder: Path) -> list[Path]:
        """None where the system does not tell."""
        with contextlib.suppress(OSError):
            return [Path(e.path) for e in self._entries(folder) if e.is_dir(follow_symlinks=False)]
        return []

    def _entries(self, folder: Path) -> list[os.DirEntry]:
        if folder not in self.known:
            self.left -= 1
            try:
                found = entries_of(folder) if self.left >= 0 else []
            except Unreadable:  # whoever takes the folder says so
                found = []
            self.known[folder] = [entry for entry in found if not is_left_by_programs(entry.name)]
        return self.known[folder]
