"""What the benchmark found: rows of figures, aims reached or missed, and both as JSON and Markdown.

Nothing is left out: a figure that misses its aim stays with its reason, a disturbed one says so, and what could not be
measured has a row that says why.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import tables
from benchmarks.surroundings import QUIET


@dataclass
class Row:
    """One line of a table. figures: column with unit -> number; state: quiet, or what disturbed it, or why not run."""

    part: str
    name: str
    figures: dict[str, float] = field(default_factory=dict)
    state: str = QUIET


@dataclass
class Aim:
    """What was to be reached. reached: None if it was not measured; reason: why it was missed or not measured."""

    what: str
    wanted: float
    at_most: bool
    reached: float | None
    reason: str = ""

    @property
    def met(self) -> bool | None:
        if self.reached is None:
            return None
        return self.reached <= self.wanted if self.at_most else self.reached >= self.wanted

    @property
    def short_by(self) -> float:
        """How far from the aim, as a share of it; 0 if it is met."""
        return 0.0 if self.met or self.reached is None else abs(self.reached / self.wanted - 1)

    def outcome(self) -> str:
        if self.met is None:
            return f"not measured: {self.reason}"
        return "met" if self.met else f"short by {self.short_by:.0%}: {self.reason}"


@dataclass
class Found:
    """Everything one run found."""

    machine: dict[str, object]
    rows: list[Row] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict:
        aims = [asdict(aim) | {"met": aim.met} for aim in self.aims]
        return asdict(self) | {"aims": aims}

    def tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """(title, head, rows), the aims last."""
        made = []
        for part, members in tables.parts(self.rows):
            names = tables.columns(members)
            cells = [[row.name, *tables.cells(row, names), row.state] for row in members]
            made.append((part, ["", *names, "state"], cells))
        rows = [
            [
                aim.what,
                f"{'at most' if aim.at_most else 'at least'} {aim.wanted:.3g}",
                "" if aim.reached is None else f"{aim.reached:.3g}",
                aim.outcome(),
            ]
            for aim in self.aims
        ]
        return [*made, ("Aims", ["", "aim", "reached", "outcome"], rows)]

    def markdown(self) -> str:
        lines = ["# Grading a class", ""]
        lines += [f"- {name}: {tables.flat(value)}" for name, value in self.machine.items()]
        lines += [f"- took {tables.duration(self.seconds)}", "", *(f"> {remark}\n" for remark in self.remarks)]
        for title, head, rows in self.tables():
            lines += [f"## {title}", "", *tables.markdown_table(head, rows), ""]
        return "\n".join(lines)

    def save(self, folder: Path) -> list[Path]:
        """Write grading.json and grading.md; returns what was written."""
        return tables.save(folder, "grading", self.as_dict(), self.markdown())

    def show(self, console) -> None:
        from rich.table import Table

        for title, head, rows in self.tables():
            table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
            for column in head:
                table.add_column(column, overflow="fold")
            for row in rows:
                table.add_row(*row)
            console.print(table)
        for remark in self.remarks:
            console.print(remark, style="bold")
