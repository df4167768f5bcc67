"""Those who handed in, as far as folders and names tell: what was found under each name, and one name for each.

collected.py finds the folders.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from autograder.reading.files import shown
from autograder.reading.nested import people_of_lms


@dataclass(frozen=True)
class Left:
    """Something that was handed in and cannot be graded. student: as far as it is known, or ""."""

    place: str
    reason: str
    student: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass
class Place:
    """Where one student's work on one lab lies. files: None for all that the folder holds."""

    folder: Path
    files: tuple[Path, ...] | None
    lms_id: str


@dataclass
class Student:
    """What was found under one name. loose: notebooks in no lab's folder; again: labs that several folders hold."""

    name: str
    lms_id: str = ""
    labs: dict[str, Place] = field(default_factory=dict)
    loose: list[Path] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)

    def take_folder(self, lab: str, folder: Path) -> None:
        if len(people_of_lms(folder)) > 1:  # a class read as one student would lose all but one
            self.left.append(Left(f"{self.name}/{shown(folder)}", "it is a download of a class; move it one folder up"))
        elif lab in self.labs:
            self.again[lab] += 1
            self.left.append(Left(f"{self.name}/{shown(folder)}", f"another folder holds {lab}; that one is read"))
        else:
            self.labs[lab] = Place(folder, None, self.lms_id)

    def take_file(self, lab: str, file: Path) -> None:
        place = self.labs.setdefault(lab, Place(file.parent, (), self.lms_id))
        place.files = (*(place.files or ()), file)


def told_apart(found: list[Student]) -> list[Student]:
    """One entry for each student, under a name of its own.

    Moodle numbers a student anew for each assignment, so two numbers of one name are one student, unless both handed in
    the same lab. Two folders whose names differ only in their encoding stay two.
    """
    by_name: dict[str, list[Student]] = {}
    for one in found:
        by_name.setdefault(one.name, []).append(one)
    apart: list[Student] = []
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
