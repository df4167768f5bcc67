"""Reading what a student handed in: never trusted, never executed, and as much understood as possible.

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

from nbformat import from_dict
from nbgrader.utils import compute_checksum

MAX_BYTES = 20 << 20


class Unreadable(Exception):
    """Nothing can be read; the message says why, for the student. suspicious: as in Reading."""

    def __init__(self, reason: str, suspicious: list[str] | None = None):
        super().__init__(reason)
        self.suspicious = suspicious or []


@dataclass(frozen=True)
class Cell:
    """kind: "code", "markdown", ...; grade_id: of nbgrader's metadata or ""; id: of the cell or "".

    points: None where the cell's checksum shows that a version of the lab was released with them, and in a cell that
    the student fills in, where no checksum can show it.
    """

    kind: str
    source: str
    grade_id: str = ""
    id: str = ""
    points: float | None = None


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
    points = nbgrader.get("points")
    if nbgrader.get("solution") is True or nbgrader.get("checksum") == _checksum(kind, source, nbgrader):
        points = None  # an answer's checksum changes with the answer; the others are as they were released
    points = float(points) if isinstance(points, (int, float)) else None
    return Cell(kind, source, str(nbgrader.get("grade_id", "")), str(cell.get("id", "")), points)


def _checksum(kind: str, source: str, nbgrader: dict) -> str:
    """What nbgrader wrote beside the points when it released the cell."""
    metadata = (
        {"grade": False, "solution": False, "locked": False} | nbgrader | {"grade_id": str(nbgrader.get("grade_id"))}
    )
    try:
        return compute_checksum(from_dict({"cell_type": kind, "source": source, "metadata": {"nbgrader": metadata}}))
    except (ValueError, TypeError, OverflowError):  # half a character, or a number that is none
        return ""
