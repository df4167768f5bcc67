"""Choosing the next token: each rule on numbers small enough to check by hand, and the whole by its statistics."""

from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llaisys_mini.errors import GenerationError
from llaisys_mini.text import sampling
from llaisys_mini.text.sampling import Sampler, SamplingParams


def logits_of(*probabilities: float) -> np.ndarray:
    return np.log(np.array(probabilities)).astype(np.float32)


FOUR = logits_of(0.5, 0.3, 0.15, 0.05)


def test_greedy_takes_the_likeliest_and_of_equals_the_first():
    assert Sampler()(np.array([1.0, 3.0, 2.0], np.float32)) == 1
    assert Sampler()(np.array([1.0, 3.0, 3.0, 3.0], np.float32)) == 1
    np.testing.assert_array_equal(Sampler().probabilities(np.array([0, 2, 2], np.float32)), [0, 1, 0])
    assert Sampler().is_greedy
    assert not Sampler(temperature=0.1).is_greedy


def test_the_answer_is_a_plain_int():
    assert type(Sampler()(FOUR)) is int
    assert type(Sampler(temperature=1.0)(FOUR)) is int


def test_temperature_one_is_the_softmax():
    np.testing.assert_allclose(Sampler(temperature=1.0).probabilities(FOUR), [0.5, 0.3, 0.15, 0.05], rtol=1e-6)


def test_low_temperature_sharpens_and_high_flattens():
    cold = Sampler(temperature=0.5).probabilities(FOUR)
    squares = np.array([0.25, 0.09, 0.0225, 0.0025])
    np.testing.assert_allclose(cold, squares / squares.sum(), rtol=1e-6)
    assert np.ptp(Sampler(temperature=100.0).probabilities(FOUR)) < 0.01


def test_a_tiny_temperature_does_not_overflow():
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        np.testing.assert_array_equal(Sampler(temperature=1e-300).probabilities(FOUR), [1, 0, 0, 0])


def test_top_k_keeps_k_and_what_ties_with_the_last():
    np.testing.assert_allclose(Sampler(temperature=1.0, top_k=2).probabilities(FOUR), [0.625, 0.375, 0, 0], rtol=1e-6)
    tied = np.array([2.0, 1.0, 1.0, 0.0], np.float32)
    assert np.count_nonzero(Sampler(temperature=1.0, top_k=2).probabilities(tied)) == 3
    assert np.count_nonzero(Sampler(temperature=1.0, top_k=100).probabilities(tied)) == 4


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.01, 1), (0.49, 1), (0.51, 2), (0.79, 2), (0.81, 3), (0.96, 4), (1.0, 4)]
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p, kept):
    distribution = Sampler(temperature=1.0, top_p=top_p).probabilities(FOUR)
    assert np.count_nonzero(distribution) == kept
    assert distribution.sum() == pytest.approx(1.0)


def test_top_p_counts_after_top_k():
    # Of the two kept by top_k the first has 0.625, so 0.6 is reached with it alone; of all four it has only 0.5.
    assert np.count_nonzero(Sampler(temperature=1.0, top_k=2, top_p=0.6).probabilities(FOUR)) == 1
    assert np.count_nonzero(Sampler(temperature=1.0, top_p=0.6).probabilities(FOUR)) == 2


def test_min_p_is_relative_to_the_likeliest():
    assert np.count_nonzero(Sampler(temperature=1.0, min_p=0.29).probabilities(FOUR)) == 3
    assert np.count_nonzero(Sampler(temperature=1.0, min_p=0.31).probabilities(FOUR)) == 2
    assert np.count_nonzero(Sampler(temperature=1.0, min_p=1.0).probabilities(FOUR)) == 1


def test_repetition_penalty_divides_positive_and_multiplies_negative_logits_once():
    logits = np.array([2.0, -2.0, 1.0], np.float32)
    before = logits.copy()
    distribution = Sampler(temperature=1.0, repetition_penalty=2.0).probabilities(logits, [0, 1, 1, 0])
    expected = np.exp([1.0, -4.0, 1.0])
    np.testing.assert_allclose(distribution, expected / expected.sum(), rtol=1e-6)
    np.testing.assert_array_equal(logits, before)


def test_repetition_penalty_also_acts_on_greedy_choices():
    logits = np.array([2.0, 1.5], np.float32)
    assert Sampler(repetition_penalty=1.5)(logits, [0]) == 1
    assert Sampler(repetition_penalty=1.5)(logits, []) == 0


def test_ids_outside_the_logits_are_not_penalised():
    assert Sampler(repetition_penalty=1.5)(FOUR, [-1, 4, 151_935]) == 0


def test_draws_follow_the_distribution():
    sampler = Sampler(temperature=1.0, seed=0)
    counts = np.bincount([sampler(FOUR) for _ in range(4000)], minlength=4)
    expected = 4000 * np.array([0.5, 0.3, 0.15, 0.05])
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 16.3  # 3 degrees of freedom, p = 0.001


def test_a_seed_fixes_the_choices():
    logits = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    first, again, other = (
        [sampler(logits) for _ in range(20)] for sampler in (Sampler(temperature=1.0, seed=seed) for seed in (7, 7, 8))
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize(
    ("logits", "says"),
    [
        ([1.0, np.nan], "NaN"),
        ([-np.inf, -np.inf], "-inf"),
        ([1.0, np.inf], r"\+inf"),
        ([[1.0]], "shape"),
        ([], "shape"),
    ],
)
def test_impossible_logits_are_refused(temperature, logits, says):
    for act in (Sampler(temperature=temperature), Sampler(temperature=temperature).probabilities):
        with pytest.raises(GenerationError, match=says):
            act(np.array(logits, np.float32))


def test_minus_infinity_strikes_a_token_out():
    logits = np.array([-np.inf, 0.0, -np.inf], np.float32)
    assert Sampler()(logits) == 1
    np.testing.assert_array_equal(
        Sampler(temperature=1.0, top_p=0.9, min_p=0.1, top_k=2).probabilities(logits), [0, 1, 0]
    )


@pytest.mark.parametrize(
    ("setting", "value", "allowed"),
    [
        ("temperature", -0.1, "at least 0"),
        ("temperature", float("nan"), "at least 0"),
        ("temperature", float("inf"), "at least 0"),
        ("temperature", "warm", "a number"),
        ("temperature", True, "a number"),
        ("top_k", -1, "at least 0"),
        ("top_k", 2.0, "an integer"),
        ("top_p", 0.0, "above 0 and at most 1"),
        ("top_p", 1.1, "above 0 and at most 1"),
        ("min_p", -0.1, "at least 0 and at most 1"),
        ("min_p", 1.5, "at least 0 and at most 1"),
        ("repetition_penalty", 0.0, "above 0"),
        ("seed", -1, "at least 0"),
        ("seed", "dice", "an integer"),
    ],
)
def test_values_out_of_range_are_refused_with_the_range(setting, value, allowed):
    with pytest.raises(GenerationError, match=f"^{setting} is .*{allowed}"):
        Sampler(**{setting: value})


def test_what_a_model_asks_for_and_what_is_given():
    config = SimpleNamespace(
        generation={"do_sample": True, "temperature": 0.6, "top_k": 20, "min_p": 0.1}, stop_ids=frozenset({3, 5})
    )
    own = SamplingParams.of_model(config)
    assert own == SamplingParams(temperature=0.6, top_k=20, min_p=0.1, stop_ids=frozenset({3, 5}))
    given = SamplingParams.of_model(config, temperature=0, top_k=None, seed=np.int64(9), stop_ids=[1])
    assert given == SamplingParams(top_k=20, min_p=0.1, seed=9, stop_ids=frozenset({1}))
    assert given.is_greedy
    assert type(given.seed) is int


@pytest.mark.parametrize(
    ("generation", "temperature"),
    [
        ({}, 0.0),
        ({"temperature": 0.6}, 0.0),
        ({"do_sample": False, "temperature": 0.6}, 0.0),
        ({"do_sample": True}, 1.0),
        ({"do_sample": True, "temperature": 0.6}, 0.6),
    ],
)
def test_a_model_is_greedy_unless_it_asks_for_sampling(generation, temperature):
    config = SimpleNamespace(generation=generation, stop_ids=frozenset())
    assert SamplingParams.of_model(config).temperature == temperature
    assert SamplingParams.of_model(config, temperature=0.3).temperature == 0.3


def test_sampling_values_do_not_change_under_a_text():
    with pytest.raises(FrozenInstanceError):
        SamplingParams().temperature = 1.0
    with pytest.raises(GenerationError, match=r"^top_k is 2\.5, but must be an integer"):
        SamplingParams(top_k=2.5)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 60),
    levels=st.integers(1, 60),
    temperature=st.floats(0.05, 5.0),
    top_k=st.integers(0, 70),
    top_p=st.floats(0.01, 1.0),
    min_p=st.floats(0.0, 1.0),
)
def test_the_distribution_is_one_and_every_draw_is_possible(seed, size, levels, temperature, top_k, top_p, min_p):
    rng = np.random.default_rng(seed)
    logits = rng.integers(-levels, levels, size).astype(np.float32)  # few levels: many ties
    rule = dict(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    sampler = Sampler(**rule, repetition_penalty=1.2, seed=seed)
    previous = rng.integers(0, size, 5).tolist()
    distribution = sampler.probabilities(logits, previous)
    assert distribution.shape == (size,)
    assert distribution.sum() == pytest.approx(1.0)
    assert all(distribution[sampler(logits, previous)] > 0 for _ in range(5))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(1, 300), top_p=st.floats(0.01, 0.999))
def test_picking_out_the_largest_equals_sorting_all(seed, levels, top_p):
    weights = np.random.default_rng(seed).integers(1, levels + 1, 300).astype(np.float64)
    order = np.argsort(-weights, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    expected = np.sort(order[before < top_p * weights.sum()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_FIRST_GUESS", 4)
        np.testing.assert_array_equal(sampling._nucleus(weights, top_p), expected)
