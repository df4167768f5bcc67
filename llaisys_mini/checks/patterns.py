"""What a wrong output looks like, where no known mistake explains it: which elements, and how they relate to the right
ones. A sentence is told only if it holds for every wrong element of every case that failed."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from llaisys_mini.checks.compare import Difference

_BLOCKS = (128, 64, 32, 16, 8, 4)  # tiles and vectors that loops go by, the largest first
_FLOAT16, _BFLOAT16 = 2.0**-11, 2.0**-8  # largest relative error of rounding to them
_CLOSE = 1e-3  # relative; wrong kernels add up in float32 too


def patterns(differences: Sequence[Difference]) -> list[str]:
    """Sentences about one wrong output, over all cases on which it is wrong: where, and what stands there."""
    return [sentence for about in (_places, _contents) for sentence in _first_common(map(about, differences))]


def _first_common(told: Iterable[Iterator[str] | None]) -> list[str]:
    """The first sentence that is told of every case, if there is one. A case of None is too small to tell."""
    cases = [list(sentences) for sentences in told if sentences is not None]
    return [sentence for sentence in cases[0] if all(sentence in other for other in cases[1:])][:1] if cases else []


# ---- where -------------------------------------------------------------------------------------------------------


def _places(difference: Difference) -> Iterator[str] | None:
    """Which part of the array is wrong, if that is a simple one and not all of it; None of a single row or column."""
    wrong = difference.wrong
    if wrong.all() and (wrong.size < 2 or (wrong.ndim > 1 and 1 in (wrong.shape[-1], wrong.size // wrong.shape[-1]))):
        return None
    return _places_in(wrong)


def _places_in(wrong: np.ndarray) -> Iterator[str]:
    if wrong.all():
        return
    if wrong.ndim == 1:
        yield from _parts(wrong, "element")
        return
    rows = wrong.reshape(-1, wrong.shape[-1])
    of_columns, of_rows = np.logical_or.reduce(rows, axis=0), np.logical_or.reduce(rows, axis=1)
    if (rows == of_columns).all():
        yield from _parts(of_columns, "column", "in every row ")
    if (rows == of_rows[:, None]).all():
        yield from _parts(of_rows, "row")


def _parts(wrong: np.ndarray, unit: str, where: str = "") -> Iterator[str]:
    """Which of a number of elements, rows or columns are wrong, from the most special to the most general."""
    count, number, first = len(wrong), int(wrong.sum()), int(np.argmax(wrong))
    if wrong[first:].all() and first:
        for block in _BLOCKS:
            if first == count // block * block:
                yield f"{where}the last {unit}s are wrong, those past a multiple of {block}"
        if first in _BLOCKS or first == 256:
            yield f"{where}the {unit}s from number {first} on are wrong"
        if number == 1:
            yield f"{where}the last {unit} is wrong"
        if first == 1:
            yield f"{where}only the first {unit} is right"
    for step in (2, 3, 4):
        for start in range(step):
            if wrong[start::step].all() and number == len(wrong[start::step]) > 1:
                yield f"{where}every {_ORDINALS[step]} {unit} is wrong, from number {start} on"
    if wrong[0] and number == 1:
        yield f"{where}only the first {unit} is wrong"


_ORDINALS = {2: "second", 3: "third", 4: "fourth"}


# ---- what --------------------------------------------------------------------------------------------------------


def _contents(difference: Difference) -> Iterator[str]:
    """How what stands at the wrong places relates to what should stand there."""
    got, want = difference.got.astype(np.float64), difference.expected.astype(np.float64)
    wrong = difference.wrong
    if difference.uninitialised == int(wrong.sum()):
        return  # nothing stands there
    if difference.got.dtype.kind == "f":
        yield from _noise(got[wrong], want[wrong])
        yield from _proportion(got[wrong], want[wrong])
    yield from _elsewhere(got, want)
    yield from _running_sum(got, want)
    if difference.got.dtype.kind == "f" and want.ndim > 1 and _off_by_row(got, want):
        yield "each row is off by a factor of its own: something that is computed once per row is wrong"


def _noise(got: np.ndarray, want: np.ndarray) -> Iterator[str]:
    """Small errors, as of numbers that were kept in 16 bits."""
    scale = np.abs(want).max(initial=0)
    if not np.isfinite(got).all() or not scale:
        return
    if len(got) > 3 and (got > want).any() != (got < want).any():
        return  # rounding goes both ways
    relative = np.abs(got - want).max() / scale
    for name, unit in (("float16", _FLOAT16), ("bfloat16", _BFLOAT16)):
        if unit / 64 < relative <= 4 * unit:
            yield f"the errors are as small as those of numbers or sums kept in {name}"
    if relative <= 1e-4:
        yield "the errors are small: the numbers are right but for rounding"


def _proportion(got: np.ndarray, want: np.ndarray) -> Iterator[str]:
    """All wrong elements are the same multiple of what they should be, or off by the same amount."""
    if not np.isfinite(got).all() or len(got) < 2:  # one number is a multiple of anything
        return
    sure = np.abs(want) > 1e-6 * np.abs(want).max(initial=0)
    if (got == 0).all():
        yield "0 stands there"
    elif sure.any() and np.abs(got[~sure]).max(initial=0) <= _CLOSE * np.abs(got).max():
        ratio = got[sure] / want[sure]
        factor = float(np.median(ratio))
        if np.abs(ratio - factor).max() <= _CLOSE * abs(factor) and abs(factor - 1) > 0.01:
            yield "they have the wrong sign" if abs(factor + 1) < _CLOSE else f"they are {factor:.3g} times as large"
    shift = got - want
    offset = float(np.median(shift))
    if np.abs(shift - offset).max() <= _CLOSE * abs(offset):
        yield f"they are too {'large' if offset > 0 else 'small'} by {abs(offset):.3g}, all of them"
    if (got == got[0]).all() and got[0]:
        yield f"{got[0]:.3g} stands in all of them"


def _off_by_row(got: np.ndarray, want: np.ndarray) -> bool:
    """Whether every row is a multiple of the right one."""
    if want.shape[-1] < 3 or not np.isfinite(got).all():
        return False
    for have, need in zip(got.reshape(-1, got.shape[-1]), want.reshape(-1, want.shape[-1]), strict=True):
        sure = np.abs(need) > 1e-6 * np.abs(need).max()
        ratio = have[sure] / need[sure]
        if not sure.any() or np.abs(ratio - np.median(ratio)).max() > _CLOSE * abs(float(np.median(ratio))):
            return False
    return True


def _elsewhere(got: np.ndarray, want: np.ndarray) -> Iterator[str]:
    """Rows, or columns, that hold what belongs into other ones."""
    if want.ndim < 2 or want.shape[-1] < 2:
        return
    rows_got, rows_want = (a.reshape(-1, a.shape[-1]) for a in (got, want))
    if rows_got.shape[0] == rows_got.shape[1] and _same(rows_got, rows_want.T):
        yield "rows and columns are exchanged: the result is transposed"
    if _same(rows_got.reshape(-1), rows_want.T.reshape(-1)):
        yield "the numbers stand in the order of the transposed result: column by column"
    for unit, have, need in (("row", rows_got, rows_want), ("column", rows_got.T, rows_want.T)):
        if not 2 <= len(need) <= 512:
            continue
        moved = []
        for number in np.flatnonzero((~np.isclose(have, need, rtol=_CLOSE)).any(axis=1)):
            alike = [other for other in range(len(need)) if other != number and _same(have[number], need[other])]
            if not alike:
                break
            moved.append((int(number), alike))
        else:
            yield from _moved(unit, moved)


def _moved(unit: str, moved: list[tuple[int, list[int]]]) -> Iterator[str]:
    """moved: a row or column, and those whose right numbers it holds."""
    if not moved:
        return
    for source in moved[0][1][:1]:
        if all(source in others for _, others in moved) and len(moved) > 1:
            yield f"every wrong {unit} holds what belongs into {unit} {source}"
    shifts = {other - moved[0][0] for other in moved[0][1]}
    for shift in sorted(s for s in shifts if all(number + s in others for number, others in moved)):
        if len(moved) > 1:
            yield f"each wrong {unit} holds what belongs {abs(shift)} {unit}{'s' * (abs(shift) > 1)} {_WAY[shift > 0]}"
    yield f"wrong {unit}s hold what belongs into other {unit}s"


_WAY = {True: "further on", False: "further back"}


def _running_sum(got: np.ndarray, want: np.ndarray) -> Iterator[str]:
    """Each row, or element, also holds what belongs into those before it: a sum that is not set back to 0."""
    if want.ndim and want.shape[0] > 1 and _same(got, np.cumsum(want, axis=0)):
        yield f"each {'row' if want.ndim > 1 else 'element'} holds the sum of all up to it: a sum is not set back to 0"
    if want.ndim > 1 and want.shape[-1] > 1 and _same(got, np.cumsum(want, axis=-1)):
        yield "each element holds the sum of its row up to it: a sum is not set back to 0"


def _same(got: np.ndarray, want: np.ndarray) -> bool:
    return np.allclose(got, want, rtol=_CLOSE, atol=_CLOSE * float(np.abs(want[np.isfinite(want)]).max(initial=0)))
