"""The labs as a learner has them: where they lie, what they ask for, and what comes next."""

import json
from dataclasses import dataclass
from pathlib import Path

from llaisys_mini.errors import UserError
from llaisys_mini.kernels import verdicts
from llaisys_mini.paths import labs_folder


class LabError(UserError):
    """A lab cannot be found, read or submitted."""


@dataclass(frozen=True)
class Lab:
    """name: "07_softmax"; tasks: (device, operator or exercise) in the order of the notebook; after: see `rank`."""

    name: str
    path: Path
    tasks: tuple[tuple[str, str], ...]
    after: str | None

    @property
    def title(self) -> str:
        number, _, words = self.name.partition("_")
        return f"{number} {words.replace('_', ' ')}"

    def done(self) -> int:
        """How many of its tasks the learner's present code has passed."""
        return sum(bool(verdicts.passed_storages(what, device)) for device, what in self.tasks)


def rank(name: str, after: str | None) -> tuple[str, ...]:
    """What labs are sorted by: their number, but a lab that names another as `after` comes right behind that one."""
    return (after, name) if after else (name,)


def find_labs() -> list[Lab]:
    """All labs in the order in which to do them; those that cannot be read are left out."""
    found = []
    for path in _notebooks():
        try:
            cells, after = _read(path)
        except LabError:
            continue
        found.append(Lab(path.stem, path, _tasks(cells), after))
    return sorted(found, key=lambda lab: rank(lab.name, lab.after))


def _notebooks() -> list[Path]:
    return sorted(path for path in labs_folder().glob("[0-9][0-9]_*/*.ipynb") if path.stem == path.parent.name)


def find_lab(name: str) -> Lab:
    """The lab called "07_softmax", "07" or "softmax". Raises LabError if there is none, or it cannot be read."""

    def is_called(stem: str) -> bool:
        return name in (stem, stem[:2], stem[3:])

    labs = find_labs()
    for lab in labs:
        if is_called(lab.name):
            return lab
    for path in _notebooks():
        if is_called(path.stem):
            read_cells(path)  # says what is wrong with it
    there = ", ".join(lab.name for lab in labs) or f"none in {labs_folder()}"
    raise LabError(f"there is no lab {name!r}; the labs are: {there}")


def read_cells(path: Path) -> list[dict]:
    """The cells of a notebook. Raises LabError if it cannot be read."""
    return _read(path)[0]


def _read(path: Path) -> tuple[list[dict], str | None]:
    """The cells of a notebook, and what its metadata names as `after`."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = [dict(cell, source="".join(cell["source"])) for cell in notebook["cells"]]
        return cells, notebook.get("metadata", {}).get("llaisys_mini", {}).get("after")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise LabError(f"{path} is not a readable notebook: {problem}") from problem


def _tasks(cells) -> tuple[tuple[str, str], ...]:
    marks = [cell.get("metadata", {}).get("llaisys_mini", {}).get("task") for cell in cells]
    return tuple(dict.fromkeys(tuple(mark.split("/", 1)) for mark in marks if mark))


def next_step() -> str:
    """One sentence: the first thing that is not done yet."""
    labs = find_labs()
    for lab in labs:
        for device, what in lab.tasks:
            if not verdicts.passed_storages(what, device):
                where = "" if device == "python" else f" on {device}"
                return f"next: {what}{where}, in lab {lab.title} ({lab.path.relative_to(labs_folder().parent)})"
    return "all labs are done" if labs else ""
