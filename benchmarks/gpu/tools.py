"""NVIDIA's compute-sanitizer on the same broken kernels as the course's sanitizer (tests/cuda/mutants).

Each mutant runs on the device in a process of its own under the tool that is meant for its fault. Where the two differ,
the row says so. A mutant whose numbers alone are wrong is not for either of them and is left out.

A tool that reports a program as it stands, unbroken, says nothing about that program's mutants: so each tool first runs
the programs themselves. Where one does not come out clean, its mutants are not run, and the sums are called not sound.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu.rows import Clock, Row
from benchmarks.tables import NOT_RUN
from llaisys_mini import paths
from llaisys_mini.sanitizer.findings import BARRIER, INACTIVE_LANES, LIMIT, OUT_OF_BOUNDS, RACE, UNINITIALISED

PART = "compute-sanitizer"
TOOLS = {
    OUT_OF_BOUNDS: "memcheck",
    LIMIT: "memcheck",
    UNINITIALISED: "initcheck",
    RACE: "racecheck",
    BARRIER: "synccheck",
    INACTIVE_LANES: "synccheck",
}
OPTIONS = {
    # The driver's library asks for functions that are not there, and is told so: no fault of the program.
    "memcheck": ("--report-api-errors", "no"),
}
_SECONDS = 60  # for one program
_FOUND = 9  # exit code that the tool is asked to give
_MISSED = "not by compute-sanitizer"

_LAUNCH = """

if __name__ == "__main__":
    from llaisys_mini import cuda as _cuda

    def _there(name, value):
        if not isinstance(value, np.ndarray):
            return value
        if name in globals().get("OUTPUTS", ("out",)):
            return _cuda.device_array(value.shape, value.dtype)  # uninitialised on the device
        return _cuda.to_device(value)

    launch(**{name: _there(name, value) for name, value in inputs(np.random.default_rng(0)).items()})
    _cuda.synchronize()
"""


Work = tuple[str, str, str]
"""Name of the tool, name of the program, its source."""


@dataclass(frozen=True)
class Ended:
    """How a program ended under a tool. found: whether the tool reported something; failed: whether the program ended
    with an error of its own; words: the first that were said; why_not: why it was not run, or did not end."""

    found: bool = False
    failed: bool = False
    words: str = ""
    why_not: str = ""


def rows(no_device: str | None, clock: Clock, reserve: float) -> Iterator[Row]:
    """For each tool a row about the unbroken programs, one row per mutant whose fault it is meant for, and sums."""
    from tests.cuda.mutants.catalogue import MUTANTS
    from tests.cuda.mutants.running import source_of

    tool = shutil.which("compute-sanitizer")
    why = no_device or (None if tool else "compute-sanitizer is not on the path")
    chosen = [mutant for mutant in MUTANTS if mutant.kind in TOOLS]
    if why:
        yield Row(PART, f"{len(chosen)} mutants", NOT_RUN, why)
        return
    with ThreadPoolExecutor(max(1, min(8, (os.cpu_count() or 2) // 2))) as pool:

        def ended(works: Iterable[Work]) -> dict[Work, Ended]:
            works = list(dict.fromkeys(works))
            return dict(zip(works, pool.map(lambda work: _run(tool, work, clock, reserve), works), strict=True))

        unbroken = ended((TOOLS[m.kind], m.program, source_of(m.program)) for m in chosen)
        clean = {work[:2] for work, how in unbroken.items() if how == Ended()}
        yield from _rows_of_unbroken(unbroken)
        works = {m: (TOOLS[m.kind], m.program, m.applied(source_of(m.program))) for m in chosen}
        broken = ended(work for work in works.values() if work[:2] in clean)
    finished = [_row_of(mutant, broken.get(work)) for mutant, work in works.items()]
    yield from finished
    is_sound = len(clean) == len(unbroken)
    for name in (*dict.fromkeys(TOOLS.values()), "all"):
        yield _sum(name, [row for row in finished if name in ("all", row.figures["tool"])], is_sound)


def _rows_of_unbroken(unbroken: dict[Work, Ended]) -> Iterator[Row]:
    """Result "right" where a tool reports none of the unbroken programs."""
    for name in dict.fromkeys(work[0] for work in unbroken):
        ends = {program: how for (tool, program, _), how in unbroken.items() if tool == name}
        problems = {program: how.why_not or how.words or "it failed" for program, how in ends.items() if how != Ended()}
        why = "; ".join(f"{program}: {words}" for program, words in problems.items())
        result = "wrong" if problems else "right"
        if problems and all(how.why_not for how in ends.values()):
            result = NOT_RUN
        yield Row(PART, f"unbroken programs, {name}", result, why, {"tool": name, "clean": len(ends) - len(problems)})


def _row_of(mutant, ended: Ended | None) -> Row:
    """Result "right" where compute-sanitizer reports the mutant too, "wrong" where it does not."""
    name, figures = f"{mutant.program}: {mutant.name}", {"tool": TOOLS[mutant.kind]}
    if ended is None:
        return Row(PART, name, NOT_RUN, f"not sound: {TOOLS[mutant.kind]} reports the unbroken program too", figures)
    if ended.why_not:
        return Row(PART, name, NOT_RUN, ended.why_not, figures)
    # A launch beyond the hardware's limits is refused by the driver itself, under the tool as without it.
    is_told = ended.found or (mutant.kind == LIMIT and ended.failed)
    return Row(PART, name, "right" if is_told else "wrong", figures={**figures, "its words": ended.words})


def _sum(name: str, finished: list[Row], is_sound: bool) -> Row:
    counts = {result: sum(row.result == result for row in finished) for result in ("right", "wrong", NOT_RUN)}
    figures = {"mutants": len(finished), "found by both": counts["right"], _MISSED: counts["wrong"]}
    if name == "all" and not is_sound:
        return Row(PART, name, NOT_RUN, "not sound: an unbroken program did not come out clean, so nothing is counted")
    if counts[NOT_RUN]:
        return Row(PART, name, NOT_RUN, f"{counts[NOT_RUN]} of {len(finished)} mutants were not run", figures)
    return Row(PART, name, "done", f"{counts['wrong']} of {len(finished)} were not found by compute-sanitizer", figures)


def _run(tool, work: Work, clock: Clock, reserve: float) -> Ended:
    name, program, source = work
    if clock.left <= reserve + _SECONDS / 4:
        return Ended(why_not="no time was left")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{program}.py"
        path.write_text(source + _LAUNCH, encoding="utf-8")
        options = [*OPTIONS.get(name, ()), "--error-exitcode", str(_FOUND)]
        search = os.pathsep.join([str(paths.course_root()), os.environ.get("PYTHONPATH", "")])
        try:
            ended = subprocess.run(
                [tool, "--tool", name, *options, sys.executable, str(path)],
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                env={**os.environ, "PYTHONPATH": search},
            )
        except subprocess.TimeoutExpired:
            return Ended(why_not=f"still running after {_SECONDS} s under {name}")
    said = [
        line.strip("= ") for line in ended.stdout.splitlines() if re.match(r"=+ (?!COMPUTE-SANITIZER|ERROR SUMM)", line)
    ]
    found = ended.returncode == _FOUND
    failed = not found and ended.returncode != 0
    if failed:
        said = said or ended.stderr.strip().splitlines()[-1:]
    words = said[0][:120] if said and (found or failed) else ""
    return Ended(found, failed, words)
