"""`check` for exercises: run an answer over the cases, compare value by value, say what is wrong."""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from llaisys_mini import exercises
from llaisys_mini.checks.calls import first_that_differs, recorded
from llaisys_mini.checks.compare import case_shapes
from llaisys_mini.checks.recognise import recognise, told
from llaisys_mini.console import console
from llaisys_mini.errors import CheckFailed
from llaisys_mini.exercise import Exercise
from llaisys_mini.kernels import failed_cells, verdicts
from llaisys_mini.kernels.registry import PYTHON
from llaisys_mini.kernels.runtime import kernels_changed
from llaisys_mini.kernels.sets import FOLDERS, STUDENT
from llaisys_mini.task import Case, Mistake
from llaisys_mini.trace import first_event_that_differs


def check_exercise(name: str, kernel_set: str = STUDENT, seed: int = 0) -> None:
    """Check an answer on the cases drawn with `seed`; print one line, or a table of the cases up to the first that is
    wrong. Raises CheckFailed with the first difference."""
    if kernel_set == STUDENT:
        failed_cells.refuse_older(name, PYTHON)
    exercise = exercises.get(name)
    answer = FOLDERS[kernel_set]().get(name, PYTHON)
    trials = [try_answer(exercise, answer.function, case) for case in exercise.make_cases(seed)]
    failed = next((trial for trial in trials if not trial.passed), None)
    printer = console()
    if kernel_set == STUDENT and seed == 0:
        not_kept = verdicts.remember(name, PYTHON, () if failed else ("float32",))
        if not_kept:
            printer.print(not_kept, markup=False, highlight=False)
        kernels_changed()
    if failed is not None:
        if not isinstance(failed.exception, NotImplementedError):
            printer.print(_table(name, trials[: trials.index(failed) + 1]))
        raise CheckFailed(diagnosis(exercise, failed, trials, answer.path, answer.function))
    printer.print(f"{name}: right on all cases ({len(trials)})", highlight=False)


def _table(name: str, trials: list["Trial"]) -> Table:
    table = Table(title=name, title_justify="left", min_width=len(name), box=None, pad_edge=False, show_header=False)
    for trial in trials:
        table.add_row(trial.case.name, Text("right", "green") if trial.passed else Text("wrong", "bold red"))
    return table


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of an answer on one case: its result, what the reference gives, and the first place where they differ;
    or an exception."""

    case: Case
    got: Any = None
    expected: Any = None
    place: str | None = None
    exception: Exception | None = None

    @property
    def passed(self) -> bool:
        return self.place is None and self.exception is None


def try_answer(exercise: Exercise, answer: Callable, case: Case) -> Trial:
    try:
        got = exercise.run(answer, case)
    except Exception as exception:  # the answer is a learner's code: whatever it raises is a finding
        return Trial(case, exception=exception)
    return compare_answer(exercise, case, got)


def compare_answer(exercise: Exercise, case: Case, got: object, accuracy: float | None = None) -> Trial:
    """The trial that had the result `got`. accuracy: of its floats, by default the exercise's."""
    if exercise.judge is not None:
        return Trial(case, got, None, _judged(exercise, got, case))
    expected = exercise.run(exercise.reference, case)
    return Trial(case, got, expected, _place(exercise, got, expected, accuracy))


def _judged(exercise: Exercise, got: object, case: Case) -> str | None:
    """What the exercise's own judge says of a result."""
    assert exercise.judge is not None
    try:
        return exercise.judge(got, **case.inputs)
    except Exception:
        return OTHER_FORM


def _place(exercise: Exercise, got: Any, expected: Any, accuracy: float | None = None) -> str | None:
    accuracy = accuracy or exercise.accuracy
    try:
        if exercise.is_trace:
            return first_event_that_differs(got, expected, lambda g, e: first_difference(g, e, accuracy))
        return first_difference(got, expected, accuracy)
    except Exception:  # a result of unlike form, such as an array where a text was asked for
        return OTHER_FORM


OTHER_FORM = "the result is of another form than asked for"


def diagnosis(
    exercise: Exercise,
    failed: Trial,
    trials: Iterable[Trial],
    path: Path | None = None,
    answer: Callable | None = None,
) -> str:
    """What is wrong with an answer, in a few lines.

    trials: on all cases. path: the file of the answer. answer: run once more to see its operator calls.
    """
    case = failed.case
    if isinstance(failed.exception, NotImplementedError):
        return f"{exercise.name} is not written yet: the cell still raises ({failed.exception})"
    if failed.exception is not None:
        raised = f"{type(failed.exception).__name__}: {failed.exception}"
        raised = "; ".join([raised, *getattr(failed.exception, "__notes__", ())])
        return f"{exercise.name} on the case '{case.name}' raised {raised}" + "".join(
            f"\n  line {frame.lineno}: {frame.line}"
            for frame in traceback.extract_tb(failed.exception.__traceback__)
            if path is not None and frame.filename == str(path)
        )
    shapes = case_shapes(case)
    lines = [f"{exercise.name} is wrong on the case '{case.name}'" + (f": {shapes}" if shapes else "")]
    lines.append(f"  {failed.place}")
    sentence = recognised(exercise, trials)
    if sentence:
        lines.append(told(sentence))
    if answer is not None and exercise.judge is None:
        lines += [f"  {line}" for line in _calls_that_differ(exercise, answer, case)]
    return "\n".join(lines)


def _calls_that_differ(exercise: Exercise, answer: Callable, case: Case) -> list[str]:
    mine, theirs = (recorded(lambda f=f: exercise.run(f, case)) for f in (answer, exercise.reference))  # type: ignore[misc]
    return first_that_differs(mine, theirs, exercise.accuracy)


def recognised(exercise: Exercise, trials: Iterable[Trial]) -> str | None:
    """The sentence of the known mistake that explains these trials of an answer, see recognise; None if there is none.

    A trial that raised an exception tells nothing of a result, so it is left out.
    """

    def explains(mistake: Mistake, trial: Trial) -> bool:
        try:
            mistaken = exercise.run(mistake.function, trial.case)
        except Exception:  # a mistake may crash on some cases; then it is not the one
            return False
        is_right = _verdict(exercise, trial, mistaken) is None
        return is_right == trial.passed and _place(exercise, trial.got, mistaken) is None

    complete = [trial for trial in trials if trial.exception is None]
    wrong = [trial for trial in complete if not trial.passed]
    return recognise(exercise.mistakes, explains, wrong, [trial for trial in complete if trial.passed])


def _verdict(exercise: Exercise, trial: Trial, result: object) -> str | None:
    """What is wrong with another result on the case of a trial."""
    if exercise.judge is not None:
        return _judged(exercise, result, trial.case)
    return _place(exercise, result, trial.expected)


def first_difference(got, expected, accuracy: float, where: str = "the result") -> str | None:
    """The first place where two results differ, in words; None if they agree. Floats may be off by `accuracy`."""
    if isinstance(expected, dict):
        if not isinstance(got, dict) or set(got) != set(expected):
            return f"{where}: got {_short(got)}, expected entries {', '.join(map(str, expected))}"
        pairs = [
            (f"{key} of {where}" if where != "the result" else str(key), got[key], expected[key]) for key in expected
        ]
    elif isinstance(expected, (tuple, list)):
        if not isinstance(got, (tuple, list)) or len(got) != len(expected):
            return f"{where}: got {_short(got)}, expected {len(expected)} values: {_short(expected)}"
        pairs = [(f"value {i} of {where}", g, e) for i, (g, e) in enumerate(zip(got, expected, strict=True))]
    else:
        return _leaf_difference(got, expected, accuracy, where)
    return next(filter(None, (first_difference(g, e, accuracy, w) for w, g, e in pairs)), None)


def _leaf_difference(got, expected, accuracy, where):
    if expected is None or isinstance(expected, (str, bytes, bool)):
        return (
            None
            if got == expected and got is not NotImplemented
            else (f"{where}: got {_short(got)}, expected {_short(expected)}")
        )
    want = np.asarray(expected)
    try:
        have = np.asarray(got)
        if have.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError):
        return f"{where}: got {_short(got)}, expected {_short(expected)}"
    if have.shape != want.shape:
        return f"{where}: got the shape {have.shape}, expected {want.shape}"
    if want.dtype.kind in "biu":
        wrong = have != want
    else:
        scale = float(np.abs(want[np.isfinite(want)]).max(initial=0))
        with np.errstate(invalid="ignore"):
            off = ~(np.abs(have - want) <= accuracy * scale + 1e-30)
        wrong = off & (have != want) & ~(np.isnan(have) & np.isnan(want))
    if not wrong.any():
        return None
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    count = f", {int(wrong.sum())} of {wrong.size} wrong, the first at {list(index)}" if wrong.ndim else ""
    return f"{where}{count}: got {have[index]:.7g}, expected {want[index]:.7g}"


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
