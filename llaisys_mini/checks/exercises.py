"""`check` for exercises: run an answer over the cases, compare value by value, say what is wrong."""

import traceback
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from llaisys_mini import exercises
from llaisys_mini.checks.recognise import recognise
from llaisys_mini.console import console
from llaisys_mini.errors import CheckFailed
from llaisys_mini.exercise import Exercise
from llaisys_mini.kernels import verdicts
from llaisys_mini.kernels.registry import PYTHON
from llaisys_mini.kernels.runtime import kernels_changed
from llaisys_mini.kernels.sets import FOLDERS, STUDENT
from llaisys_mini.task import Case, Mistake


def check_exercise(name: str, kernel_set: str = STUDENT, seed: int = 0) -> None:
    """Check an answer on the cases drawn with `seed`; print a table. Raises CheckFailed with the first difference."""
    exercise = exercises.get(name)
    answer = FOLDERS[kernel_set]().get(name, PYTHON)
    table = Table(title=name, title_justify="left", min_width=len(name), box=None, pad_edge=False, show_header=False)
    problem = None
    for case in exercise.make_cases(seed):
        problem = difference(exercise, answer.function, case, answer.path)
        table.add_row(case.name, Text("wrong", "bold red") if problem else Text("right", "green"))
        if problem:
            break
    printer = console()
    printer.print(table)
    if kernel_set == STUDENT and seed == 0:
        not_kept = verdicts.remember(name, PYTHON, () if problem else ("float32",))
        if not_kept:
            printer.print(not_kept, markup=False, highlight=False)
        kernels_changed()
    if problem:
        raise CheckFailed(problem)
    printer.print(f"{name}: right on all cases")


def difference(exercise: Exercise, answer, case: Case, path: Path | None = None) -> str | None:
    """What is wrong with the answer on this case, in a few lines, or None. path: the file of the answer."""
    expected = exercise.run(exercise.reference, case)
    try:
        got = exercise.run(answer, case)
    except NotImplementedError as unfinished:
        return f"{exercise.name} is not written yet: the cell still raises ({unfinished})"
    except Exception as exception:  # the answer is a learner's code: whatever it raises is a finding
        return f"{exercise.name} on the case '{case.name}' raised {type(exception).__name__}: {exception}" + "".join(
            f"\n  line {frame.lineno}: {frame.line}"
            for frame in traceback.extract_tb(exception.__traceback__)
            if path is not None and frame.filename == str(path)
        )
    place = first_difference(got, expected, exercise.accuracy)
    if place is None:
        return None
    lines = [f"{exercise.name} is wrong on the case '{case.name}'", f"  {place}"]
    sentence = recognised(exercise, case, got)
    if sentence:
        lines.append(f"  this is what comes out when {sentence}")
    return "\n".join(lines)


def recognised(exercise: Exercise, case: Case, got) -> str | None:
    """The sentence of the known mistake that gives exactly this result, or None."""

    def fits(mistake: Mistake, got: object) -> bool:
        try:
            return first_difference(got, exercise.run(mistake.function, case), exercise.accuracy) is None
        except Exception:  # a mistake may crash on some cases; then it is not the one
            return False

    return recognise(exercise.mistakes, fits, got)


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
