"""What a wrong output looks like, where no known mistake explains it: which elements, and how they relate to the right
ones. Each pattern is a sentence; it is told only if it holds for every wrong element."""

import numpy as np

from llaisys_mini.checks.compare import Difference

_BLOCKS = (128, 64, 32, 16, 8, 4)  # tiles and vectors that loops go by, the largest first
_FLOAT16, _BFLOAT16 = 2.0**-11, 2.0**-8  # largest relative error of rounding to them
_CLOSE = 1e-3  # relative; wrong kernels add up in float32 too


def patterns(difference: Difference) -> list[str]:
    """Sentences about one wrong output: where it is wrong, and what stands there."""
    return [sentence for sentence in (_place(difference), _content(difference)) if sentence]


# ---- where -------------------------------------------------------------------------------------------------------


def _place(difference: Difference) -> str | None:
    """Which part of the array is wrong, if that is a simple one and not all of it."""
    wrong = difference.wrong
    if wrong.all() or wrong.size < 2:
        return None
    if wrong.ndim == 1:
        return _part(wrong, "element")
    rows = wrong.reshape(-1, wrong.shape[-1])
    of_columns, of_rows = rows.any(axis=0), rows.any(axis=1)
    if of_rows.all() and (rows == of_columns).all():
        return _part(of_columns, "column", "in every row ")
    if of_columns.all() and (rows == of_rows[:, None]).all():
        return _part(of_rows, "row")
    return None


def _part(wrong: np.ndarray, unit: str, where: str = "") -> str | None:
    """Which of a number of elements, rows or columns are wrong."""
    count, first = len(wrong), int(np.argmax(wrong))
    number = int(wrong.sum())
    if wrong.all():
        return None
    if wrong[first:].all():  # the last ones
        which = f"the last {unit} is wrong" if number == 1 else f"the last {number} of {count} {unit}s are wrong"
        whole = next((f", those past a multiple of {b}" for b in _BLOCKS if first and first == count // b * b), "")
        return f"{where}{which}{whole}"
    if wrong[:number].all():
        return f"{where}the first {unit} is wrong" if number == 1 else f"{where}the first {number} {unit}s are wrong"
    for step in (2, 3, 4):
        for start in range(step):
            if wrong[start::step].all() and number == len(wrong[start::step]) > 1:
                return f"{where}every {_ORDINALS[step]} {unit} is wrong, from number {start} on"
    return f"{where}only {unit} {first} of {count} is wrong, counted from 0" if number == 1 else None


_ORDINALS = {2: "second", 3: "third", 4: "fourth"}


# ---- what --------------------------------------------------------------------------------------------------------


def _content(difference: Difference) -> str | None:
    """How what stands at the wrong places relates to what should stand there."""
    got, want = difference.got.astype(np.float64), difference.expected.astype(np.float64)
    wrong = difference.wrong
    if difference.uninitialised == int(wrong.sum()):
        return None  # nothing stands there
    if difference.got.dtype.kind == "f":
        sentence = _noise(got[wrong], want[wrong]) or _proportion(got[wrong], want[wrong])
        if sentence:
            return sentence
    return _elsewhere(got, want, wrong) or _running_sum(got, want)


def _noise(got: np.ndarray, want: np.ndarray) -> str | None:
    """Small errors on both sides, as of numbers that were kept in 16 bits."""
    if not (np.isfinite(got).all() and len(got) >= 8):
        return None
    scale = np.abs(want).max()
    relative = np.abs(got - want).max() / scale if scale else np.inf
    signs = np.sign(got - want)
    if relative > 4 * _BFLOAT16 or abs(signs.mean()) > 0.9:
        return None
    for name, unit in (("float16", _FLOAT16), ("bfloat16", _BFLOAT16)):
        if unit / 16 < relative <= 4 * unit:
            return f"the errors are as small as those of numbers or sums kept in {name}"
    return "the errors are small, up and down: the numbers are right but for rounding"


def _proportion(got: np.ndarray, want: np.ndarray) -> str | None:
    """All wrong elements are the same multiple of what they should be, or off by the same amount."""
    if len(got) < 2 or not np.isfinite(got).all():
        return None
    sure = np.abs(want) > 1e-6 * np.abs(want).max(initial=0)
    if sure.sum() > 1 and not np.abs(got[~sure]).max(initial=0) > _CLOSE * np.abs(got).max():
        ratio = got[sure] / want[sure]
        factor = float(np.median(ratio))
        if np.abs(ratio - factor).max() <= _CLOSE * max(abs(factor), _CLOSE):
            if factor == 0 or np.abs(got).max() == 0:
                return "0 stands there"
            return "they have the wrong sign" if abs(factor + 1) < _CLOSE else f"they are {factor:.4g} times as large"
    shift = got - want
    offset = float(np.median(shift))
    if np.abs(shift - offset).max() <= _CLOSE * abs(offset):
        return f"they are too {'large' if offset > 0 else 'small'} by {abs(offset):.4g}, all of them"
    constant = got[0]
    return f"{constant:.4g} stands in all of them" if (got == constant).all() else None


def _elsewhere(got: np.ndarray, want: np.ndarray, wrong: np.ndarray) -> str | None:
    """Rows, or columns, that hold what belongs into other ones."""
    if want.ndim < 2 or want.shape[-1] < 2:
        return None
    rows_got, rows_want = (a.reshape(-1, a.shape[-1]) for a in (got, want))
    if rows_got.shape[0] == rows_got.shape[1] and _same(rows_got, rows_want.T):
        return "rows and columns are exchanged: the result is transposed"
    for unit, have, need in (("row", rows_got, rows_want), ("column", rows_got.T, rows_want.T)):
        if not 2 <= len(need) <= 4096:
            continue
        sources = []
        for row in np.flatnonzero((~np.isclose(have, need, rtol=_CLOSE)).any(axis=1)):
            alike = [s for s in range(len(need)) if s != row and _same(have[row], need[s])]
            if not alike:
                break
            sources.append((int(row), alike[0]))
        else:
            if sources:
                return _moved(unit, sources, len(need))
    return None


def _moved(unit: str, sources: list[tuple[int, int]], count: int) -> str:
    if all(source == sources[0][1] for _, source in sources) and len(sources) > 1:
        return f"every wrong {unit} holds what belongs into {unit} {sources[0][1]}"
    shifts = {source - row for row, source in sources}
    if len(shifts) == 1 and len(sources) > 1:
        shift = shifts.pop()
        return f"each wrong {unit} holds what belongs {abs(shift)} {unit}{'s' * (abs(shift) > 1)} {_WAY[shift > 0]}"
    row, source = sources[0]
    others = "" if len(sources) == 1 else f", and {len(sources) - 1} more hold another's"
    return f"{unit} {row} holds what belongs into {unit} {source}{others}"


_WAY = {True: "further on", False: "further back"}


def _running_sum(got: np.ndarray, want: np.ndarray) -> str | None:
    """Each row, or element, also holds what belongs into those before it: a sum that is not set back to 0."""
    if want.ndim and want.shape[0] > 1 and _same(got, np.cumsum(want, axis=0)):
        return f"each {'row' if want.ndim > 1 else 'element'} holds the sum of all up to it: a sum is not set back to 0"
    if want.ndim > 1 and want.shape[-1] > 1 and _same(got, np.cumsum(want, axis=-1)):
        return "each element holds the sum of its row up to it: a sum is not set back to 0"
    return None


def _same(got: np.ndarray, want: np.ndarray) -> bool:
    return np.allclose(got, want, rtol=_CLOSE, atol=_CLOSE * float(np.abs(want[np.isfinite(want)]).max(initial=0)))
