"""A lab that changed after submissions were graded: the gradebook follows.

nbgrader refuses to add, rename or remove graded cells once a submission is there. Here the gradebook's cells are made
those of the released lab, before nbgrader looks:

- renamed (one cell is gone, and one of the same kind and text is new): it keeps its grades and comments;
- new: every submission gets an empty grade, which the next `grade` fills or a person gives;
- gone: its grades go too. Points that a person had given are kept in a file, which the message names.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Comment, Grade, GradeCell, MissingEntry, SolutionCell, SourceCell
from nbgrader.utils import is_grade, is_locked, is_solution

_TABLES = (GradeCell, SolutionCell, SourceCell)


@dataclass
class _Cells:
    """Cells by name: what each is (its tables, type and text), which decides what may have been renamed to what."""

    kinds: dict[str, tuple] = field(default_factory=dict)

    def only(self, names: set[str], kind: tuple) -> str | None:
        """The one of `names` that is of this kind, or None if there are none or several."""
        found = [name for name in names if self.kinds[name] == kind]
        return found[0] if len(found) == 1 else None


def adapt(gradebook, lab: str, released, kept: Path) -> list[str]:
    """Make the cells of `lab` in the gradebook those of the notebook `released`; what changed, as sentences.

    kept: the file to which points given by hand are appended when their cell is removed.
    """
    try:
        notebook = gradebook.find_notebook(lab, lab)
    except MissingEntry:
        return []
    if not notebook.submissions:  # nbgrader makes the notebook anew
        return []
    cells = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in released.cells
        if "nbgrader" in cell.metadata and (is_grade(cell) or is_solution(cell) or is_locked(cell))
    }
    there = _rows(notebook)
    before = _Cells({name: _kind_in_book(rows) for name, rows in there.items()})
    after = _Cells({name: _kind(cell) for name, cell in cells.items()})
    gone, new = set(before.kinds) - set(after.kinds), set(after.kinds) - set(before.kinds)
    told = []
    for name in sorted(gone):
        kind = before.kinds[name]
        partner = after.only(new, kind)
        if partner is not None and before.only(gone, kind) == name:
            for row in there[name].values():
                row.name = partner
            told.append(f"{lab}: the cell {name} is now called {partner}; its grades stay")
            gone, new = gone - {name}, new - {partner}
    changed = {name for name in set(before.kinds) & set(after.kinds) if before.kinds[name][0] != after.kinds[name][0]}
    for name in sorted(gone | changed):
        count = _remove(gradebook, there[name], lab, kept)
        if name in gone:
            by_hand = f"; {count} grades that were given by hand are kept in {kept}" if count else ""
            told.append(f"{lab}: the cell {name} is gone, and its grades with it{by_hand}")
    gradebook.db.flush()
    for name in sorted(new | changed):
        _add(gradebook, notebook, name, cells[name])
        told.append(f"{lab}: the cell {name} is new; earlier submissions have no grade in it yet")
    gradebook.db.commit()
    return told


def _kind(cell) -> tuple:
    tables = [GradeCell] * is_grade(cell) + [SolutionCell] * is_solution(cell) + [SourceCell]
    return frozenset(table.__name__ for table in tables), cell.cell_type, cell.source


def _kind_in_book(rows: dict) -> tuple:
    source = rows.get(SourceCell)
    text = (source.cell_type, source.source) if source is not None else ("", "")
    return frozenset(table.__name__ for table in rows), *text


def _rows(notebook) -> dict[str, dict]:
    """The gradebook's rows of each cell, by name and table."""
    found: dict[str, dict] = {}
    rows = (notebook.grade_cells, notebook.solution_cells, notebook.source_cells)
    for table, cells in zip(_TABLES, rows, strict=True):
        for cell in cells:
            found.setdefault(cell.name, {})[table] = cell
    return found


def _remove(gradebook, rows: dict, lab: str, kept: Path) -> int:
    """Delete a cell with its grades and comments; how many grades a person had given."""
    by_hand = []
    for table, cell in rows.items():
        if table is GradeCell:
            grades = gradebook.db.query(Grade).filter(Grade.cell_id == cell.id).all()
            by_hand += given_by_hand(grades, lab)
            for grade in grades:
                gradebook.db.delete(grade)
        elif table is SolutionCell:
            for comment in gradebook.db.query(Comment).filter(Comment.cell_id == cell.id).all():
                gradebook.db.delete(comment)
        gradebook.db.delete(cell)
    keep_points(by_hand, kept)
    return len(by_hand)


def given_by_hand(grades: Iterable[Grade], lab: str) -> list[dict]:
    """Points among these grades that a person gave: lab, cell, student, points."""
    return [
        {"lab": lab, "cell": grade.name, "student": grade.notebook.student.id, "points": grade.manual_score}
        for grade in grades
        if grade.manual_score is not None
    ]


def kept_in(build: Path) -> Path:
    """The file of points that the gradebook has lost."""
    return build / "grading" / "removed_grades.jsonl"


def keep_points(by_hand: list[dict], kept: Path) -> None:
    """Append what `given_by_hand` found, and the gradebook loses, to a file."""
    if by_hand:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in by_hand)


def _add(gradebook, notebook, name: str, cell) -> None:
    """A new cell, with an empty grade or comment in every submission."""
    db, about = gradebook.db, cell.metadata.nbgrader
    source = dict(cell_type=cell.cell_type, source=cell.source, checksum=about.get("checksum"), locked=is_locked(cell))
    db.add(SourceCell(name=name, notebook=notebook, **source))
    graded = solved = None
    if is_grade(cell):
        graded = GradeCell(name=name, notebook=notebook, max_score=float(about.points), cell_type=cell.cell_type)
        db.add(graded)
    if is_solution(cell):
        solved = SolutionCell(name=name, notebook=notebook)
        db.add(solved)
    db.flush()
    for submitted in notebook.submissions:
        if graded is not None:
            db.add(Grade(cell_id=graded.id, notebook=submitted, needs_manual_grade=True))
        if solved is not None:
            db.add(Comment(cell_id=solved.id, notebook=submitted))
