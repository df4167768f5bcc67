"""What the copies check found, as it is kept and shown: a table of pairs for the report, the terminal and a CSV."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.copies.of_class import Copy, Passage
from autograder.plain import plain, spreadsheet_cell
from llaisys_mini.files import write_atomically

HINT = (
    "These answers are alike beyond what the task and the rest of the class explain. It is a hint to read both, no "
    "proof: two who learned together, or from one source, may well write alike."
)
_MOST_SHOWN = 50


def keep(copies: list[Copy], left: list[str], build: Path, target: Path | None = None) -> Path:
    """Write the CSV, and what the report shows. target: the CSV, by default build/copies.csv."""
    target = target or build / "copies.csv"
    data = {"copies": [asdict(copy) for copy in copies], "left": left}
    write_atomically(_kept(build), json.dumps(data, indent=1) + "\n")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows(copies))
    write_atomically(target, text.getvalue())
    return target


def load(build: Path) -> tuple[list[Copy], list[str]] | None:
    """What the last run of `copies` found, and could not compare; None if there was none."""
    if not _kept(build).is_file():
        return None
    data = json.loads(_kept(build).read_text(encoding="utf-8"))
    return [_copy(copy) for copy in data["copies"]], data["left"]


def forget(build: Path, is_of: Callable[[str, str], bool]) -> None:
    """Take pairs with one of these (student, lab) out of what is kept."""
    found = load(build)
    if found is None:
        return
    pairs = [copy for copy in found[0] if not any(is_of(student, copy.lab) for student in copy.students)]
    if len(pairs) < len(found[0]):
        keep(pairs, found[1], build)


def _kept(build: Path) -> Path:
    return build / "grading" / "copies.json"


def _copy(data: dict) -> Copy:
    passages = tuple(Passage(tuple(p["first"]), tuple(p["second"]), p["text"]) for p in data["passages"])
    return Copy(**data | {"students": tuple(data["students"]), "passages": passages})


def rows(copies: list[Copy]):
    """The rows of the CSV, the head first. share: of the shorter answer, in percent; weight: how much both hold."""
    yield ["lab", "task", "student", "other student", "share", "weight", "lines", "other lines", "begins with"]
    for c in copies:
        mine, other = (", ".join(_lines(getattr(p, which)) for p in c.passages) for which in ("first", "second"))
        text = c.passages[0].text if c.passages else ""
        yield list(
            map(
                spreadsheet_cell, [c.lab, c.task, *c.students, round(100 * c.share), round(c.weight), mine, other, text]
            )
        )


def shown(copies: list[Copy]) -> list[dict]:
    """The first of them as the report's template takes them."""
    return [
        {"lab": c.lab, "task": c.task, "students": c.students, "share": f"{100 * c.share:.0f} %"}
        | {"passages": [{"first": _lines(p.first), "second": _lines(p.second), "text": p.text} for p in c.passages]}
        for c in copies[:_MOST_SHOWN]
    ]


def terminal_table(copies: list[Copy]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("lab", "task", "students", "alike", "lines"):
        table.add_column(name, overflow="fold")
    for c in copies[:_MOST_SHOWN]:
        where = "; ".join(f"{_lines(p.first)} and {_lines(p.second)}" for p in c.passages[:2])
        table.add_row(c.lab, c.task, Text(" and ".join(c.students)), f"{100 * c.share:.0f} %", where)
    return table


def tell(copies: list[Copy], left: list[str], submissions: int, table: Path) -> None:
    """Print the first pairs, and where all of them stand."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if copies:
        console.print(terminal_table(copies))
        console.print(HINT)
    console.print(f"{len(copies)} {'pair' if len(copies) == 1 else 'pairs'}, of {submissions} submissions: {table}")
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    for sentence in left[:10]:
        errors.print(f"not compared: {plain(sentence)}")
    if len(left) > 10:
        errors.print(f"{len(left)} in all could not be compared")


def _lines(place: tuple[int, int]) -> str:
    first, last = place
    return str(first) if first == last else f"{first}-{last}"
