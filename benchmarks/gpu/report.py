"""The report: results.json, and the same as Markdown tables."""

import json
from itertools import groupby
from pathlib import Path

from benchmarks.gpu.rows import NOT_RUN, Row
from llaisys_mini.files import write_atomically


def write(folder: Path, machine: dict[str, str], rows: list[Row], seconds: float) -> tuple[Path, Path]:
    """Write results.json and results.md into `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_text = folder / "results.json", folder / "results.md"
    content = {"machine": machine, "seconds": round(seconds, 1), "rows": [row.as_json() for row in rows]}
    write_atomically(as_json, json.dumps(content, indent=1) + "\n")
    write_atomically(as_text, markdown(machine, rows, seconds))
    return as_json, as_text


def markdown(machine: dict[str, str], rows: list[Row], seconds: float) -> str:
    """The tables, one per part."""
    lines = ["# CUDA kernels on this machine", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += [f"- took {seconds:.0f} s", "", summary(rows), ""]
    for part, members in groupby(rows, lambda row: row.part):
        lines += [f"## {part}", "", *_table(list(members)), ""]
    return "\n".join(lines)


def summary(rows: list[Row]) -> str:
    """How many rows came out how, in one line."""
    counts = {result: sum(row.result == result for row in rows) for result in ("right", "done", "wrong", NOT_RUN)}
    return ", ".join(f"{count} {result}" for result, count in counts.items() if count)


def _table(rows: list[Row]) -> list[str]:
    titles = list(dict.fromkeys(name for row in rows for name in row.figures))
    remarks = any(row.why for row in rows)
    head = ["", "result", *titles, *(["remark"] if remarks else [])]
    table = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        figures = [_shown(row.figures.get(title, "")) for title in titles]
        cells = [row.name, row.result, *figures, *([row.why] if remarks else [])]
        table.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return table


def _shown(value) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
