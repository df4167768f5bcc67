"""Which operator call of an answer is the first that differs from the calls of the reference?

An answer to an exercise such as qwen_attention is a row of operator calls. A wrong result at its end says little; the
call where the numbers first part, and its argument that is wrong, say where to look. Calls are matched by what they
give, so an answer may make them in another order, and more of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from llaisys_mini.kernels.runtime import observe_calls
from llaisys_mini.operator import Operator


@dataclass(frozen=True, eq=False)
class Call:
    """One operator call: copies of its arguments by name, and of its results."""

    operator: Operator
    arguments: dict[str, Any]
    results: list[np.ndarray]

    def __str__(self) -> str:
        described = [f"{name} {_short(value)}" for name, value in self.arguments.items() if value is not None]
        return f"{self.operator.name}({', '.join(described)})"


def recorded(run: Callable[[], Any]) -> list[Call]:
    """The operator calls that `run` makes, in their order."""
    calls: list[Call] = []

    def observe(operator, arguments, results):
        names = list(operator.inputs)[: len(arguments)]
        calls.append(Call(operator, dict(zip(names, map(_copy, arguments), strict=True)), list(map(_copy, results))))

    with observe_calls(observe):
        run()
    return calls


def first_that_differs(calls: list[Call], expected: list[Call], accuracy: float) -> list[str]:
    """Lines on the first of the `expected` calls that none of `calls` equals; none where either has no calls.

    accuracy: of floats, relative to the largest number of an array.
    """
    if not calls or not expected:
        return []
    for call in expected:
        if not any(_gives_the_same(other, call, accuracy) for other in calls):
            break
    else:
        return ["all operator calls give what they should: look at what happens between and after them"]
    nearest = [
        (number, other)
        for number, other in enumerate(calls, start=1)
        if other.operator is call.operator and not any(_gives_the_same(other, c, accuracy) for c in expected)
    ]
    if not nearest:
        return [f"no operator call gives what this one gives: {call}"]
    number, other = nearest[0]
    return [f"the first operator call that differs is number {number}: {other}", "  " + _reason(other, call, accuracy)]


def _reason(call: Call, expected: Call, accuracy: float) -> str:
    for name, want in expected.arguments.items():
        got = call.arguments.get(name)
        if isinstance(want, np.ndarray) and isinstance(got, np.ndarray):
            if got.shape != want.shape:
                return f"{name} has the shape {got.shape}, expected {want.shape}"
            wrong = _differs(got, want, accuracy)
            if wrong.any():
                index = tuple(int(i) for i in np.argwhere(wrong)[0])
                return (
                    f"{name}: {int(wrong.sum())} of {wrong.size} elements differ, the first at {list(index)}: "
                    f"got {got[index]:.7g}, expected {want[index]:.7g}"
                )
        elif (got is None) != (want is None) or (want is not None and _differs(got, want, accuracy).any()):
            return f"{name} is {_short(got)}, expected {_short(want)}"
    return (
        f'its arguments are right, its result is not: check("{call.operator.name}") tells what is wrong with the kernel'
    )


def _gives_the_same(call: Call, other: Call, accuracy: float) -> bool:
    return call.operator is other.operator and all(
        got.shape == want.shape and not _differs(got, want, accuracy).any()
        for got, want in zip(call.results, other.results, strict=True)
    )


def _differs(got: Any, want: Any, accuracy: float) -> np.ndarray:
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    scale = np.abs(want[np.isfinite(want)]).max(initial=0)
    with np.errstate(invalid="ignore"):
        return ~((np.abs(got - want) <= accuracy * scale) | (got == want) | (np.isnan(got) & np.isnan(want)))


def _copy(value: Any) -> Any:
    return value if value is None or np.isscalar(value) else np.array(value)


def _short(value: Any) -> str:
    return str(value.shape) if isinstance(value, np.ndarray) else "None" if value is None else f"{value:.4g}"
