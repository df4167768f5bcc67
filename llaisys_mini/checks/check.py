"""`check("softmax")`: does the learner's kernel do what the contract says, and if not, what is wrong?

A kernel that passes gets one line. Of one that fails it prints a table of the cases, says where the output is wrong and
by how much, draws a small map of the errors, names what was never written, recognises well-known mistakes, and raises.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table
from rich.text import Text

from llaisys_mini import exercises, operators
from llaisys_mini.checks import compile_errors, compiles
from llaisys_mini.checks.by_reading import fault_by_reading
from llaisys_mini.checks.compare import Difference, case_shapes, recognised
from llaisys_mini.checks.exercises import check_exercise
from llaisys_mini.checks.patterns import patterns
from llaisys_mini.checks.recognise import told
from llaisys_mini.checks.run import Result, run_cases
from llaisys_mini.checks.slips import slips
from llaisys_mini.console import console
from llaisys_mini.contract import Contract
from llaisys_mini.errors import CheckFailed, KernelError
from llaisys_mini.kernels import choice, earlier, failed_cells, language, verdicts
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import kernels_changed
from llaisys_mini.kernels.sets import NAMES, STUDENT
from llaisys_mini.sanitizer.findings import EARLY_RETURN, UNWRITTEN, DoesNotCompile, UnsupportedInKernel

if TYPE_CHECKING:
    from llaisys_mini.sanitizer import Finding

_FAR = 1e6  # times the tolerance; beyond, the number tells nothing
_NEARLY = 100  # times the tolerance; below, got and expected begin with the same four digits


def check(
    operator: str,
    device: str = "cpu",
    kernel_set: str = STUDENT,
    storages: tuple[str, ...] | None = None,
    seed: int = 0,
) -> None:
    """Check a kernel of `operator`, float32 storage first, or the answer to an exercise of that name.

    Prints one line if it is right, else a table of the cases. Where the compiler for CUDA is installed a second line
    says that a kernel for "cuda" compiles.

    storages: names of the storage dtypes to check, by default all that the operator's contract allows. A kernel that
    reads float32 only passes for float32, and is then used for float32 models.
    seed: of the cases. 0 gives the public ones, and only they decide whether a learner's kernel is used from then on.
    Raises CheckFailed with the diagnosis of the first failure, KernelError if there is no such kernel.
    """
    if kernel_set not in NAMES:
        raise KernelError(f"there is no kernel set {kernel_set!r}; choose among {', '.join(NAMES)}")
    if operator in exercises.names:
        return check_exercise(operator, kernel_set, seed)
    if kernel_set == STUDENT:
        failed_cells.refuse_older(operator, device)
    contract = operators.get(operator)
    kernel = choice.from_set(kernel_set, operator, device)
    with compiles.meanwhile(kernel) as compilation:
        _check_kernel(contract, kernel, storages, seed)
        why_not = compilation.answer()
    if why_not:
        if kernel_set == STUDENT and seed == 0:
            verdicts.remember(operator, device, ())
            kernels_changed()
        raise CheckFailed(f"{operator}: the kernel does not compile for a GPU ({compiles.ARCHITECTURE})\n{why_not}")
    if why_not is not None:
        console().print(f"compiles for {compiles.ARCHITECTURE}", highlight=False)


def _check_kernel(contract: Contract, kernel: Kernel, storages: tuple[str, ...] | None, seed: int) -> None:
    """Run a kernel over the cases, tell what was found and keep the verdict. Raises CheckFailed where it is wrong."""
    operator, device, kernel_set = contract.name, kernel.device, kernel.kernel_set
    source = kernel.path.read_text(encoding="utf-8") if device == "cpu" and kernel.path else ""
    fault = fault_by_reading(operator, source)  # run, such a kernel is right or wrong by chance
    printer = console()
    passed, unread, failure, count = [], [], None, 0
    remarks: dict[tuple[str, str, int], Finding] = {}  # of the sanitizer, each once
    for storage in storages or contract.storages:
        results = list(run_cases(kernel, contract.make_cases(seed, (storage,))))
        failed = most_telling(results)
        if failed is not None and isinstance(failed.exception, NotImplementedError):
            raise CheckFailed(
                f"{operator} is not written yet: the cell with the kernel still raises ({failed.exception})"
            )
        for remark in (remark for result in results for remark in result.remarks):
            remarks.setdefault((remark.kind, remark.file, remark.line), remark)
        if failed is None:
            passed.append(storage)
            count += len(results)
        elif storage == "float32":
            failure = failed
            if not isinstance(failed.exception, compile_errors.COMPILE_ERRORS):  # else a table says nothing
                printer.print(_table(contract, device, results, storage))
            break
        else:  # a float32 kernel is a fine first kernel: say what it cannot do yet, and let it pass
            unread.append(storage)
    if unread:
        # No markup: rich would take [i] for an instruction.
        printer.print(
            f"weights stored as {' or '.join(unread)}: not right yet. Larger models have such weights. To read all "
            "kinds, wrap each weight: widen(weight[i]), with `from llaisys_mini.widen import widen`",
            markup=False,
            highlight=False,
        )
    if fault:
        passed = []
    if kernel_set == STUDENT and seed == 0:
        not_kept = verdicts.remember(operator, device, tuple(passed))
        if not_kept:
            printer.print(not_kept, markup=False, highlight=False)
        elif passed and failure is None:
            with contextlib.suppress(OSError):  # without it a race has no earlier version to show
                earlier.keep(operator, device)
        kernels_changed()
    if fault and (failure is None or failure.exception is None):
        raise CheckFailed(fault[1])
    if failure is not None:
        text = diagnosis(contract, failure, results, kernel.path)
        if isinstance(failure.exception, compile_errors.COMPILE_ERRORS):
            text += "\n" + compile_errors.keep_full_text(failure.exception)
        raise CheckFailed(text)
    for remark in remarks.values():
        printer.print(f"remark: {remark}", markup=False, highlight=False)
    which = f"{count}: {', '.join(passed)}"
    printer.print(f"{operator} on {device}: right on all cases ({which}){_where(device)}", highlight=False)
    if kernel_set == STUDENT and kernel.path and (outside := _not_graded(kernel.path, operator, device)):
        printer.print(outside, markup=False, highlight=False)


def _not_graded(path: Path, operator: str, device: str) -> str:
    """A line on what keeps a right kernel from being graded; empty if nothing does."""
    found = language.read(path.read_text(encoding="utf-8"), operator, device).findings
    return f"right, but would not be graded: {'; '.join(map(str, found[:_MOST_FINDINGS]))}" if found else ""


_MOST_FINDINGS = 3


def _where(device) -> str:
    """How "right" was established; on cuda that depends on the machine."""
    if device != "cuda":
        return ""
    from llaisys_mini.cuda.availability import why_no_device

    reason = why_no_device()
    return f"\nsanitizer: no findings; on a device: {f'not run ({reason})' if reason else 'right'}"


def most_telling(results: Iterable[Result]) -> Result | None:
    """The first result that failed, as cases begin small; but one that is wrong by a rounding only if no other is."""
    failed = [result for result in results if not result.passed]
    return next((result for result in failed if not is_nearly_right(result)), next(iter(failed), None))


def is_nearly_right(result: Result) -> bool:
    """Whether numbers in it are all that is wrong, and those by so little that they read as the expected ones."""
    if result.exception is not None or result.out_of_bounds or result.changed_inputs or not result.differences:
        return False
    return max(float(difference.error.max()) for difference in result.differences) < _NEARLY


def diagnosis(operator: Contract, failed: Result, results: Iterable[Result], path: Path | None = None) -> str:
    """What is wrong with a kernel, in a few lines: one result that failed, and the mistake that explains all, or
    where a later case leaves an array.

    results: on all cases. path: the kernel's file, where a compile error points to.
    """
    found = slips(operator, path.read_text(encoding="utf-8")) if path and failed.differences else []
    lines = [describe(operator, failed, path), *(f"  {sentence}" for sentence in found)]
    outside = next((result for result in results if result.out_of_bounds), failed)
    if outside is not failed:  # on few numbers, an index too far may look like another mistake
        lines.append(f"  and on the case '{outside.case.name}', {case_shapes(outside.case)}:")
        lines += [f"  {sentence}" for sentence in outside.out_of_bounds]
    elif not found and failed.differences:
        complete = [result for result in results if result.exception is None and not result.out_of_bounds]
        sentence = recognised(operator, ((result.case.inputs, result.results) for result in complete))
        lines += [told(sentence)] if sentence else pattern_lines(complete)
    return "\n".join(lines)


def pattern_lines(results: Iterable[Result]) -> list[str]:
    """Lines on the pattern of what is wrong over all these results, output by output."""
    found: dict[str, list[Difference]] = {}
    for difference in (difference for result in results for difference in result.differences):
        found.setdefault(difference.output, []).append(difference)
    return [f"  {name}: {text}" for name, wrong in found.items() for text in patterns(wrong)]


def describe(operator: Contract, result: Result, path: Path | None = None) -> str:
    """What is wrong with one result that failed; not the reason. path: see diagnosis."""
    if isinstance(result.exception, compile_errors.COMPILE_ERRORS):
        return "\n".join(
            [f"{operator.name}: the kernel does not compile", *compile_errors.describe(result.exception, path)]
        )
    if isinstance(result.exception, DoesNotCompile):
        return f"{operator.name}: the kernel does not compile for a GPU\n  {result.exception}"
    if isinstance(result.exception, UnsupportedInKernel):
        return f"{operator.name} cannot be checked, which does not mean that it is wrong\n  {result.exception}"
    place = " on the device, though not under the sanitizer" if result.place == "device" else ""
    lines = [f"{operator.name} is wrong on the case '{result.case.name}'{place}: {case_shapes(result.case)}"]
    if isinstance(result.exception, KernelError):  # the sanitizer's findings, with their own lines and places
        lines += ["  " + line for line in str(result.exception).splitlines()]
    elif result.exception is not None:
        lines += raised(type(result.exception).__name__, str(result.exception))
    lines += [f"  {sentence}" for sentence in result.out_of_bounds]
    for difference in result.differences:
        lines += _describe(difference)
    lines += [f"  {remark.message}" for remark in result.remarks if remark.kind in (UNWRITTEN, EARLY_RETURN)]
    if result.changed_inputs:
        lines.append(f"  the kernel changed its input {', '.join(result.changed_inputs)}; inputs are read-only")
    return "\n".join(lines)


def raised(kind: str, text: str) -> list[str]:
    """Lines on an exception that a kernel raised, by its kind and text; without a text the kind alone is told."""
    lines = [f"  the kernel raised {kind}" + (f": {_first_lines(text)}" if text else "")]
    if kind == "CudaSupportError":
        lines.insert(0, "  it is under Numba's own cuda.jit, which needs a GPU: write `from llaisys_mini import cuda`")
    if kind == "ZeroDivisionError":
        lines.append("  what is divided by, and how can it be 0 on this case? Follow one row of it through the kernel")
    if kind in ("ImportError", "ModuleNotFoundError") and "scipy" in text:
        lines.append("  Numba would have @ and np.dot computed by a library: write the loops yourself")
    return lines


def _describe(difference: Difference) -> list[str]:
    count, total = int(difference.wrong.sum()), difference.wrong.size
    lines = [f"  {difference.output}: {count} of {total} elements wrong"]
    if difference.uninitialised:
        lines.append(
            f"  {difference.uninitialised} were never written (or are NaN), the first at {list(difference.first)}"
        )
    for word, index in (("first", difference.first), ("worst", difference.worst)):
        got, expected, error = difference.got[index], difference.expected[index], difference.error[index]
        lines.append(f"  {word} at {list(index)}: got {got:.7g}, expected {expected:.7g}  ({_size(error)})")
        if difference.first == difference.worst:
            break
    return lines + ["  " + line for line in picture(difference.wrong)]


def _size(error: float) -> str:
    """error: a multiple of the tolerance, which is next to nothing where the expected number is 0."""
    if not np.isfinite(error):
        return "not comparable"
    return f"{error:.3g} times the tolerance" if error < _FAR else "far outside the tolerance"


def picture(wrong: np.ndarray, height: int = 8, width: int = 48) -> list[str]:
    """Where it is wrong, as text: `.` right, `x` wrong, `+` partly wrong; large arrays are shrunk into blocks."""
    flat = wrong.reshape(-1, wrong.shape[-1]) if wrong.ndim else wrong.reshape(1, 1)
    if flat.size == 1:
        return []
    rows = np.array_split(np.arange(flat.shape[0]), min(height, flat.shape[0]))
    columns = np.array_split(np.arange(flat.shape[1]), min(width, flat.shape[1]))
    shares = [[flat[np.ix_(row, column)].mean() for column in columns] for row in rows]
    return ["".join("." if share == 0 else "x" if share == 1 else "+" for share in row) for row in shares]


def _table(operator, device, results, storage):
    table = Table(title=f"{operator.name} on {device}, {storage}", title_justify="left", box=None, pad_edge=False)
    table.add_column("case", overflow="fold")
    table.add_column("shapes", style="dim", overflow="fold")
    table.add_column("worst error", justify="right")
    table.add_column("")
    for result in results:
        worst = max((float(d.error.max()) for d in result.differences), default=0.0)
        if result.exception:
            size = ""
        elif result.out_of_bounds:
            size = "out of bounds"
        else:
            size = "within tolerance" if worst <= 1 else _size(worst)
        verdict = Text("right", "green") if result.passed else Text("wrong", "bold red")
        table.add_row(result.case.name, case_shapes(result.case), size, verdict)
    return table


def _first_lines(text: str, count: int = 3) -> str:
    return "\n    ".join(line for line in text.splitlines()[:count] if line.strip())
