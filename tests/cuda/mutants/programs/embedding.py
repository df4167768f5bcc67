"""Rows of a table by their ids: a loop over the grid's stride."""

import numpy as np

from llaisys_mini import cuda


@cuda.jit
def embedding(ids, table, out):
    width = table.shape[1]
    total = ids.size * width
    for i in range(cuda.grid(1), total, cuda.gridsize(1)):
        token, e = i // width, i % width
        out[token, e] = table[ids[token], e]


def inputs(rng):
    table = rng.normal(size=(10, 12)).astype(np.float32)
    return dict(ids=rng.permutation(10)[:9], table=table, out=np.full((9, 12), np.nan, np.float32))


def launch(ids, table, out):
    embedding[2, 32](ids, table, out)


def expected(ids, table, out):
    return table[ids]
