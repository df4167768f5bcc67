"""The methods against their definitions: errors in float64, what is refused, inputs that are always 0."""

import numpy as np
import pytest

from llaisys_mini.errors import ConfigError
from llaisys_mini.quantisation import awq, grid, kv, pruning
from llaisys_mini.quantisation.gptq import gptq, inverse_factor, spread
from llaisys_mini.quantisation.smooth import smooth


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def alike(rng, rows, width):
    """Inputs that resemble each other, of different sizes."""
    return (rng.normal(size=(rows, width)) + rng.normal(size=(rows, 1))) * np.exp(rng.normal(size=width))


def test_groups_that_do_not_divide_are_refused_with_their_numbers():
    with pytest.raises(ConfigError, match="rows of 10 weights cannot be cut into groups of 4: 2 would be left"):
        grid.as_groups(np.zeros((3, 10)), 4)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_plain_rounding_moves_no_weight_by_more_than_half_a_scale(rng, bits):
    groups = rng.normal(size=(30, 32))
    scales = grid.plain_scales(groups, bits)
    moved = np.abs(scales[:, None] * grid.numbers(groups, scales, bits) - groups).max(axis=1)
    assert (moved <= scales / 2 + 1e-12).all()


def test_the_best_scale_is_the_best_of_all_shares(rng):
    groups = rng.normal(size=(25, 32))
    found = grid.squared_errors(groups, grid.best_scales(groups, 3), 3)
    of_shares = [grid.squared_errors(groups, grid.plain_scales(groups, 3) * share, 3) for share in grid.SHARES]
    np.testing.assert_allclose(found, np.min(of_shares, axis=0))
    assert found.sum() < 0.8 * of_shares[0].sum()


def test_asymmetric_rounding_keeps_zero_and_uses_the_whole_range(rng):
    groups = np.abs(rng.normal(size=(8, 64)))
    groups[:, 3] = 0
    back = grid.rounded_asymmetric(groups, 3)
    assert (back[:, 3] == 0).all()
    assert np.abs(back - groups).max() < 0.6 * groups.max() / 7
    np.testing.assert_array_equal(grid.rounded_asymmetric(np.zeros((2, 4)), 4), np.zeros((2, 4)))


# ---- GPTQ --------------------------------------------------------------------------------------------------------


def test_the_factor_is_that_of_the_inverse(rng):
    x = alike(rng, 60, 12)
    factor = inverse_factor(x.T @ x, damping=1e-12)
    np.testing.assert_allclose(factor, np.triu(factor))
    np.testing.assert_allclose(factor.T @ factor, np.linalg.inv(x.T @ x), rtol=1e-6, atol=1e-9)


def test_spreading_is_the_best_change_of_the_later_columns(rng):
    """Against least squares: with column 0 held at another value, the others are free."""
    x, weight = alike(rng, 60, 6), rng.normal(size=(4, 6))
    changed, rounded = weight.copy(), weight[:, 0] + 0.3
    spread(changed, rounded, inverse_factor(x.T @ x, damping=1e-13), 0, 6)
    wanted = x @ weight.T - np.outer(x[:, 0], rounded)
    best = np.linalg.lstsq(x[:, 1:], wanted, rcond=None)[0].T
    np.testing.assert_allclose(changed[:, 1:], best, atol=1e-6)


def scales_of(group):
    return grid.best_scales(group, 3)


def test_gptq_loses_less_in_the_outputs_than_rounding_to_the_nearest(rng):
    x, weight = alike(rng, 400, 96), rng.normal(size=(20, 96))
    gram = x.T @ x
    numbers, scales = gptq(weight, gram, 3, 32, scales_of)
    assert numbers.min() >= -4 and numbers.max() <= 3
    back = numbers * np.repeat(scales, 32, axis=1)
    nearest = grid.rounded(weight, 3, 32, best=True)
    assert awq.output_error(weight, back, gram) < 0.5 * awq.output_error(weight, nearest, gram)


def test_gptq_in_blocks_is_gptq_column_by_column(rng, monkeypatch):
    x, weight = alike(rng, 400, 96), rng.normal(size=(7, 96))
    whole = gptq(weight, x.T @ x, 3, 16, scales_of)
    monkeypatch.setattr("llaisys_mini.quantisation.gptq._BLOCK", 16)
    for one, other in zip(whole, gptq(weight, x.T @ x, 3, 16, scales_of), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_inputs_that_are_always_0_are_rounded_plainly(rng):
    x, weight = alike(rng, 200, 32), rng.normal(size=(6, 32))
    x[:, [0, 9]] = 0
    numbers, scales = gptq(weight, x.T @ x, 4, 32, lambda group: grid.plain_scales(group, 4))
    np.testing.assert_array_equal(numbers[:, 0], np.rint(weight[:, 0] / scales[:, 0]))
    assert np.isfinite(scales).all() and numbers[:, 9].any()


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_too_few_inputs_are_survived(rng, rows):
    """With no row at all, every column is rounded plainly."""
    x, weight = alike(rng, rows, 32), rng.normal(size=(6, 32))
    numbers, scales = gptq(weight, x.T @ x, 4, 32, lambda group: grid.plain_scales(group, 4), damping=0.0)
    assert np.isfinite(scales).all()
    if rows == 0:
        np.testing.assert_array_equal(numbers, grid.numbers(weight, scales[:, 0], 4))


# ---- the others --------------------------------------------------------------------------------------------------


def test_the_error_of_the_outputs_from_the_gram_matrix(rng):
    x, weight, other = rng.normal(size=(50, 8)), rng.normal(size=(5, 8)), rng.normal(size=(5, 8))
    expected = np.square(x @ (weight - other).T).sum()
    assert awq.output_error(weight, other, x.T @ x) == pytest.approx(expected)


def test_awq_is_never_worse_than_nothing_and_helps_large_inputs(rng):
    x, weight = rng.normal(size=(300, 64)), rng.normal(size=(16, 64))
    x[:, [3, 40]] *= 30
    gram = x.T @ x

    def error(s):
        return awq.output_error(weight, grid.rounded(weight * s, 3, 32) / s, gram)

    s = awq.awq_scale(weight, gram, np.abs(x).mean(axis=0), lambda w: grid.rounded(w, 3, 32))
    assert s[[3, 40]].min() > 2 * np.delete(s, [3, 40]).max()
    assert error(s) < 0.5 * error(np.ones(64))
    np.testing.assert_array_equal(awq.candidates(np.zeros(4))[5], np.ones(4))


def test_smoothing_makes_inputs_and_columns_equally_large_at_one_half(rng):
    largest, weight = np.exp(rng.normal(size=20)), rng.normal(size=(6, 20))
    largest[4], weight[:, 7] = 0, 0
    s = smooth(largest, weight, 0.5)
    used = np.delete(np.arange(20), [4, 7])
    np.testing.assert_allclose((largest / s)[used], np.abs(weight * s).max(axis=0)[used])
    assert s[4] == s[7] == 1


def test_keys_by_channel_do_not_mind_a_large_channel(rng):
    keys = rng.normal(size=(40, 8))
    keys[:, 2] += 50
    others = np.delete(np.arange(8), 2)
    by_channel, by_position = kv.by_channel(keys, 3, 16), kv.by_position(keys, 3)
    assert np.abs(by_channel - keys)[:, others].max() < 0.5
    assert np.abs(by_position - keys)[:, others].max() > 1
    np.testing.assert_array_equal(by_channel[32:], keys[32:])


def test_two_of_four_are_kept(rng):
    x, weight = alike(rng, 300, 32), rng.normal(size=(10, 32))
    gram = x.T @ x
    by_size, by_gpt = pruning.pruned_by_size(weight), pruning.pruned_by_sparsegpt(weight, gram)
    for pruned in (by_size, by_gpt):
        assert ((pruned.reshape(-1, 4) == 0).sum(axis=1) == 2).all()
    np.testing.assert_array_equal(by_size[by_size != 0], weight[by_size != 0])
    assert awq.output_error(weight, by_gpt, gram) < 0.5 * awq.output_error(weight, by_size, gram)


def test_low_rank_is_of_that_rank_and_exact_at_full_rank(rng):
    weight = rng.normal(size=(9, 6))
    assert np.linalg.matrix_rank(pruning.low_rank(weight, 2)) == 2
    np.testing.assert_allclose(pruning.low_rank(weight, 6), weight, atol=1e-12)
