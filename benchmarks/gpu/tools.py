"""NVIDIA's compute-sanitizer on the same broken kernels as the course's sanitizer (tests/cuda/mutants).

Each mutant runs on the device in a process of its own under the tool that is meant for its fault. Where the two differ,
the row says so. A mutant whose numbers alone are wrong is not for either of them and is left out.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
_SECONDS = 60  # for one mutant
_FOUND = 9  # exit code that the tool is asked to give

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


def rows(no_device: str | None, clock: Clock, reserve: float) -> Iterator[Row]:
    """One row per mutant whose fault one of the tools is meant for, and a last one that counts."""
    from tests.cuda.mutants.catalogue import MUTANTS

    tool = shutil.which("compute-sanitizer")
    why = no_device or (None if tool else "compute-sanitizer is not on the path")
    chosen = [mutant for mutant in MUTANTS if mutant.kind in TOOLS]
    if why:
        yield Row(PART, f"{len(chosen)} mutants", NOT_RUN, why)
        return
    with ThreadPoolExecutor(max(1, min(8, (os.cpu_count() or 2) // 2))) as pool:
        finished = list(pool.map(lambda mutant: _run(tool, mutant, clock, reserve), chosen))
    yield from finished
    counts = {result: sum(row.result == result for row in finished) for result in ("right", "wrong", NOT_RUN)}
    figures = {"found by both": counts["right"], "not by compute-sanitizer": counts["wrong"], NOT_RUN: counts[NOT_RUN]}
    yield Row(PART, "all", "done", figures=figures)


def _run(tool, mutant, clock, reserve) -> Row:
    """Result "right" where compute-sanitizer reports the mutant too, "wrong" where it does not."""
    from tests.cuda.mutants.running import source_of

    name = f"{mutant.program}: {mutant.name}"
    if clock.left <= reserve + _SECONDS / 4:
        return Row(PART, name, NOT_RUN, "no time was left")
    source = mutant.applied(source_of(mutant.program))
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / f"{mutant.program}.py"
        program.write_text(source + _LAUNCH, encoding="utf-8")
        command = [tool, "--tool", TOOLS[mutant.kind], "--error-exitcode", str(_FOUND), sys.executable, str(program)]
        search = os.pathsep.join([str(paths.course_root()), os.environ.get("PYTHONPATH", "")])
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, env={**os.environ, "PYTHONPATH": search}
            )
        except subprocess.TimeoutExpired:
            return Row(PART, name, NOT_RUN, f"still running after {_SECONDS} s under {TOOLS[mutant.kind]}")
    errors = [
        line.strip("= ") for line in ended.stdout.splitlines() if re.match(r"=+ (?!COMPUTE-SANITIZER|ERROR SUMM)", line)
    ]
    figures = {"tool": TOOLS[mutant.kind], "its words": errors[0][:120] if errors else ""}
    return Row(PART, name, "right" if ended.returncode == _FOUND else "wrong", figures=figures)
