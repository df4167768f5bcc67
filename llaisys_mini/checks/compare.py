"""Compare a kernel's outputs with the reference, and recognise well-known mistakes."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.checks.derived import derived_mistakes
from llaisys_mini.checks.recognise import recognise
from llaisys_mini.contract import UNIT_ROUNDOFF, Contract
from llaisys_mini.task import Case, Mistake


def unset(dtype: np.dtype):
    """What an output is filled with before a kernel runs, so that what is never written shows."""
    return np.nan if dtype.kind == "f" else np.iinfo(dtype).min


@dataclass(frozen=True)
class Difference:
    """How one output of one case is wrong.

    wrong: bool array of the output's shape; error: absolute error as a multiple of the tolerance (inf where the
    output is not finite or an integer differs); uninitialised: number of elements that were never written (or are NaN).
    """

    output: str
    got: np.ndarray
    expected: np.ndarray
    wrong: np.ndarray
    error: np.ndarray
    uninitialised: int

    @property
    def first(self) -> tuple[int, ...]:
        """Index of the first wrong element."""
        return tuple(int(i) for i in np.argwhere(self.wrong)[0])

    @property
    def worst(self) -> tuple[int, ...]:
        """Index of the element with the largest error."""
        return tuple(int(i) for i in np.unravel_index(np.argmax(self.error), self.error.shape))


def empty_outputs(operator: Contract, inputs: dict[str, Any]) -> list[np.ndarray]:
    """Output arrays for a kernel, filled with a value that no kernel writes by chance, see `unset`."""
    return [
        np.full(value.shape, unset(spec.allowed[0]), spec.allowed[0])
        for value, spec in zip(operator.expected(inputs), operator.outputs.values(), strict=False)
    ]


def compare(operator: Contract, inputs: dict[str, Any], results: list[np.ndarray]) -> list[Difference]:
    """The results that are wrong; an empty list if all are right. results: in the order of Contract.results."""
    expected, tolerance = operator.expected(inputs), operator.tolerance(inputs)
    found = []
    for name, got, want, allowed in zip(operator.results, results, expected, tolerance, strict=True):
        got = np.asarray(got)
        if got.shape != want.shape:
            raise ValueError(f"{operator.name}: {name} has shape {got.shape}, expected {want.shape}")
        error = _in_tolerances(got, want, allowed)
        if (error > 1).any():
            is_index = got.dtype.kind == "i"
            uninitialised = got == unset(got.dtype) if is_index else np.isnan(got.astype(np.float64)) & ~np.isnan(want)
            found.append(Difference(name, got, want, error > 1, error, int(uninitialised.sum())))
    return found


Run = tuple[dict[str, Any], list[np.ndarray]]
"""The inputs of a case, and the results that a kernel gave for it."""


def recognised(operator: Contract, runs: Iterable[Run]) -> str | None:
    """The sentence of the mistake that explains these runs of a kernel, see recognise; None if there is none.

    Mistakes that the operator's file lists come before those that are derived from its reference.
    """
    measured = [_Measured(*run, operator.expected(run[0]), operator.tolerance(run[0])) for run in runs]
    wrong = [run for run in measured if any(map(np.any, run.wrong))]
    right = [run for run in measured if not any(map(np.any, run.wrong))]
    wrong.sort(key=lambda run: sum(result.size for result in run.results))  # most mistakes are out after the first
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mistakes take means of nothing and the like; the learner has no part in that
        for mistakes in (lambda: operator.mistakes, lambda: derived_mistakes(operator)):
            told = recognise(mistakes(), lambda mistake, run: _explains(operator, mistake, run), wrong, right)
            if told or not wrong:
                return told
    return None


@dataclass(frozen=True, eq=False)
class _Measured:
    """A run, with what is right on its case and how exactly: the same for every mistake that is tried on it."""

    inputs: dict[str, Any]
    results: list[np.ndarray]
    expected: list[np.ndarray]
    tolerance: list[np.ndarray]

    @cached_property
    def wrong(self) -> list[np.ndarray]:
        """Where each result is wrong."""
        each = zip(self.results, self.expected, self.tolerance, strict=True)
        return [_in_tolerances(got, right, allowed) > 1 for got, right, allowed in each]


_SHARE_OF_WRONG = 0.5


def _explains(operator: Contract, mistake: Mistake, run: _Measured) -> bool:
    """Whether the results are those of a kernel with this mistake, and the mistake is wrong where they are.

    An imprecise kernel gives nearly the same numbers as a mistake that does not show on these inputs; such a mistake
    is right where the kernel is wrong.
    """
    try:
        wants = mistaken_outputs(operator, mistake, run.inputs)
    except Exception:  # a mistake may be impossible on some shapes; then it is not the one
        return False
    total = explained = 0
    for got, want, right, allowed, wrong in zip(
        run.results, wants, run.expected, run.tolerance, run.wrong, strict=True
    ):
        size = np.abs(np.nan_to_num(want, posinf=0, neginf=0))
        scale = UNIT_ROUNDOFF * (UNCERTAINTY_OF_MISTAKE * size + UNCERTAINTY_OF_SUMS * size.max(initial=0))
        if got.shape != want.shape or not (_in_tolerances(got, want, 4 * allowed + scale) <= 1).all():
            return False
        total += int(wrong.sum())
        explained += int((_in_tolerances(want, right, allowed) > 1)[wrong].sum())
    return explained >= _SHARE_OF_WRONG * total


UNCERTAINTY_OF_MISTAKE = 64
"""Mistakes are computed in float32 too, with rounding of their own; matching them is a hint, not a verdict."""

UNCERTAINTY_OF_SUMS = 16
"""The same, of the largest number: the wrong numbers may come of sums that cancel, in another order."""


def mistaken_outputs(operator: Contract, mistake, inputs: dict[str, object]) -> list[np.ndarray]:
    """What a kernel with this mistake would return, computed in float32 as the kernel would, overflow included."""
    with np.errstate(all="ignore"):
        result = mistake.function(*operator.computed_in(dtypes.float32, inputs))
    result = result if isinstance(result, tuple) else (result,)
    return [
        np.asarray(value, spec.allowed[0] if spec.is_index else np.float32)
        for value, spec in zip(result, operator.results.values(), strict=True)
    ]


def _in_tolerances(got, want, allowed):
    """|got - want| as a multiple of the allowed error; 0 where equal (NaN with NaN too), inf where not comparable."""
    got, want = got.astype(np.float64), np.asarray(want, np.float64)
    with np.errstate(all="ignore"):
        error = np.abs(got - want) / allowed
    error = np.where((got == want) | (np.isnan(got) & np.isnan(want)), 0, error)
    return np.where(np.isnan(error), np.inf, error)


def case_shapes(case: Case) -> str:
    """The shapes of a case's arrays in one line: "x (5, 33), weight (33,)"."""
    return ", ".join(f"{name} {value.shape}" for name, value in case.inputs.items() if isinstance(value, np.ndarray))
