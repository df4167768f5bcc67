"""`llaisys-mini progress` and `show_progress()`: the labs, the grid of operators and devices, and what comes next."""

import statistics
import time
from collections.abc import Callable

import numpy as np
from rich.cells import cell_len
from rich.measure import Measurement
from rich.progress import track
from rich.table import Table
from rich.text import Text

from llaisys_mini import operators
from llaisys_mini.console import console
from llaisys_mini.course.labs import find_labs, next_step
from llaisys_mini.kernels import choice, verdicts
from llaisys_mini.kernels.runtime import observe_calls
from llaisys_mini.kernels.sets import SOLUTIONS, STUDENT, solutions_set, student_set
from llaisys_mini.operator import Operator
from llaisys_mini.tensor import Tensor


def print_progress(speed: bool = True) -> None:
    """Print one row per operator: the learner's kernels on cpu and cuda, and which kernel answers now.

    speed: time the learner's correct kernels against the course's, on the calls that the shipped model makes.
    """
    table = Table(title="your kernels", title_justify="left", box=None, pad_edge=False)
    for column in ("operator", "cpu", "speed", "cuda", "answers now"):
        table.add_column(column, justify="right" if column == "speed" else "left", overflow="fold")
    printer = console()
    correct = [name for name in operators.names if verdicts.passed_storages(name, "cpu")]
    paces = _paces(correct, printer) if speed else {}
    for name in operators.names:
        answer = choice.answering_kernel(name).kernel_set
        pace = f"{paces[name]:.2f} x" if name in paces else ""
        table.add_row(name, _state(name, "cpu"), pace, _state(name, "cuda"), answer)
    printer.print(table)
    if paces:
        printer.print("speed: yours over the course's, on the calls of the shipped model", highlight=False)
    printer.print(f"{len(correct)} of {len(operators.names)} operators are yours on the cpu", highlight=False)
    unfit = [(name, device) for name, device in student_set().written() if not verdicts.passed_storages(name, device)]
    for name, device in unfit[:1]:
        option = "" if device == "cpu" else f" --device {device}"
        printer.print(f"`llaisys-mini check {name}{option}` says what is wrong with {name}, or that it is right")
    _print_next_step(printer)


def show_progress() -> None:
    """Print one row per lab with a mark for each of its tasks, and the next step. Quick: nothing is timed."""
    table = Table(title="\nyour labs", title_justify="left", box=None, pad_edge=False)
    for column in ("lab", "done", "tasks"):
        table.add_column(column, overflow="fold")
    for lab in find_labs():
        done = lab.done()
        style = "green" if done == len(lab.tasks) else "dim" if done == 0 else ""
        tasks = _Listed([_task(*task) for task in lab.tasks])
        table.add_row(lab.title, f"{done} of {len(lab.tasks)}", tasks, style=style)
    printer = console()
    printer.print(table)
    _print_next_step(printer)


def _task(device: str, what: str) -> str:
    mark = "\N{CHECK MARK}" if verdicts.passed_storages(what, device) else "\N{MIDDLE DOT}"
    return f"{mark} {what}" + (" (gpu)" if device == "cuda" else "")


class _Listed:
    """Items with commas between them. No line ends within an item, so a mark stays with its name."""

    def __init__(self, items: list[str]):
        self._pieces = [f"{item}," for item in items[:-1]] + items[-1:]

    def __rich_console__(self, console, options):
        line = ""
        for piece in self._pieces:
            if line and cell_len(f"{line} {piece}") > options.max_width:
                yield Text(line)
                line = ""
            line = f"{line} {piece}" if line else piece
        yield Text(line)

    def __rich_measure__(self, console, options):
        widths = [cell_len(piece) for piece in self._pieces]
        return Measurement(max(widths, default=0), sum(widths) + max(0, len(widths) - 1))


def _print_next_step(printer) -> None:
    step = next_step()
    if step:
        printer.print(step, highlight=False, soft_wrap=True)


def _state(name: str, device: str) -> str:
    if not student_set().has(name, device):
        return "[dim]-[/dim]"
    storages = verdicts.passed_storages(name, device)
    if not storages:
        return "[red]wrong[/red]" if verdicts.was_checked(name, device) else "written, not checked"
    partly = "" if set(storages) == set(operators.get(name).storages) else f" ({', '.join(storages)})"
    return f"[green]correct[/green]{partly}"


def _paces(names: list[str], printer) -> dict[str, float]:
    """The speed of the learner's kernel for each of these operators that the course has a kernel for, see _pace."""
    names = [name for name in names if solutions_set().has(name, "cpu")]
    if not names:
        return {}
    calls = _calls_of_shipped_model()
    # Both kernels of an operator may have to be compiled first.
    timed = track(names, "timing your kernels", console=printer, transient=True)
    return {name: _pace(name, calls) for name in timed}


def _calls_of_shipped_model() -> dict[str, list[tuple]]:
    """The arguments of every operator call when the shipped model reads 64 tokens and writes one."""
    from llaisys_mini.engine.generate import load_model

    calls: dict[str, list[tuple]] = {}

    def record(operator: Operator, arguments, results):
        values = [np.array(value) if isinstance(value, (Tensor, np.ndarray)) else value for value in arguments]
        calls.setdefault(operator.name, []).append(tuple(values))

    model = load_model("mini")
    cache = model.cache()
    with choice.use_kernels(SOLUTIONS), observe_calls(record):
        model.logits(np.arange(64) % model.config.vocab_size, cache)
        model.logits([0], cache)
    return calls


def _pace(name: str, calls: dict, rounds: int = 7) -> float:
    """Speed of the learner's kernel as a multiple of the course's: median over interleaved rounds."""
    operator = operators.get(name)
    recorded = calls.get(name) or [tuple(case.inputs.values()) for case in operator.make_cases(storages=("float32",))]

    def timed(kernel_set: str) -> float:
        with choice.use_kernels(**{name: kernel_set}):
            operator(*recorded[0])  # finds the kernel, which takes longer than a small call
            return _seconds(lambda: [operator(*arguments) for arguments in recorded])

    timed(STUDENT), timed(SOLUTIONS)  # compiles
    return statistics.median(timed(SOLUTIONS) / timed(STUDENT) for _ in range(rounds))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
