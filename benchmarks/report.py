"""What was measured, for people and for programs: tables on the terminal, Markdown, JSON and pictures.

Nothing is left out here: a row that misses its target says by how much, a row that was disturbed says so, and an
opponent that is not installed keeps its column.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import figures, tables
from benchmarks.measure import Timing
from benchmarks.surroundings import DISTURBED, NOT_DETECTED
from benchmarks.tables import duration, flat, markdown_table, number
from benchmarks.work import OURS, Report, Result

HOW_TO_READ = (
    "Ratios are throughput, ours over theirs: above 1 we are faster. Each is the median over rounds in which all "
    "contestants took turns; the numbers after it are the quartiles. The share is that of the roofline, the least time "
    "that the arithmetic and the reading measured in the same run allow."
)


# ---- the text of one cell ----------------------------------------------------------------------------------------


def ratio(timing: Timing, in_full: bool = True) -> str:
    """The median, and in full also the quartiles."""
    quartiles = f" ({timing.ratio_low:.2f}–{timing.ratio_high:.2f})" if in_full else ""
    return f"{timing.ratio:.2f}{quartiles}"


def state(result: Result, in_full: bool = True) -> str:
    """How far the row can be trusted; in full also why, and what was repeated."""
    found = result.comparison
    if not in_full:
        return found.state
    text = f"disturbed: {found.reason}" if found.state == DISTURBED else found.state
    return text + (f" ({found.repeated} samples repeated)" if found.repeated else "")


def verdict(result: Result, in_full: bool = True) -> str:
    """The targets of a row: "met", or each that is not. What is wrong is not judged by its speed."""
    if not result.errors.get(OURS, 0.0) <= 1:
        return f"wrong: the error is {result.errors[OURS]:.2g} times what is allowed"
    unmet = [one for one in result.verdicts if not one.met]
    if in_full or not unmet:
        return "; ".join(map(str, unmet)) or ("met" if result.verdicts else "")
    short = [one for one in unmet if one.met is False]
    return f"short by {max(one.short_by for one in short):.0%}" if short else "not measured"


def cells(result: Result, opponents: Sequence[str], in_full: bool = True) -> list[str]:
    """One row: work, our time, rate, share, a ratio per opponent, targets, state."""
    there = {timing.name: timing for timing in result.comparison.timings}
    time = rate = share = ""
    if OURS in there:
        time = f"{duration(there[OURS].seconds)} ±{there[OURS].spread:.0%}"
        rate = f"{number(result.rate)} {result.unit}"
    if result.share is not None:
        share = f"{result.share:.0%}" + (f" of {result.bound}" if in_full else "")
    ratios = [ratio(there[name], in_full) if name in there else result.absent.get(name, "") for name in opponents]
    return [result.name, time, rate, share, *ratios, verdict(result, in_full), state(result, in_full)]


def header(results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """(column titles, the opponents among them) for rows that share a table."""
    names = [name for one in results for name in [*(timing.name for timing in one.comparison.timings), *one.absent]]
    opponents = [name for name in dict.fromkeys(names) if name != OURS]
    return ["work", "ours", "rate", "share", *(f"vs {name}" for name in opponents), "targets", "state"], opponents


def error_rows(report: Report) -> tuple[list[str], list[list[str]]]:
    """The accuracy table: each contestant's largest error in multiples of what the contract allows."""
    measured = {(one.group, one.name): one.errors for one in report.results if one.errors}
    names = list(dict.fromkeys(name for errors in measured.values() for name in errors))
    rows = [
        [f"{group}: {name}", *(f"{errors[who]:.2g}" if who in errors else "" for who in names)]
        for (group, name), errors in measured.items()
    ]
    return ["work", *names], rows


def tally(report: Report) -> str:
    """One sentence on the targets of the whole run."""
    verdicts = [one for result in report.results for one in result.verdicts]
    met = sum(one.met is True for one in verdicts)
    missing = sum(one.met is None for one in verdicts)
    disturbed = sum(one.comparison.state == DISTURBED for one in report.results)
    text = f"{met} of {len(verdicts)} targets met"
    text += f", {missing} not measured" if missing else ""
    wrong = sum(not one.errors.get(OURS, 0.0) <= 1 for one in report.results)
    text += f"; {wrong} rows are WRONG by more than their tolerance" if wrong else ""
    text += f"; {disturbed} of {len(report.results)} rows disturbed by other processes" if disturbed else ""
    if any(one.comparison.state == NOT_DETECTED for one in report.results):
        text += "; this system does not tell whether other processes disturbed the run"
    return text + "."


# ---- whole documents ---------------------------------------------------------------------------------------------


def ceiling_lines(report: Report) -> list[str]:
    """A line for each number of threads: what the machine can do at most."""
    return [
        f"{one.threads} thread{'s' * (one.threads > 1)}: {one.arithmetic / 1e9:.0f} GFLOP/s; reading "
        + ", ".join(f"{speed / 1e9:.1f} GB/s from {place}" for place, speed in one.reading.items())
        for one in report.ceilings
    ]


def markdown(report: Report) -> str:
    """The whole report as one Markdown document."""
    lines = ["# Benchmarks", "", tally(report), "", HOW_TO_READ, ""]
    lines += [f"> {remark}\n" for remark in report.remarks]
    lines += ["## Machine", "", *(f"- {name}: {flat(value)}" for name, value in report.machine.items()), ""]
    lines += ["What it can do at most, measured in this run:", "", *(f"- {line}" for line in ceiling_lines(report)), ""]
    for group, threads, results in report.groups():
        titles, opponents = header(results)
        lines += [f"## {group}, {threads} thread{'s' * (threads > 1)}", ""]
        lines += markdown_table(titles, [cells(one, opponents) for one in results])
        notes = [f"- {one.name}: {note}" for one in results for note in one.notes]
        lines += ["", *notes, ""] if notes else [""]
    titles, rows = error_rows(report)
    if rows:
        lines += [
            "## Accuracy",
            "",
            "Largest error against float64, in multiples of what the contract allows (at most 1).",
            "",
        ]
        lines += [*markdown_table(titles, rows), ""]
    return "\n".join(lines)


def save(report: Report, folder: Path) -> list[Path]:
    """Write benchmarks.json, benchmarks.md and the pictures into `folder`. Returns what was written."""
    written = tables.save(folder, "benchmarks", report.as_dict(), markdown(report))
    return [*written, *figures.save_all(report, folder)]


# ---- the terminal ------------------------------------------------------------------------------------------------


def show_group(console, title: str, results: Sequence[Result]) -> None:
    """Print one group's table with rich; what missed its target or was disturbed stands out, and says so in words."""
    from rich.table import Table

    titles, opponents = header(results)
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    for position, name in enumerate(titles):
        table.add_column(name, justify="left" if position in (0, len(titles) - 2, len(titles) - 1) else "right")
    for one in results:
        row = cells(one, opponents, in_full=False)
        row[-2] = f"[bold]{row[-2]}[/]" if "short" in row[-2] else row[-2]
        table.add_row(*row)
    console.print(table)
    for one in results:
        disturbed = [state(one)] if one.comparison.state == DISTURBED else []
        for remark in [*(str(unmet) for unmet in one.verdicts if unmet.met is False), *disturbed, *one.notes]:
            console.print(f"  {one.name}: {remark}", style="dim")


def show_errors(console, report: Report) -> None:
    """Print the accuracy table with rich."""
    from rich.table import Table

    titles, rows = error_rows(report)
    if not rows:
        return
    table = Table(title="largest error, in multiples of what the contract allows", title_justify="left", pad_edge=False)
    for position, name in enumerate(titles):
        table.add_column(name, justify="right" if position else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
