"""The command: `python -m benchmarks.grading`, see --help."""

import json
import statistics
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from autograder import tasks
from benchmarks import machine, surroundings
from benchmarks.grading import students
from benchmarks.grading.commands import OURS, PLAIN, Ours, Plain, cluster
from benchmarks.grading.rows import Aim, Found, Row
from benchmarks.grading.spending import Spent
from benchmarks.grading.students import Student
from benchmarks.measure import quartiles
from benchmarks.surroundings import DISTURBED, NOT_DETECTED, QUIET
from benchmarks.tables import NOT_RUN

RESULTS = Path(__file__).parents[1] / "results"
BATCH = 20  # submissions that one grader takes before the other has its turn

CPU_OF_CLEAN, SHARE_OF_PLAIN, FIRST, TWO_WORKERS = 1.0, 1 / 3, 2.0, 1.8
"""The aims: CPU s of a clean submission, its ratio to plain nbgrader's, seconds until the first submission starts, and
how much faster two workers are than one."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--students", "size", type=click.IntRange(2), default=120, show_default=True, help="Size of the class.")
@click.option("--rounds", type=click.IntRange(1), default=2, show_default=True, help="How often workers are compared.")
@click.option("--starts", type=click.IntRange(1), default=5, show_default=True, help="How often the start is timed.")
@click.option("--timeout", type=click.FloatRange(1), default=10, show_default=True, help="Seconds for each task.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, help="Folder for grading.json and grading.md.")
def main(size: int, rounds: int, starts: int, timeout: float, out: Path):
    """Grade the same class with this autograder and with plain nbgrader, in turn (about 50 minutes for 120)."""
    console = Console(highlight=False, width=None if Console().is_terminal else 180)
    begin = time.perf_counter()
    tasks.make_if_stale()
    members = students.a_class(size)
    found = Found(machine.hardware())
    found.machine["versions"] = {name: machine.version(name) for name in ("nbgrader", "numba", "numpy", "distributed")}
    found.machine["class"] = f"{size} students of one lab: {_composition(members)}"
    found.machine["limit"] = f"{timeout:g} s for each task, for both"
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        (place / "ours").mkdir()
        ours, plain = Ours(place / "ours", timeout), Plain(place / "plain", timeout)
        whole = students.write(members, place / "class")
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            steps = Steps(progress)
            for measure in (
                lambda: until_first(found, ours, plain, whole, starts, steps),
                lambda: in_turn(found, ours, plain, members, place, steps),
                lambda: workers(found, ours, members, whole, place, rounds, steps),
            ):
                measure()
                found.seconds = time.perf_counter() - begin
                found.save(out)
    found.show(console)
    console.print(f"saved: {', '.join(map(str, found.save(out)))}")
    if any("other grades" in remark for remark in found.remarks):
        raise SystemExit(1)


class Steps:
    """A bar per part, with what is being done."""

    def __init__(self, progress: Progress):
        self._progress = progress

    def each(self, what: str, things: list):
        bar = self._progress.add_task(what, total=len(things))
        for thing in things:
            yield thing
            self._progress.advance(bar)


def _composition(members: list[Student]) -> str:
    kinds = dict.fromkeys(student.kind for student in members)
    return ", ".join(f"{sum(s.kind == kind for s in members)} {kind}" for kind in kinds)


def _state(troubles: list[str | None]) -> str:
    """The state of a row that comes from several commands."""
    if surroundings.usage_now() is None:
        return NOT_DETECTED
    disturbed = [trouble for trouble in troubles if trouble]
    return f"{DISTURBED} ({len(disturbed)} of {len(troubles)}): {disturbed[0]}" if disturbed else QUIET


# ---- the start ---------------------------------------------------------------------------------------------------


def until_first(found: Found, ours: Ours, plain: Plain, whole: Path, starts: int, steps: Steps) -> None:
    """Seconds from the command to the first submission of the whole class."""
    part = "Until the first submission starts"
    taken: dict[str, list[Spent]] = {OURS: [], PLAIN: []}
    for turn in steps.each("until the first submission starts", [*range(starts)]):
        for name in (OURS, PLAIN) if turn % 2 == 0 else (PLAIN, OURS):
            taken[name].append((ours if name == OURS else plain).until_first(whole))
    for name, spent in taken.items():
        low, middle, high = quartiles([one.wall for one in spent])
        figures = {"s": middle, "lower quartile, s": low, "upper quartile, s": high}
        found.rows.append(Row(part, name, figures, _state([one.trouble() for one in spent])))
    reached = statistics.median(one.wall for one in taken[OURS])
    found.aims.append(
        Aim(
            "seconds until the first submission starts",
            FIRST,
            True,
            reached,
            "importing Numba and warming one worker comes first",
        )
    )


# ---- ours and plain nbgrader in turn ------------------------------------------------------------------------------


def batches(members: list[Student]) -> list[tuple[str, list[Student]]]:
    """Clean submissions and others in batches of their own, of about BATCH, in turn."""
    kinds = {"clean": [s for s in members if s.clean], "other": [s for s in members if not s.clean]}
    cut = {}
    for kind, some in kinds.items():
        count = max(1, round(len(some) / BATCH))
        cut[kind] = [some[n::count] for n in range(count)]
    rounds = max(map(len, cut.values()))
    return [(kind, cut[kind][n]) for n in range(rounds) for kind in cut if n < len(cut[kind])]


def in_turn(found: Found, ours: Ours, plain: Plain, members: list[Student], place: Path, steps: Steps) -> None:
    """CPU and wall seconds for each submission: one worker of ours against plain nbgrader, which has no other."""
    several = sum(student.clean for student in members) > 1
    one = [("a single clean one, start included", members[:1])] if several else []
    samples: dict[str, list[tuple[int, Spent, Spent, float]]] = {}
    same = other = none = 0
    for number, (kind, some) in enumerate(steps.each("ours and plain nbgrader in turn", [*one, *batches(members)])):
        submitted = students.write(some, place / "batches" / str(number))
        spent = {}
        for name in (OURS, PLAIN) if number % 2 == 0 else (PLAIN, OURS):
            if name == OURS:
                spent[OURS], build = ours.grade(submitted, "--jobs", "1")
            else:
                spent[PLAIN] = plain.grade(submitted)
        samples.setdefault(kind, []).append((len(some), spent[OURS], spent[PLAIN], _in_sandbox(build) / len(some)))
        mine, theirs = ours.points(build), plain.points()
        if kind in ("clean", "other"):
            for student in some:
                given = theirs.get(student.name)
                same += given == mine[student.name]
                none += given is None
                other += given not in (None, mine[student.name])
    part = "One worker of ours and plain nbgrader, in turn: seconds for each submission"
    for kind, taken in samples.items():
        found.rows.append(_compared(part, kind, taken))
    clean = next(row for row in found.rows if row.part == part and row.name == "clean")
    in_sandbox = statistics.median(sample[3] for sample in samples["clean"])
    reason = f"{in_sandbox:.2f} s of it compile and run the student's code; the rest starts, compares and reports"
    reached = clean.figures
    found.aims.append(Aim("CPU seconds of a clean submission", CPU_OF_CLEAN, True, reached["ours, CPU"], reason))
    found.aims.append(
        Aim("the same, over plain nbgrader's", SHARE_OF_PLAIN, True, 1 / reached["CPU, theirs over ours"], reason)
    )
    found.remarks.append(
        f"Of {len(members)} submissions plain nbgrader gave {same} the points that ours gave, {other} other points, "
        f"and {none} no grade at all."
    )


def _compared(part: str, kind: str, taken: list[tuple[int, Spent, Spent, float]]) -> Row:
    """Medians over batches; ratios are formed within each batch, where both saw the same machine."""
    figures = {"submissions": float(sum(count for count, *_ in taken))}
    for what, of in (("CPU", lambda s: s.cpu), ("wall", lambda s: s.wall)):
        mine = [of(one) / count for count, one, _, _ in taken]
        theirs = [of(one) / count for count, _, one, _ in taken]
        ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
        figures[f"ours, {what}"] = statistics.median(mine)
        figures[f"plain nbgrader, {what}"] = statistics.median(theirs)
        figures[f"{what}, theirs over ours"] = statistics.median(ratios)
    return Row(part, kind, figures, _state([one.trouble() for sample in taken for one in sample[1:3]]))


def _in_sandbox(build: Path) -> float:
    """CPU seconds of the processes that ran students' code."""
    data = json.loads((build / "grading" / "verdicts.json").read_text(encoding="utf-8"))
    return sum(verdict["cpu"] for verdict in data["verdicts"])


# ---- several workers ---------------------------------------------------------------------------------------------

ONE, TWO, CLUSTER = "one worker", "two workers", "Dask cluster of two workers"


def workers(
    found: Found, ours: Ours, members: list[Student], whole: Path, place: Path, rounds: int, steps: Steps
) -> None:
    """The whole class with one worker, with two, and on a local Dask cluster of two; the grades must be the same."""
    part = f"The whole class of {len(members)}"
    ways, absent = [ONE, TWO, CLUSTER], {}
    taken: dict[str, list[tuple[Spent, float]]] = {way: [] for way in ways}
    grades: dict[str, dict] = {}
    if machine.cores() < 2:
        found.remarks.append("This process may use one core only: more than one worker cannot be faster here.")
    for turn in steps.each("the whole class: one worker, two, a Dask cluster", [*range(rounds)]):
        for way in ways if turn % 2 == 0 else ways[::-1]:
            if way in absent:
                continue
            if way == CLUSTER:
                try:
                    with cluster(2, place / "cluster") as (address, used):
                        before = used.cpu()
                        spent, build = ours.grade(whole, "--scheduler", address)
                        taken[way].append((spent, spent.cpu + used.cpu() - before))
                except ImportError:
                    absent[way] = f"{NOT_RUN}: dask.distributed is not installed"
                    continue
            else:
                spent, build = ours.grade(whole, "--jobs", "1" if way == ONE else "2")
                taken[way].append((spent, spent.cpu))
            grades.setdefault(way, ours.points(build))
    for way in ways:
        if not taken[way]:
            found.rows.append(Row(part, way, state=absent[way]))
            continue
        wall = statistics.median(spent.wall for spent, _ in taken[way])
        figures = {
            "wall s": wall,
            "submissions per minute": 60 * len(members) / wall,
            "CPU s for each": statistics.median(cpu for _, cpu in taken[way]) / len(members),
        }
        if way != ONE:
            pairs = zip(taken[ONE], taken[way], strict=True)
            figures["times one worker"] = statistics.median(one.wall / many.wall for (one, _), (many, _) in pairs)
        found.rows.append(
            Row(part, way, figures, _state([spent.trouble(cpu - spent.cpu) for spent, cpu in taken[way]]))
        )
    for way, points in grades.items():
        if points != grades[ONE]:
            found.remarks.append(f"{way}: other grades than with {ONE}. This is a defect.")
    found.aims.append(_scaling(found, part, taken))


def _scaling(found: Found, part: str, taken) -> Aim:
    what = "from one worker to two, times faster"
    if machine.cores() < 2:
        return Aim(what, TWO_WORKERS, False, None, "this process may use one core only")
    reached = next(row for row in found.rows if row.part == part and row.name == TWO).figures["times one worker"]
    one, two = (statistics.median(spent.wall for spent, _ in taken[way]) for way in (ONE, TWO))
    alone = max(0.0, 2 * two - one)
    return Aim(what, TWO_WORKERS, False, reached, f"as if {alone:.1f} of {one:.0f} s could not be shared")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.grading")
