"""Which known mistake is it? The same rule for operators and exercises."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from llaisys_mini.task import Mistake

Run = TypeVar("Run")


def recognise(
    mistakes: Sequence[Mistake], fits: Callable[[Mistake, Run], bool], wrong: Run, others: Iterable[Run] = ()
) -> str | None:
    """The sentence of the known mistake that gives exactly what came out of the run `wrong`, or None.

    fits: whether a run is what a mistake gives. others: further runs of the same answer, right or wrong. On one case
    several mistakes may give the same numbers; of those the one is named that fits most of the other runs too.
    """
    fitting = [mistake for mistake in mistakes if fits(mistake, wrong)]
    if len(fitting) < 2:
        return fitting[0].sentence if fitting else None
    others = list(others)
    return max(fitting, key=lambda mistake: sum(fits(mistake, run) for run in others)).sentence  # the first of equals
