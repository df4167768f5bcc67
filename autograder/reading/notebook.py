"""Reading what students handed in: never trusted, never executed, and as much understood as possible.

An accident must not cost a grade. So any version of the notebook format is read, cells are found by what they define,
and the file may have another name or come in a zip. Links and files that are no files are not followed.
"""

import io
import json
import os
import stat
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from autograder.course import GradingError, lab_names

MAX_BYTES = 20 << 20


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one lab."""

    student: str
    lab: str
    folder: Path


def find_submissions(folder: Path, lab: str | None = None, student: str | None = None) -> list[Submission]:
    """nbgrader's layout: <folder>/<student>/<lab>/. Raises GradingError if there is nothing."""
    if not folder.is_dir():
        raise GradingError(f"{folder} is not a folder; it should hold <student>/<lab>/<lab>.ipynb")
    known, found = lab_names(), []
    for person in sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink() and p.name[0] != "."):
        for folder_of_lab in sorted(p for p in person.iterdir() if p.name in known):
            if (student in (None, person.name)) and lab in (None, folder_of_lab.name):
                found.append(Submission(person.name, folder_of_lab.name, folder_of_lab))
    if not found:
        wanted = "".join(f" of {what}" for what in (student, lab) if what)
        raise GradingError(f"{folder} holds no submission{wanted}; it should hold <student>/<lab>/<lab>.ipynb")
    return found


class Unreadable(Exception):
    """Nothing can be read; the message says why, for the student. suspicious: as in Reading."""

    def __init__(self, reason: str, suspicious: list[str] | None = None):
        super().__init__(reason)
        self.suspicious = suspicious or []


@dataclass(frozen=True)
class Cell:
    """kind: "code", "markdown", ...; id: of the cell or "".

    mark: nbgrader's metadata, which a student may have changed.
    """

    kind: str
    source: str
    id: str = ""
    mark: dict = field(default_factory=dict)

    @property
    def grade_id(self) -> str:
        """Of the mark, or "" where it has none."""
        return str(self.mark.get("grade_id", ""))

    @property
    def points(self) -> float | None:
        """Points that the file gives a test; None in a cell that the student fills in, where they mean nothing."""
        points = self.mark.get("points")
        return points if isinstance(points, (int, float)) and self.mark.get("solution") is not True else None

    def is_as_released(self) -> bool:
        """Whether nbgrader's checksum fits: some version of the lab was released with this text and these points."""
        # Imported here because it takes a second or two, and no honest submission needs it.
        from nbformat import from_dict
        from nbgrader.utils import compute_checksum

        marks = {"grade": False, "solution": False, "locked": False} | self.mark | {"grade_id": self.grade_id}
        cell = {"cell_type": self.kind, "source": self.source, "metadata": {"nbgrader": marks}}
        try:
            return self.mark.get("checksum") == compute_checksum(from_dict(cell))
        except (ValueError, TypeError, OverflowError):  # half a character, or a number that is none
            return False


@dataclass
class Reading:
    """The cells of a submission, and what was odd about the files. suspicious: oddities that no accident makes."""

    cells: list[Cell]
    notes: list[str] = field(default_factory=list)
    suspicious: list[str] = field(default_factory=list)

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "code"]


def read_submission(folder: Path, lab: str) -> Reading:
    """Read the notebook of `lab` in `folder`. Raises Unreadable."""
    notes: list[str] = []
    suspicious: list[str] = []
    best, problem = None, "no notebook was handed in"
    for path in _files(folder, lab, suspicious):
        try:
            for name, data in _notebooks(path):
                cells = cells_of(data)
                if name != f"{lab}.ipynb":
                    notes.append(f"the file is called {name}; it was read all the same")
                best = Reading(cells, notes, suspicious)
                break
        except Unreadable as unreadable:
            problem = str(unreadable)
            continue
        if best is not None:
            return best
    if suspicious:
        problem += f" ({'; '.join(suspicious)})"
    raise Unreadable(problem, suspicious)


def _files(folder, lab, suspicious):
    """Candidates, the likeliest first. A link could point to anything that the grader may read."""
    try:
        found = sorted(os.scandir(folder), key=lambda e: (e.name != f"{lab}.ipynb", lab not in e.name, e.name))
    except OSError as problem:
        raise Unreadable(f"the folder cannot be read: {problem.strerror}") from None
    for entry in found[:200]:
        if not entry.name.lower().endswith((".ipynb", ".zip", ".json")):
            continue
        if entry.is_symlink():
            suspicious.append(f"{entry.name} is a link; links are not followed")
        elif not entry.is_file(follow_symlinks=False):
            suspicious.append(f"{entry.name} is not a plain file")
        else:
            yield Path(entry.path)


def _notebooks(path: Path):
    data = _bytes(path)
    if not path.name.lower().endswith(".zip"):
        yield path.name, data
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for item in archive.infolist()[:1000]:
                if item.filename.lower().endswith(".ipynb") and "__MACOSX" not in item.filename:
                    with archive.open(item) as file:  # a limited read: the sizes in the index may lie
                        content = file.read(MAX_BYTES + 1)
                    if len(content) > MAX_BYTES:
                        raise Unreadable(f"the notebook in the zip is larger than {MAX_BYTES >> 20} MB")
                    yield os.path.basename(item.filename), content
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as problem:
        raise Unreadable(f"the zip cannot be read: {problem}") from None
    raise Unreadable("the zip holds no notebook")


def _bytes(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as problem:
        raise Unreadable(f"{path.name} cannot be opened: {problem.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable(f"{path.name} is not a plain file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Unreadable(f"{path.name} is larger than {MAX_BYTES >> 20} MB; clear its outputs")
    return data


def cells_of(data: bytes) -> list[Cell]:
    """The cells of a notebook of any format version. Raises Unreadable."""
    if not data.strip():
        raise Unreadable("the notebook is empty")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise Unreadable(f"the notebook is damaged: {str(problem)[:200]}") from None
    raw = notebook.get("cells") if isinstance(notebook, dict) else None
    if raw is None and isinstance(notebook, dict):  # format 3 and older
        sheets = notebook.get("worksheets")
        raw = (
            [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells", [])]
            if isinstance(sheets, list)
            else None
        )
    if not isinstance(raw, list):
        raise Unreadable("the file is not a notebook: it has no cells")
    return [_cell(cell) for cell in raw[:5000] if isinstance(cell, dict)]


def _cell(cell: dict) -> Cell:
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    nbgrader = nbgrader if isinstance(nbgrader, dict) else {}
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    kind, source = str(cell.get("cell_type", "")), source.replace("\r\n", "\n") if isinstance(source, str) else ""
    return Cell(kind, source, str(cell.get("id", "")), nbgrader)
