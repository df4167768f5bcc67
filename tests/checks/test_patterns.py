"""A wrong output is described by what holds for all of it; where nothing does, nothing is said."""

import numpy as np
import pytest

from llaisys_mini.checks.compare import Difference
from llaisys_mini.checks.patterns import patterns

WANT = np.random.default_rng(0).normal(size=(6, 37)).astype(np.float32)


def of(got, want=WANT):
    got = np.asarray(got, np.float32)
    error = np.where(got == want, 0, np.inf)
    return " | ".join(patterns(Difference("out", got, want, error > 1, error, int(np.isnan(got).sum()))))


def changed(index, value):
    got = WANT.copy()
    got[index] = value
    return got


@pytest.mark.parametrize(
    ("got", "sentence"),
    [
        (changed(np.s_[:, 36], np.nan), "in every row the last column is wrong, those past a multiple of 4"),
        (
            changed(np.s_[:, 32:], np.nan),
            "in every row the last 5 of 37 columns are wrong, those past a multiple of 32",
        ),
        (changed(np.s_[-1], np.nan), "the last row is wrong"),
        (changed(np.s_[1::2], np.nan), "every second row is wrong, from number 1 on"),
        (changed(np.s_[:, ::3], np.nan), "in every row every third column is wrong, from number 0 on"),
        (changed(np.s_[2], WANT[5]), "only row 2 of 6 is wrong, counted from 0 | row 2 holds what belongs into row 5"),
        (WANT[[0, 0, 1, 2, 3, 4]], "each wrong row holds what belongs 1 row further back"),
        (np.broadcast_to(WANT[:1], WANT.shape), "every wrong row holds what belongs into row 0"),
        (0.5 * WANT, "they are 0.5 times as large"),
        (-WANT, "they have the wrong sign"),
        (WANT + 0.25, "they are too large by 0.25, all of them"),
        (0 * WANT, "0 stands there"),
        (WANT.astype(np.float16), "as small as those of numbers or sums kept in float16"),
        (np.cumsum(WANT, axis=0), "each row holds the sum of all up to it: a sum is not set back to 0"),
        (np.random.default_rng(1).normal(size=WANT.shape), ""),
    ],
)
def test_what_is_said(got, sentence):
    found = of(got)
    assert sentence in found if sentence else found == ""


def test_a_transposed_square():
    square = WANT[:6, :6]
    assert of(square.T, square) == "rows and columns are exchanged: the result is transposed"


def test_single_numbers_and_indices():
    assert of(np.array(2.0), np.array(3.0, np.float32)) == ""
    index = np.array([3, 1, 4], np.int64)
    difference = Difference("index", index + 1, index, np.ones(3, bool), np.full(3, np.inf), 0)
    assert patterns(difference) == []
