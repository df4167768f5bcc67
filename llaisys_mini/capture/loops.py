"""loops: the layers of a decoder, found in the list of its calls as the part that repeats."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Loop:
    """From call `first` on, `period` calls are repeated `count` times."""

    first: int
    period: int
    count: int


def find_loop(forms: Sequence[Hashable]) -> Loop | None:
    """The repetition that covers the most calls, with the shortest period that does. None if nothing repeats.

    forms: for each call what makes it the same code as another one.
    """
    known: dict[Hashable, int] = {}
    numbers = [known.setdefault(form, len(known)) for form in forms]  # quicker to compare
    best, covered = None, 0
    middle = len(forms) // 2  # a repetition of most calls covers it, so it shows which periods there may be
    for period in range(1, middle + 1):
        if numbers[middle] not in (numbers[middle - period], numbers[min(middle + period, len(forms) - 1)]):
            continue
        run = 0  # how many calls in a row are the same as the one a period later
        for number in range(len(forms) - period - 1, -1, -1):
            run = run + 1 if numbers[number] == numbers[number + period] else 0
            count = run // period + 1
            if count > 1 and count * period > covered:
                best, covered = Loop(number, period, count), count * period
    return best
