"""RoPE as config.json asks for it: the formulas, both layouts, and what is refused by name."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llaisys_mini.errors import CheckpointWarning, ConfigError
from llaisys_mini.models.config import ModelConfig
from tests.models.test_config import QWEN3_0_6B, values, without


def test_plain_rope_is_the_geometric_series():
    rope = ModelConfig.from_dict(QWEN3_0_6B).rope
    assert rope.is_plain
    assert rope.attention_factor == 1.0
    assert rope.inverse_frequencies.dtype == np.float32
    assert rope.inverse_frequencies.shape == (64,)
    expected = [1_000_000.0 ** (-2 * i / 128) for i in range(64)]
    np.testing.assert_allclose(rope.inverse_frequencies, expected, rtol=1e-7)
    with pytest.raises(ValueError, match="read-only"):
        rope.inverse_frequencies[0] = 2.0


LAYOUTS = {
    "old, type": {"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4.0}},
    "old, rope_type": {"rope_theta": 5e5, "rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    "new": {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5e5}},
    "theta in the dict wins": {
        "rope_theta": 1e4,
        "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5e5},
    },
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_linear_scaling_in_every_layout(layout):
    rope = ModelConfig.from_dict(without(QWEN3_0_6B, "rope_theta") | layout).rope
    assert (rope.scaling, rope.theta, rope.is_plain, rope.attention_factor) == ("linear", 5e5, False, 1.0)
    np.testing.assert_allclose(rope.inverse_frequencies, 5e5 ** (-np.arange(64) / 64) / 4.0, rtol=1e-7)


def yarn(**settings) -> dict:
    return QWEN3_0_6B | {"rope_scaling": {"type": "yarn", "factor": 4.0, **settings}}


def test_yarn_keeps_fast_pairs_and_stretches_slow_ones():
    rope = ModelConfig.from_dict(yarn(original_max_position_embeddings=32768)).rope
    plain = ModelConfig.from_dict(QWEN3_0_6B).rope.inverse_frequencies
    assert rope.scaling == "yarn"
    assert rope.inverse_frequencies[0] == plain[0]
    np.testing.assert_allclose(rope.inverse_frequencies[-1], plain[-1] / 4, rtol=1e-6)
    ratio = plain / rope.inverse_frequencies
    assert np.all(np.diff(ratio) >= -1e-6)
    assert rope.attention_factor == pytest.approx(0.1 * math.log(4) + 1)


def test_yarn_attention_factor_can_be_given_or_follow_from_mscale():
    assert ModelConfig.from_dict(yarn(attention_factor=1.25)).rope.attention_factor == 1.25
    both = ModelConfig.from_dict(yarn(mscale=0.7, mscale_all_dim=1.0)).rope.attention_factor
    assert both == pytest.approx((0.07 * math.log(4) + 1) / (0.1 * math.log(4) + 1))


def test_yarn_factor_may_follow_from_the_two_lengths():
    implied = yarn(factor=None, original_max_position_embeddings=10240)
    given = yarn(factor=4.0, original_max_position_embeddings=10240)
    np.testing.assert_array_equal(
        ModelConfig.from_dict(implied).rope.inverse_frequencies, ModelConfig.from_dict(given).rope.inverse_frequencies
    )


LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4}


def test_llama3_keeps_fast_pairs_and_stretches_slow_ones():
    raw = QWEN3_0_6B | {"rope_scaling": LLAMA3 | {"original_max_position_embeddings": 8192}}
    rope = ModelConfig.from_dict(raw).rope
    plain = ModelConfig.from_dict(QWEN3_0_6B).rope.inverse_frequencies
    assert rope.inverse_frequencies[0] == plain[0]
    np.testing.assert_allclose(rope.inverse_frequencies[-1], plain[-1] / 8, rtol=1e-6)
    assert rope.attention_factor == 1.0


def test_within_the_context_dynamic_scaling_changes_nothing():
    config = ModelConfig.from_dict(QWEN3_0_6B | {"rope_scaling": {"type": "dynamic", "factor": 4.0}})
    assert config.rope.is_plain
    assert config.max_positions == 40960


@pytest.mark.parametrize(
    ("raw", "positions"),
    [
        (yarn(original_max_position_embeddings=32768), 131072),  # as Qwen tells to write it
        (yarn(original_max_position_embeddings=32768) | {"max_position_embeddings": 131072}, 131072),
        (yarn(original_max_position_embeddings=4096), 40960),  # never shorter than the file says
        (yarn(), 40960),
        (yarn(original_max_position_embeddings=32768, factor=1e300), 2**31 - 1),
    ],
)
def test_yarn_stretches_the_context(raw, positions):
    assert ModelConfig.from_dict(raw).max_positions == positions


def test_settings_that_a_rope_type_does_not_have_are_named_and_ignored():
    """`attn_factor` as DeepSeek-R1-0528-Qwen3-8B was published; transformers passes over it too."""
    settings = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    raw = QWEN3_0_6B | {"max_position_embeddings": 131072, "rope_scaling": settings}
    plain = ModelConfig.from_dict(raw).rope
    with pytest.warns(CheckpointWarning, match=r"config\.json: `rope_scaling`: `attn_factor` is no setting"):
        rope = ModelConfig.from_dict(raw | {"rope_scaling": settings | {"attn_factor": 0.8782488562869419}}).rope
    assert rope.attention_factor == plain.attention_factor
    np.testing.assert_array_equal(rope.inverse_frequencies, plain.inverse_frequencies)


@pytest.mark.parametrize(
    ("rope_scaling", "key"),
    [
        ({"type": "dynamic"}, "factor"),
        ({"rope_type": "longrope"}, "rope_type"),
        ({"rope_type": "proportional", "factor": 2.0}, "rope_type"),
        ({"rope_type": "llama3", "factor": 8.0}, "low_freq_factor"),
        ({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4, "high_freq_factor": 1}, "high_freq_factor"),
        ({"type": "linear"}, "factor"),
        ({"type": "linear", "factor": "4"}, "factor"),
        ({"type": "linear", "factor": 0.5}, "factor"),
        ({"type": "yarn"}, "factor"),
        ({"type": "yarn", "factor": 4.0, "beta_fast": 1, "beta_slow": 32}, "beta_fast"),
        ({"type": "yarn", "factor": 4.0, "truncate": 1}, "truncate"),
        ({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 0}, "original_max_position_embeddings"),
        ({"type": "yarn", "factor": 4.0, "attention_factor": float("nan")}, "attention_factor"),
        ({"type": "linear", "factor": 2.0, "short_factor": [1.0]}, "short_factor"),
        ({"type": "default", "mrope_section": [16, 24, 24]}, "mrope_section"),
        ({"type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ({"full_attention": {"rope_type": "default"}}, "rope_scaling"),
        ("yarn", "rope_scaling"),
        ({"type": ["yarn"]}, "rope_type"),
    ],
)
def test_rope_settings_that_are_not_supported_are_named(rope_scaling, key):
    with pytest.raises(ConfigError, match=f"`{key}`"):
        ModelConfig.from_dict(QWEN3_0_6B | {"rope_scaling": rope_scaling})


@pytest.mark.filterwarnings("ignore::llaisys_mini.errors.CheckpointWarning")
@settings(max_examples=200, deadline=None)
@given(
    key=st.sampled_from(["type", "factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor",
                         "original_max_position_embeddings", "truncate", "rope_theta"]),
    value=values,
)  # fmt: skip
def test_any_yarn_setting_is_accepted_or_refused_in_plain_words(key, value):
    try:
        rope = ModelConfig.from_dict(yarn(**{key: value})).rope
    except ConfigError:
        return
    assert np.all(np.isfinite(rope.inverse_frequencies))
    assert np.isfinite(rope.attention_factor)
