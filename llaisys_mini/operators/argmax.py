"""argmax: the choice of greedy decoding."""

import numpy as np

from llaisys_mini.contract import F32, I64, Outputs
from llaisys_mini.operator import operator


@operator
def argmax(x: F32["... V"]) -> Outputs(index=I64["..."], value=F32["..."]):
    """Index and value of each row's largest element; the lowest index wins a tie.

    index[n] = min { v : x[n, v] = max(x[n]) },   value[n] = x[n, index[n]]
    """
    return x.argmax(axis=-1), x.max(axis=-1)


@argmax.rounding
def rounding(x):
    return 0, np.zeros(x.shape[:-1])  # nothing is computed, so nothing is rounded


@argmax.cases
def cases(rng):
    yield "no leading dimension", dict(x=rng.normal(size=50))
    yield "several rows", dict(x=rng.normal(size=(5, 33)))
    yield "one column", dict(x=rng.normal(size=(4, 1)))
    yield "all negative", dict(x=-1 - np.abs(rng.normal(size=(4, 20))))
    yield "ties", dict(x=rng.integers(0, 3, size=(8, 40)))
    yield "constant rows", dict(x=np.array([[0.0] * 9, [-3.0] * 9]))
    yield "the last element is largest", dict(x=np.arange(2 * 37).reshape(2, 37))
    yield "the first element is largest", dict(x=-np.arange(37.0).reshape(1, 37))
    far = rng.normal(size=(2, 33000))  # indices beyond 15 bits
    far[:, 32800] = far[:, 32900] = 50
    yield "a vocabulary, with a tie far apart", dict(x=far)
    masked = rng.normal(size=(3, 17))
    masked[0, :9] = masked[1, 9:] = masked[2] = -np.inf
    yield "scores of -inf, as a mask sets them", dict(x=masked)
    yield "many rows", dict(x=rng.normal(size=(300, 3)))
    yield "some sizes", dict(x=rng.normal(size=tuple(rng.integers(2, 300, size=2))))


@argmax.mistake("of equal elements the last wins: compare with > and not >=")
def last_wins(x):
    return x.shape[-1] - 1 - x[..., ::-1].argmax(axis=-1), x.max(axis=-1)


@argmax.mistake("the search starts from 0 instead of the first element, so rows without a positive element fail")
def starts_from_zero(x):
    best = np.maximum(x.max(axis=-1), 0)
    return np.where(x.max(axis=-1) > 0, x.argmax(axis=-1), 0), best


@argmax.mistake("the largest absolute value is taken")
def absolute(x):
    index = np.abs(x).argmax(axis=-1)
    return index, np.take_along_axis(x, index[..., None], axis=-1)[..., 0]


@argmax.mistake("the last element is never looked at")
def misses_last(x):
    seen = x[..., :-1] if x.shape[-1] > 1 else x
    return seen.argmax(axis=-1), seen.max(axis=-1)


@argmax.mistake("the smallest element is taken")
def smallest(x):
    return x.argmin(axis=-1), x.min(axis=-1)


@argmax.mistake("the largest element is not set back for each row: it carries on from the row before")
def carried_on(x):
    rows = x.reshape(-1, x.shape[-1])
    values = np.maximum.accumulate(rows.max(axis=1))
    new = np.append(True, values[1:] > values[:-1])
    index = rows.argmax(axis=1)[np.maximum.accumulate(np.where(new, np.arange(len(rows)), 0))]
    return index.reshape(x.shape[:-1]), values.reshape(x.shape[:-1])


@argmax.mistake("the index is stored in `value` too, where the element belongs")
def index_as_value(x):
    index = x.argmax(axis=-1)
    return index, index.astype(x.dtype)
