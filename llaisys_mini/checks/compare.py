"""Compare a kernel's outputs with the reference, and recognise well-known mistakes."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.contract import UNIT_ROUNDOFF, Case, Operator

UNWRITTEN_INDEX = np.iinfo(np.int64).min
"""What integer outputs are filled with before a kernel runs; float outputs are filled with NaN."""


@dataclass(frozen=True)
class Difference:
    """How one output of one case is wrong.

    wrong: bool array of the output's shape; error: absolute error as a multiple of the tolerance (inf where the
    output is not finite or an integer differs); unwritten: number of elements that still hold the filling.
    """

    output: str
    got: np.ndarray
    expected: np.ndarray
    wrong: np.ndarray
    error: np.ndarray
    unwritten: int

    @property
    def first(self) -> tuple[int, ...]:
        """Index of the first wrong element."""
        return tuple(int(i) for i in np.argwhere(self.wrong)[0])

    @property
    def worst(self) -> tuple[int, ...]:
        """Index of the element with the largest error."""
        return tuple(int(i) for i in np.unravel_index(np.argmax(self.error), self.error.shape))


def empty_outputs(operator: Operator, inputs: dict[str, object]) -> list[np.ndarray]:
    """Output arrays for a kernel, filled so that what is never written shows: NaN, or the lowest integer."""
    return [
        np.full(value.shape, UNWRITTEN_INDEX, np.int64) if spec.is_int64 else np.full(value.shape, np.nan, np.float32)
        for value, spec in zip(operator.expected(inputs), operator.outputs.values(), strict=True)
    ]


def compare(operator: Operator, inputs: dict[str, object], outputs: list[np.ndarray]) -> list[Difference]:
    """The outputs that are wrong; an empty list if all are right."""
    expected, tolerance = operator.expected(inputs), operator.tolerance(inputs)
    found = []
    for name, got, want, allowed in zip(operator.outputs, outputs, expected, tolerance, strict=True):
        got = np.asarray(got)
        if got.shape != want.shape:
            raise ValueError(f"{operator.name}: {name} has shape {got.shape}, expected {want.shape}")
        error = _in_tolerances(got, want, allowed)
        if (error > 1).any():
            unwritten = np.isnan(got) & ~np.isnan(want) if got.dtype.kind == "f" else got == UNWRITTEN_INDEX
            found.append(Difference(name, got, want, error > 1, error, int(unwritten.sum())))
    return found


def recognise(
    operator: Operator,
    inputs: dict[str, object],
    outputs: list[np.ndarray],
    others: Iterable[tuple[dict[str, object], list[np.ndarray]]] = (),
) -> str | None:
    """The sentence of the known mistake that gives exactly these wrong outputs, or None.

    others: (inputs, outputs) of the kernel on further cases, right or wrong. On one case several mistakes may give the
    same numbers; of those the one is named that fits most of the other cases too.
    """
    fitting = [mistake for mistake in operator.mistakes if _gives(operator, mistake, inputs, outputs)]
    if len(fitting) > 1:
        others = list(others)
        counts = [sum(_gives(operator, mistake, *other) for other in others) for mistake in fitting]
        return fitting[int(np.argmax(counts))].sentence  # the first of the largest
    return fitting[0].sentence if fitting else None


def _gives(operator, mistake, inputs, outputs) -> bool:
    """Whether these are the outputs of a kernel with this mistake."""
    wants, tolerance = mistaken_outputs(operator, mistake, inputs), operator.tolerance(inputs)
    for got, want, allowed in zip(outputs, wants, tolerance, strict=True):
        scale = UNCERTAINTY_OF_MISTAKE * UNIT_ROUNDOFF * np.abs(np.nan_to_num(want, posinf=0, neginf=0))
        if not (_in_tolerances(got, want, 4 * allowed + scale) <= 1).all():
            return False
    return True


UNCERTAINTY_OF_MISTAKE = 64
"""Mistakes are computed in float32 too, with rounding of their own; matching them is a hint, not a verdict."""


def mistaken_outputs(operator: Operator, mistake, inputs: dict[str, object]) -> list[np.ndarray]:
    """What a kernel with this mistake would return, computed in float32 as the kernel would, overflow included."""
    with np.errstate(all="ignore"):
        result = mistake.function(*operator.computed_in(dtypes.float32, inputs))
    result = result if isinstance(result, tuple) else (result,)
    return [
        np.asarray(value, np.int64 if spec.is_int64 else np.float32)
        for value, spec in zip(result, operator.outputs.values(), strict=True)
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
