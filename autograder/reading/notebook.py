"""The cells of a notebook: never trusted, never executed, and as much understood as possible.

An accident must not cost a grade. So any version of the notebook format is read, in any encoding, with any of its
metadata missing. Texts come out plain (plain.py). Sizes are bounded, so that no file costs the judge more than seconds.
"""

import json
from dataclasses import dataclass, field

from autograder.plain import MOST_SOURCE, plain_source
from autograder.reading.files import Unreadable
from llaisys_mini.course.submission import MOST_CELLS

MOST_TEXT = 1_000_000  # characters of all cells together; a lab has 50,000
_MOST_PARTS = 500_000  # lists and objects in the file, which take memory before it is known what they are


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
        grade_id = self.mark.get("grade_id", "")
        return grade_id if isinstance(grade_id, str) else ""

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


def cells_of(data: bytes) -> list[Cell]:
    """The cells of a notebook of any format version. Raises Unreadable."""
    if not data.strip(b"\0 \t\r\n"):
        raise Unreadable("the notebook is empty")
    if data.count(b"[") + data.count(b"{") > _MOST_PARTS:
        raise Unreadable("the notebook has too many parts; clear its outputs")
    try:
        notebook = json.loads(_decoded(data))
    except (ValueError, RecursionError, MemoryError) as problem:
        raise Unreadable(f"the notebook is damaged: {str(problem)[:200] or type(problem).__name__}") from None
    raw = notebook.get("cells") if isinstance(notebook, dict) else None
    if raw is None and isinstance(notebook, dict):  # format 3 and older
        sheets = notebook.get("worksheets")
        sheets = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)] if isinstance(sheets, list) else []
        raw = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet] if sheets else None
    if not isinstance(raw, list):
        raise Unreadable("the file is not a notebook: it has no cells")
    if len(raw) > MOST_CELLS:
        raise Unreadable(f"the notebook has {len(raw)} cells; at most {MOST_CELLS} are read")
    cells = [_cell(cell) for cell in raw if isinstance(cell, dict)]
    longest = max((len(cell.source) for cell in cells), default=0)
    if longest > MOST_SOURCE or sum(len(cell.source) for cell in cells) > MOST_TEXT:
        raise Unreadable(
            f"the notebook's cells hold too much text; at most {MOST_SOURCE:,} characters in one and {MOST_TEXT:,} in "
            "all are read"
        )
    return cells


def _decoded(data: bytes) -> str:
    encoding = json.detect_encoding(data)  # UTF-8, or UTF-16 and UTF-32, which Windows' editor writes
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _cell(cell: dict) -> Cell:
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    marks = nbgrader.items() if isinstance(nbgrader, dict) else ()
    # Plain values alone: what is nested in them has no meaning, and may be nested deeply.
    mark = {name: value for name, value in marks if isinstance(value, (str, bool, int, float))}
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    text = plain_source(source) if isinstance(source, str) else ""
    return Cell(_word(cell.get("cell_type")), text, _word(cell.get("id")), {k: _plain_mark(v) for k, v in mark.items()})


def _plain_mark(value):
    return _word(value) if isinstance(value, str) else value


def _word(value: object) -> str:
    return plain_source(value[:200]) if isinstance(value, str) else ""
