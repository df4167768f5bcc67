"""embedding_backward: the gradient of each row of the table is the sum over the places where its id stood."""

import numpy as np

from llaisys_mini.contract import F32, I64, Written
from llaisys_mini.operator import operator


@operator
def embedding_backward(grad_out: F32["N E"], ids: I64["N"], grad_weight: Written[F32["V E"]]) -> None:
    """Add the gradient of every looked-up row to the gradient of the table, in place.

        grad_weight[ids[n], e] += grad_out[n, e]      for n = 0, 1, ... N - 1

    An id that occurs several times gets the sum of all its rows. What grad_weight held before stays in the sum, so that
    a table which is also the output projection (tied embeddings) gets both of its gradients.
    Source: the chain rule on a copy; `tie_word_embeddings` in config.json.
    """
    total = np.array(grad_weight)
    np.add.at(total, ids, grad_out)
    return total


@embedding_backward.rounding
def rounding(grad_out, ids, grad_weight):
    times = np.bincount(ids, minlength=len(grad_weight))[:, None]
    return (times + 2) * embedding_backward.reference(np.abs(grad_out), ids, np.abs(grad_weight)) * (times > 0)


@embedding_backward.value_rule
def ids_in_range(grad_out, ids, grad_weight):
    if ids.min() < 0 or ids.max() >= len(grad_weight):
        return f"ids must lie in 0..{len(grad_weight) - 1}, but run from {ids.min()} to {ids.max()}"


@embedding_backward.cases
def cases(rng):
    def inputs(n, v, e, before=1.0):
        return dict(
            grad_out=rng.normal(size=(n, e)),
            ids=rng.integers(0, v, size=n),
            grad_weight=before * rng.normal(size=(v, e)),
        )

    yield "one id", inputs(1, 10, 8)
    yield "several ids", inputs(9, 50, 33)
    yield "one column", inputs(6, 12, 1)
    yield "nothing was there before", inputs(20, 7, 5, before=0.0)
    yield "the first and the last row", inputs(4, 20, 5) | dict(ids=np.array([0, 19, 0, 19]))
    yield "the same id again and again", inputs(30, 7, 6) | dict(ids=np.full(30, 3))
    yield "the same id at both ends", inputs(40, 90, 6) | dict(ids=np.r_[88, np.arange(38), 88])
    yield "as wide as a model", inputs(3, 5, 2100)
    yield "many ids, few rows", inputs(700, 3, 4)
    many = inputs(300, 70000, 2)
    many["ids"][:4] = 69999, 300, 69999, 65836
    yield "many ids, some beyond 16 bits", many
    yield "some sizes", inputs(*rng.integers(2, 100, size=3))


@embedding_backward.mistake("a row is overwritten where its id comes again, instead of added up")
def last_occurrence_only(grad_out, ids, grad_weight):
    total = np.array(grad_weight)
    total[ids] = grad_weight[ids] + grad_out
    return total


@embedding_backward.mistake("what grad_weight held before is lost")
def overwritten(grad_out, ids, grad_weight):
    return embedding_backward.reference(grad_out, ids, np.zeros_like(grad_weight))


@embedding_backward.mistake("only the rows whose id occurs lose what they held before")
def rows_set_to_zero(grad_out, ids, grad_weight):
    cleared = np.array(grad_weight)
    cleared[ids] = 0
    return embedding_backward.reference(grad_out, ids, cleared)


@embedding_backward.mistake("ids are counted from 1: every row is one too early")
def from_one(grad_out, ids, grad_weight):
    return embedding_backward.reference(grad_out, (ids - 1) % len(grad_weight), grad_weight)


@embedding_backward.mistake("row n of grad_out goes to row n of the table; ids are not read")
def ids_not_used(grad_out, ids, grad_weight):
    return embedding_backward.reference(grad_out, np.arange(ids.size) % len(grad_weight), grad_weight)


@embedding_backward.mistake("the rows of an id are averaged; the gradient is their sum")
def averaged(grad_out, ids, grad_weight):
    times = np.bincount(ids, minlength=len(grad_weight)).astype(grad_out.dtype)
    return embedding_backward.reference(grad_out / times[ids][:, None], ids, grad_weight)


@embedding_backward.mistake("the gradient is subtracted: the step of the optimiser is not taken here")
def subtracted(grad_out, ids, grad_weight):
    return embedding_backward.reference(-grad_out, ids, grad_weight)


for _bits in (8, 16):

    @embedding_backward.mistake(f"ids are kept in {_bits} bits, so larger ones lose their upper bits")
    def ids_cut(grad_out, ids, grad_weight, bits=_bits):
        return embedding_backward.reference(grad_out, ids % 2**bits, grad_weight)
