"""embedding: the table that turns token ids into vectors."""

import numpy as np

from llaisys_mini.contract import F32, I64, Stored
from llaisys_mini.operator import operator


@operator
def embedding(ids: I64["N"], weight: Stored["V E"]) -> F32["N E"]:
    """Row `ids[n]` of the table, as float32.

    out[n, e] = weight[ids[n], e]
    """
    return weight[ids]


@embedding.rounding
def rounding(ids, weight):
    return np.zeros((ids.size, weight.shape[1]))  # a copy is exact


@embedding.value_rule
def ids_in_range(ids, weight):
    low, high = (ids[0], ids[0]) if ids.size == 1 else (ids.min(), ids.max())
    if low < 0 or high >= weight.shape[0]:
        return f"ids must lie in 0..{weight.shape[0] - 1}, but run from {low} to {high}"


@embedding.cases
def cases(rng):
    def inputs(n, v, e):
        return dict(ids=rng.integers(0, v, size=n), weight=rng.normal(size=(v, e)))

    yield "one id", inputs(1, 10, 8)
    yield "several ids", inputs(9, 50, 33)
    yield "one column", inputs(6, 12, 1)
    yield "the first and the last row", dict(ids=np.array([0, 19, 0, 19]), weight=rng.normal(size=(20, 5)))
    yield "the same id again and again", dict(ids=np.full(30, 3), weight=rng.normal(size=(7, 6)))
    yield "as wide as a model", inputs(2, 5, 2100)
    yield (
        "many ids, some beyond 16 bits",
        dict(ids=rng.integers(0, 70000, size=300), weight=rng.normal(size=(70000, 2))),
    )
    yield "some sizes", inputs(*rng.integers(2, 100, size=3))


@embedding.mistake("ids are counted from 1: every row is one too early")
def from_one(ids, weight):
    return weight[ids - 1]


@embedding.mistake("the table is read as if it were stored [E, V]")
def transposed(ids, weight):
    return weight.reshape(weight.shape[::-1]).T[ids]


@embedding.mistake("the rows are scaled by sqrt(E), as in the 2017 Transformer; Qwen does not")
def scaled(ids, weight):
    return weight[ids] * np.sqrt(weight.shape[1]).astype(weight.dtype)


@embedding.mistake("row n of the table is copied instead of row ids[n]")
def ids_not_used(ids, weight):
    return weight[np.arange(ids.size) % weight.shape[0]]


@embedding.mistake("the first id is used for every row")
def first_id_only(ids, weight):
    return weight[np.full_like(ids, ids[0])]


for _bits in (8, 16):

    @embedding.mistake(f"ids are kept in {_bits} bits, so larger ones lose their upper bits")
    def ids_cut(ids, weight, bits=_bits):
        return weight[ids % 2**bits]
