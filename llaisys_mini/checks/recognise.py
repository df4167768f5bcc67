"""Which known mistake is it? The same rule for operators and exercises, in the lab and for the judge."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from llaisys_mini.task import Mistake

Run = TypeVar("Run")


def recognise(
    mistakes: Sequence[Mistake],
    explains: Callable[[Mistake, Run], bool],
    wrong: Sequence[Run],
    right: Iterable[Run] = (),
) -> str | None:
    """The sentence of the known mistake that explains everything that came out wrong, or None.

    explains: whether a run is what the mistake gives, and the mistake is wrong where the run is. wrong, right: the runs
    of an answer that failed and that passed. A mistake must explain every one that failed. Several mistakes may; of
    those the one is named that also explains most of the runs that passed, so one that would have failed there comes
    last.
    """
    if not wrong:
        return None
    fitting = [mistake for mistake in mistakes if all(explains(mistake, run) for run in wrong)]
    if len(fitting) < 2:
        return fitting[0].sentence if fitting else None
    right = list(right)
    best = max(fitting, key=lambda mistake: sum(explains(mistake, run) for run in right))  # of equals the first
    return best.sentence


def told(sentence: str) -> str:
    """The line of a diagnosis that names a mistake."""
    return f"  this is what comes out when {sentence}"
