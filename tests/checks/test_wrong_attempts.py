"""Attempts as students make them, and what check says: not a sentence that sends them the wrong way."""

import textwrap

import pytest

from llaisys_mini import check
from llaisys_mini.errors import CheckFailed
from llaisys_mini.kernels.runtime import Runtime

HEAD = """
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel
from llaisys_mini.widen import widen

"""


def checked(folder, operator, source):
    """What `check` says of a wrong kernel for the CPU in this folder of a student."""
    (folder / "cpu").mkdir()
    (folder / "cpu" / f"{operator}.py").write_text(HEAD + textwrap.dedent(source))
    with Runtime(student=folder).in_force(), pytest.raises(CheckFailed) as failed:
        check(operator)
    return str(failed.value)


def test_an_index_too_far_on_a_later_case_is_told_instead_of_a_mistake_that_looks_alike(tmp_path, capsys):
    """On a single row NaN everywhere looks like a loop that starts at 1: the lecture's own shape mistake, [K, M]."""
    text = checked(
        tmp_path,
        "linear",
        """
        @kernel("linear", device="cpu")
        @njit
        def linear(x, weight, bias, out):
            for n in range(x.shape[0]):
                for m in range(out.shape[1]):
                    total = np.float32(0)
                    for j in range(x.shape[1]):
                        total += x[n, j] * widen(weight[j, m])
                    if bias is not None:
                        total += widen(bias[m])
                    out[n, m] = total
        """,
    )
    assert "reads outside of weight (33, 160): index 33 is out of bounds for axis 0 with size 33" in text
    assert "weight[j, m]" in text and "starts at 1" not in text


def test_a_length_that_the_array_does_not_have_is_told_in_words(tmp_path, capsys):
    text = checked(
        tmp_path,
        "add",
        """
        @kernel("add", device="cpu")
        @njit
        def add(x, y, out):
            for i in range(x.shape[0]):
                for j in range(x.shape[1]):
                    out[i, j] = x[i, j] + y[i, j]
        """,
    )
    assert "for j in range(x.shape[1]):" in text and "a length that the array does not have" in text


def test_a_division_by_zero_asks_for_the_divisor(tmp_path, capsys):
    text = checked(
        tmp_path,
        "softmax",
        """
        @kernel("softmax", device="cpu")
        @njit
        def softmax(x, out):
            top = x[0, 0]
            for n in range(x.shape[0]):
                for c in range(x.shape[1]):
                    top = max(top, x[n, c])
                total = np.float32(0)
                for c in range(x.shape[1]):
                    out[n, c] = math.exp(x[n, c] - top)
                    total += out[n, c]
                for c in range(x.shape[1]):
                    out[n, c] /= total
        """,
    )
    assert "ZeroDivisionError" in text and "what is divided by" in text
