"""What a weight of whole numbers, zero points and scales is kept as, and that no digit is lost on the way."""

import numpy as np
import pytest

from llaisys_mini.operators.linear_int4 import unpacked
from llaisys_mini.operators.linear_int8 import dequantised
from llaisys_mini.weights.published.grouped import Grouped


@pytest.mark.parametrize("zero", [(0, 1), (0, 256), (100, 156), (255, 256), (-128, 128)])
@pytest.mark.parametrize(
    ("kind", "span"),
    [
        (np.uint8, (0, 2)),
        (np.uint8, (0, 16)),
        (np.uint8, (100, 256)),
        (np.uint8, (0, 256)),
        (np.int8, (-8, 8)),
        (np.int8, (120, 128)),
        (np.int8, (-128, 0)),
        (np.int8, (-128, 128)),
    ],
)
def test_every_number_is_a_field_minus_its_zero_point(kind, zero, span):
    rng = np.random.default_rng(0)
    fields, zeros = rng.integers(*span, size=(6, 64)).astype(kind), rng.integers(*zero, size=(6, 4))
    scales = rng.uniform(0.5, 2, size=(6, 4)).astype(np.float16)
    expected = fields.astype(int) - np.repeat(zeros, 16, axis=1)
    np.testing.assert_array_equal(Grouped.of(fields, zeros, scales).numbers, expected)
    group_of = rng.permutation(np.arange(64) % 4)
    expected = fields.astype(int) - zeros[:, group_of]
    np.testing.assert_array_equal(Grouped.of(fields, zeros, scales, group_of).numbers, expected)


@pytest.mark.parametrize(
    ("lowest", "highest", "groups", "kept"),
    [
        (-8, 7, 6, "uint8"),
        (-8, 7, 3, "uint8"),  # groups of 64
        (-8, 7, 1, "uint8"),
        (-9, 7, 3, "int8"),
        (-8, 8, 3, "int8"),
        (-8, 7, 12, "int8"),  # groups of 16
        (-8, 7, 4, "int8"),  # groups of 48
        (-128, 127, 3, "int8"),
        (-129, 127, 3, None),
        (-128, 128, 3, None),
    ],
)
def test_the_range_of_the_numbers_decides(lowest, highest, groups, kept):
    rng = np.random.default_rng(0)
    numbers = rng.integers(lowest, highest + 1, size=(5, 192)).astype(np.int16)
    numbers[0, :2] = lowest, highest
    scales = rng.uniform(0.5, 2, size=(5, groups)).astype(np.float16)
    weight = Grouped(numbers, scales)
    real = dequantised(numbers.astype(float), scales.astype(float))
    np.testing.assert_array_equal(weight.floats(np.dtype(np.float32)), real.astype(np.float32))
    whole = weight.whole()
    if kept is None:
        assert whole is None
        return
    stored, of_groups = whole
    assert stored.dtype == kept
    integers = unpacked(stored.astype(int)) if kept == "uint8" else stored
    np.testing.assert_array_equal(dequantised(integers.astype(float), of_groups.astype(float)), real)


def test_groups_that_are_not_neighbours_become_floats():
    group_of = np.array([0, 1] * 32)
    numbers, scales = np.ones((2, 64), np.int8), np.array([[1, 2], [3, 4]], np.float16)
    weight = Grouped(numbers, scales, group_of)
    assert weight.whole() is None
    np.testing.assert_array_equal(weight.floats(np.dtype(np.float16))[1, :4], [3, 4, 3, 4])
