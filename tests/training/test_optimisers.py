"""AdamW, Muon, clipping and the learning rate, against what their formulas promise."""

import numpy as np
import pytest

from llaisys_mini.errors import TrainingError
from llaisys_mini.training.optimisers import AdamW, Muon, clip, orthogonalised
from llaisys_mini.training.recipe import Recipe


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def test_clipping_keeps_the_direction_and_short_gradients():
    gradients = {"a": drawn(3, 4), "b": drawn(5)}
    before = {name: array.copy() for name, array in gradients.items()}
    length = clip(gradients, 0.5)
    assert length == pytest.approx(np.sqrt(sum((g**2).sum() for g in before.values())), rel=1e-6)
    for name in before:
        np.testing.assert_allclose(gradients[name], before[name] * 0.5 / length, rtol=1e-6)
    short = {name: array.copy() for name, array in gradients.items()}
    assert clip(gradients, 0.6) == pytest.approx(0.5, rel=1e-6)
    assert all(np.array_equal(gradients[name], short[name]) for name in short)


def test_adamw_is_its_formula():
    weight = drawn(4, 3)
    weights = {"w": weight.copy()}
    optimiser = AdamW(weights, weights, decay=0.1)
    expected, m, v = weight.astype(float), 0.0, 0.0
    for number in range(1, 6):
        gradient = drawn(4, 3, seed=number)
        optimiser.step({"w": gradient}, 0.01, number)
        m, v = 0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient.astype(float) ** 2
        step = (m / (1 - 0.9**number)) / (np.sqrt(v / (1 - 0.95**number)) + 1e-8)
        expected = expected - 0.01 * 0.1 * expected - 0.01 * step
    np.testing.assert_allclose(weights["w"], expected, rtol=1e-5, atol=1e-7)


def test_norms_do_not_decay():
    weights = {"norm": np.ones(4, np.float32), "matrix": np.ones((4, 4), np.float32)}
    optimiser = AdamW(weights, weights, decay=0.5)
    optimiser.step({name: np.zeros_like(array) for name, array in weights.items()}, 0.1, 1)
    assert weights["norm"].tolist() == [1] * 4
    np.testing.assert_allclose(weights["matrix"], 0.95, rtol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (6, 20), (20, 6)])
def test_orthogonalised_brings_all_singular_values_near_one(shape):
    matrix = drawn(*shape)
    left, _, right = np.linalg.svd(matrix.astype(float), full_matrices=False)
    found = orthogonalised(matrix)
    assert found.shape == shape
    in_its_own_directions = left.T @ found @ right.T
    assert np.abs(in_its_own_directions - np.diag(np.diag(in_its_own_directions))).max() < 1e-4
    reached = np.diag(in_its_own_directions)
    assert reached.min() > 0.6 and reached.max() < 1.3


def test_muon_follows_its_momentum():
    weights = {"w": np.zeros((12, 4), np.float32)}
    optimiser = Muon(weights, weights, decay=0.0)
    gradient = drawn(12, 4)
    optimiser.step({"w": gradient}, 0.1, 1)
    np.testing.assert_allclose(weights["w"], -0.1 * np.sqrt(3) * orthogonalised(gradient), rtol=1e-4, atol=1e-6)


def test_the_learning_rate_rises_then_falls_to_nearly_zero():
    paces = [Recipe(steps=100, warm_up=10).pace(step) for step in range(100)]
    assert paces[0] == pytest.approx(0.1) and max(paces) == paces[9] == 1
    assert np.all(np.diff(paces[:10]) > 0) and np.all(np.diff(paces[10:]) < 0)
    assert 0 < paces[-1] < 0.02


def test_a_recipe_that_cannot_be_is_refused():
    with pytest.raises(TrainingError, match="3 equal groups"):
        Recipe(parts=3)
    with pytest.raises(TrainingError, match="no optimiser 'sgd'"):
        Recipe(optimiser="sgd")
