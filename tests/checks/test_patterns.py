"""A wrong output is described by what holds for all of it; where nothing does, nothing is said."""

import numpy as np
import pytest

from llaisys_mini.checks.compare import Difference
from llaisys_mini.checks.patterns import patterns

WANT = np.random.default_rng(0).normal(size=(6, 37)).astype(np.float32)


def difference(got, want=WANT):
    got = np.asarray(got, np.float32)
    error = np.where(got == want, 0, np.inf)
    return Difference("out", got, want, error > 1, error, int(np.isnan(got).sum()))


def of(got, want=WANT):
    return " | ".join(patterns([difference(got, want)]))


def changed(index, value):
    got = WANT.copy()
    got[index] = value
    return got


@pytest.mark.parametrize(
    ("got", "sentence"),
    [
        (changed(np.s_[:, 36], np.nan), "in every row the last columns are wrong, those past a multiple of 4"),
        (changed(np.s_[:, 32:], np.nan), "in every row the last columns are wrong, those past a multiple of 32"),
        (changed(np.s_[-1], np.nan), "the last row is wrong"),
        (changed(np.s_[1:], np.nan), "only the first row is right"),
        (changed(np.s_[1::2], np.nan), "every second row is wrong, from number 1 on"),
        (changed(np.s_[:, ::3], np.nan), "in every row every third column is wrong, from number 0 on"),
        (changed(np.s_[2], WANT[5]), "wrong rows hold what belongs into other rows"),
        (WANT[[0, 0, 1, 2, 3, 4]], "each wrong row holds what belongs 1 row further back"),
        (np.broadcast_to(WANT[:1], WANT.shape), "every wrong row holds what belongs into row 0"),
        (0.5 * WANT, "they are 0.5 times as large"),
        (-WANT, "they have the wrong sign"),
        (WANT + 0.25, "they are too large by 0.25, all of them"),
        (0 * WANT, "0 stands there"),
        (WANT.astype(np.float16), "as small as those of numbers or sums kept in float16"),
        (np.cumsum(WANT, axis=0), "each row holds the sum of all up to it: a sum is not set back to 0"),
        (WANT * np.array([[2], [3], [0.5], [7], [-1], [1.5]]), "each row is off by a factor of its own"),
        (WANT.T.reshape(WANT.shape), "the numbers stand in the order of the transposed result"),
        (np.random.default_rng(1).normal(size=WANT.shape), ""),
    ],
)
def test_what_is_said(got, sentence):
    found = of(got)
    assert sentence in found if sentence else found == ""


def test_a_transposed_square():
    square = WANT[:6, :6]
    assert of(square.T, square) == "rows and columns are exchanged: the result is transposed"


def test_only_what_holds_for_every_case_is_told():
    """33 columns without the last one may be a tail of 4, 8, 16 or 32; with 13 columns besides, only of 4."""
    wide, narrow = WANT[:, :33], WANT[:, :13]
    cases = [difference(np.where(np.arange(33) < 32, wide, np.nan), wide)]
    assert "a multiple of 32" in patterns(cases)[0]
    cases.append(difference(np.where(np.arange(13) < 12, narrow, np.nan), narrow))
    assert "a multiple of 4" in patterns(cases)[0]
    cases.append(difference(-narrow, narrow))
    assert patterns(cases) == []


def test_single_numbers_and_indices():
    assert of(np.array(2.0), np.array(3.0, np.float32)) == ""
    index = np.array([3, 1, 4], np.int64)
    wrong = Difference("index", index + 1, index, np.ones(3, bool), np.full(3, np.inf), 0)
    assert patterns([wrong]) == []
