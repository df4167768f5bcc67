"""What every report of a benchmark is made of: numbers as text, tables as Markdown, and the two files that are kept."""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol, TypeVar

from llaisys_mini.files import write_atomically

NOT_RUN = "not run"


class Row(Protocol):
    """One line of a table. part: the section it stands in; figures: column with unit -> number or text."""

    @property
    def part(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def figures(self) -> Mapping[str, float | str]: ...


AnyRow = TypeVar("AnyRow", bound=Row)


# ---- text ----------------------------------------------------------------------------------------------------------


def duration(seconds: float) -> str:
    """Three digits in the unit that suits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def number(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figure(value: float | str | None) -> str:
    """A cell of a table: a number, a text, or nothing."""
    return "" if value is None else value if isinstance(value, str) else number(value)


def flat(value) -> str:
    """A value of the description of a machine."""
    return ", ".join(f"{name} {one}" for name, one in value.items()) if isinstance(value, Mapping) else str(value)


# ---- tables --------------------------------------------------------------------------------------------------------


def columns(rows: Sequence[Row]) -> list[str]:
    """The figures that some row has, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.figures))


def cells(row: Row, names: Sequence[str]) -> list[str]:
    """The row's figures in these columns, as text."""
    return [figure(row.figures.get(name)) for name in names]


def parts(rows: Sequence[AnyRow]) -> list[tuple[str, list[AnyRow]]]:
    """(part, its rows), in order of appearance."""
    order = list(dict.fromkeys(row.part for row in rows))
    ordered = sorted(rows, key=lambda row: order.index(row.part))  # stable
    return [(part, list(members)) for part, members in groupby(ordered, lambda row: row.part)]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


# ---- files ---------------------------------------------------------------------------------------------------------


def save(folder: Path, stem: str, content: dict, text: str) -> list[Path]:
    """Write `content` to <stem>.json and `text` to <stem>.md; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_text = folder / f"{stem}.json", folder / f"{stem}.md"
    finite = json.dumps(_without_nan(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(as_json, finite + "\n")
    write_atomically(as_text, text)
    return [as_json, as_text]


def _without_nan(value):
    """JSON has no NaN and no infinity; null stands for them."""
    if isinstance(value, Mapping):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
