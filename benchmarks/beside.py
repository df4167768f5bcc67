"""Our kernels and NumPy's beside other processes that keep cores busy, as on a machine that somebody shares.

The threads of a parallel loop wait for the slowest. Where another process takes a core from one of them, the others
wait until it gets the core back, and how they wait decides how long that takes.

Each contestant runs in turn beside the busy processes and without them, so that "quiet" means the same minute.
The fair share is the part of its quiet speed that a contestant keeps if each core divides its time equally among what
runs on it: beside one busy process on two cores 3/4, beside two 1/2. At least half of it is wanted.
"""

import dataclasses
import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks import machine, operators, rivals, surroundings
from benchmarks.contenders import check_answers
from benchmarks.measure import Comparison, Contestant, Effort
from benchmarks.surroundings import Usage
from benchmarks.work import NUMPY, OURS, Plan, Settings, Work
from llaisys_mini import operators as ops
from llaisys_mini import paths, use_kernels
from llaisys_mini.kernels.sets import SOLUTIONS
from llaisys_mini.tensor import Tensor

SHARE = 0.5  # of the fair share, at least

_SETTLE = 0.2  # seconds until they have started and the system has found a core for each


def plans() -> Iterator[Plan]:
    """All work beside other processes, in the order of the report."""
    for count in (1, 2):
        group = f"beside {count} busy process{'es' * (count > 1)}"
        for rows in (1, 64):
            inputs, outputs = operators.QWEN3_UP
            name = f"linear {inputs} -> {outputs}, {rows} row{'s' * (rows > 1)}"
            yield Plan(group, name, functools.partial(linear, (inputs, outputs), rows, count))
        yield Plan(group, "decode, shipped model", functools.partial(decode, count))


def fair_share(busy: int, cores: int) -> float:
    """The part of its quiet speed that a program with a thread on each core keeps, see above."""
    each, left = divmod(busy, cores)  # every core holds `each` busy processes, and `left` cores one more
    return ((cores - left) / (1 + each) + left / (2 + each)) / cores


def quiet(name: str) -> str:
    """The contestant `name` without neighbours."""
    return f"{name}, quiet"


class BusyProcesses:
    """Processes that keep one core busy each, from `run(True)` to `run(False)`, and no longer than this one lives."""

    LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n for _ in range(1000000): pass"

    def __init__(self, count: int):
        self.count = count
        self.processes: list[subprocess.Popen] = []

    def run(self, wanted: bool) -> None:
        """Start them, or end them, unless that is so already."""
        if wanted == bool(self.processes):
            return
        if wanted:
            command = [sys.executable, "-I", "-S", "-c", self.LOOP]
            self.processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(self.count)]
        else:
            for one in self.processes:
                one.kill()
                one.wait()
            self.processes = []
        time.sleep(_SETTLE)

    def usage(self) -> Usage | None:
        """What the machine has used but for these processes: they are no disturbance, they are the experiment."""
        now = surroundings.usage_now()
        if now is None:
            return None
        return dataclasses.replace(now, busy=now.busy - sum(map(_processor_time, self.processes)), waited=0.0)


def _processor_time(process: subprocess.Popen) -> float:
    """Seconds of user and system time that the process has had, on Linux."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- the work ----------------------------------------------------------------------------------------------------


def linear(shape: tuple[int, int], rows: int, count: int, settings: Settings) -> Work:
    """One row, as in decoding, or many, as in a prompt; always the same float32 weight."""
    inputs, outputs = shape
    rng = np.random.default_rng(rows)
    weight, x = rng.standard_normal((outputs, inputs), np.float32), rng.standard_normal((rows, inputs), np.float32)
    frozen, x_tensor = Tensor.from_numpy(weight).freeze(), Tensor.from_numpy(x)
    work = _beside(count, {OURS: lambda: ops.linear(x_tensor, frozen, None), NUMPY: lambda: x @ weight.T}, settings)
    work.amount, work.unit = rows, "rows/s"
    some = min(256, outputs)
    inputs_of_some = dict(x=x, weight=weight[:some], bias=None)
    check_answers(work, ops.linear, inputs_of_some, lambda answer: answer[:, :some])
    return work


def decode(count: int, settings: Settings) -> Work:
    """Tokens of the model that comes with the course: many small operators, few of them parallel."""
    tokens, prompt = (4, 8) if settings.small else (32, 16)
    model = rivals.Ours(paths.shipped_model(), prompt)
    work = _beside(count, {OURS: lambda: model.decode(tokens)}, settings)
    work.amount, work.unit = tokens, "tokens/s"
    return work


def _beside(count: int, calls: dict[str, Callable[[], object]], settings: Settings) -> Work:
    """Everybody beside `count` busy processes, then everybody alone."""
    busy, fair = BusyProcesses(count), fair_share(count, machine.cores())

    def prepare(running: bool) -> None:
        use_kernels(SOLUTIONS)
        busy.run(running)

    return Work(
        [
            Contestant(name if running else quiet(name), call, functools.partial(prepare, running))
            for running in (True, False)
            for name, call in calls.items()
        ],
        targets={quiet(OURS): SHARE * fair},
        # Long samples: the system takes cores away for some milliseconds at a time.
        effort=settings.effort if settings.small else Effort(sample=0.4, rounds=7, seconds=30.0, tries=2),
        once=True,
        close=functools.partial(busy.run, False),
        usage=busy.usage,
        remarks=functools.partial(shares, list(calls), fair),
    )


def shares(names: list[str], fair: float, found: Comparison) -> list[str]:
    """What each contestant keeps of its quiet speed, and of its fair share, as clauses."""
    kept = {name: found[quiet(name)].seconds / found[name].seconds for name in names if name in found}
    return [
        f"{name} keeps {part:.0%} of its quiet speed, {part / fair:.0%} of the fair share"
        for name, part in kept.items()
    ]
