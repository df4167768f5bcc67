"""The report: results.json, and the same as Markdown tables."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import tables
from benchmarks.gpu.rows import Row
from benchmarks.tables import NOT_RUN


def write(folder: Path, machine: dict[str, str], rows: list[Row], seconds: float) -> list[Path]:
    """Write results.json and results.md into `folder`; returns their paths."""
    content = {"machine": machine, "seconds": round(seconds, 1), "rows": [row.as_json() for row in rows]}
    return tables.save(folder, "results", content, markdown(machine, rows, seconds))


def markdown(machine: dict[str, str], rows: list[Row], seconds: float) -> str:
    """The tables, one per part."""
    lines = ["# CUDA kernels on this machine", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += [f"- took {tables.duration(seconds)}", "", summary(rows), ""]
    for part, members in tables.parts(rows):
        lines += [f"## {part}", "", *_table(members), ""]
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> str:
    """How many rows came out how, in one line."""
    counts = {result: sum(row.result == result for row in rows) for result in ("right", "done", "wrong", NOT_RUN)}
    return ", ".join(f"{count} {result}" for result, count in counts.items() if count)


def _table(rows: list[Row]) -> list[str]:
    names = tables.columns(rows)
    has_remarks = any(row.why for row in rows)
    return tables.markdown_table(
        ["", "result", *names, *(["remark"] if has_remarks else [])],
        [[row.name, row.result, *tables.cells(row, names), *([row.why] if has_remarks else [])] for row in rows],
    )
