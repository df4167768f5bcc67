"""config.json: what the four supported kinds of checkpoint say, and that everything else is refused by name."""

import json
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llaisys_mini import models
from llaisys_mini.errors import CheckpointWarning, ConfigError
from llaisys_mini.models import known_keys
from llaisys_mini.models.config import ModelConfig
from tests.models import published

# The keys below are those of the published configs that the decoder depends on.
QWEN2_5_0_5B = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "hidden_act": "silu",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "max_position_embeddings": 32768,
    "max_window_layers": 21,
    "model_type": "qwen2",
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 32768,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "use_sliding_window": False,
    "use_mrope": False,
    "vocab_size": 151936,
}
QWEN3_0_6B = published.QWEN3_0_6B.config
DEEPSEEK_DISTILL_1_5B = QWEN2_5_0_5B | {
    "hidden_size": 1536,
    "num_attention_heads": 12,
    "num_hidden_layers": 28,
    "eos_token_id": 151643,
    "max_position_embeddings": 131072,
    "rope_theta": 10000,
    "sliding_window": 4096,
    "tie_word_embeddings": False,
}


def without(raw: dict, *keys: str) -> dict:
    return {key: value for key, value in raw.items() if key not in keys}


def test_qwen2_5():
    config = ModelConfig.from_dict(QWEN2_5_0_5B)
    assert (config.family, config.layers, config.hidden_size, config.intermediate_size) == ("qwen2", 24, 896, 4864)
    assert (config.heads, config.kv_heads, config.head_dim) == (14, 2, 64)
    assert (config.qkv_bias, config.output_bias, config.qk_norm, config.tied_embeddings) == (True, False, False, True)
    assert config.rms_norm_eps == 1e-6
    assert config.max_positions == 32768
    assert config.windows == (None,) * 24, "sliding_window counts only with use_sliding_window"
    assert config.stop_ids == {151645}
    assert (config.bos_id, config.pad_id) == (151643, None)
    assert config.generation == {}


def test_qwen3():
    config = ModelConfig.from_dict(QWEN3_0_6B)
    assert (config.family, config.heads, config.kv_heads, config.head_dim) == ("qwen3", 16, 8, 128)
    assert (config.qkv_bias, config.output_bias, config.qk_norm) == (False, False, True)


def test_deepseek_distill_is_a_qwen2_with_its_own_head():
    config = ModelConfig.from_dict(DEEPSEEK_DISTILL_1_5B)
    assert (config.family, config.head_dim, config.tied_embeddings) == ("qwen2", 128, False)
    assert config.rope.theta == 10000.0


def test_qwen3_bias_is_on_all_four_projections():
    config = ModelConfig.from_dict(QWEN3_0_6B | {"attention_bias": True})
    assert (config.qkv_bias, config.output_bias) == (True, True)


def test_default_head_dim_differs_between_families():
    assert ModelConfig.from_dict(without(QWEN3_0_6B, "head_dim")).head_dim == 128
    assert ModelConfig.from_dict(QWEN2_5_0_5B | {"head_dim": 32}).head_dim == 32


def test_null_key_value_heads_means_as_many_as_query_heads():
    assert ModelConfig.from_dict(QWEN2_5_0_5B | {"num_key_value_heads": None}).kv_heads == 14


# ---- generation_config.json ----------------------------------------------------------------------------------


def test_generation_config_wins_for_stop_ids_and_gives_defaults():
    generation = {
        "bos_token_id": 151643,
        "eos_token_id": [151645, 151643],
        "do_sample": True,
        "temperature": 0.6,
        "top_k": 20,
        "top_p": 0.95,
        "repetition_penalty": None,
        "transformers_version": "4.51.0",
    }
    config = ModelConfig.from_dict(QWEN3_0_6B, generation)
    assert config.stop_ids == {151645, 151643}
    assert config.generation == {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95}


def test_settings_of_generation_that_are_not_supported_are_named():
    harmless = {"num_beams": 1, "no_repeat_ngram_size": 0, "suppress_tokens": None, "typical_p": 1.0, "max_length": 9}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ModelConfig.from_dict(QWEN3_0_6B, harmless)
    with pytest.warns(CheckpointWarning, match=r"generation_config\.json: `num_beams` is 4, which is not supported"):
        ModelConfig.from_dict(QWEN3_0_6B, harmless | {"num_beams": 4})


def test_stop_ids_may_be_absent_everywhere():
    assert ModelConfig.from_dict(without(QWEN3_0_6B, "eos_token_id"), {"temperature": 1}).stop_ids == frozenset()


@pytest.mark.parametrize(
    "generation",
    [
        {"temperature": "hot"},
        {"top_k": 1.5},
        {"top_p": -0.1},
        {"do_sample": 1},
        {"eos_token_id": "end"},
        {"top_k": True},
    ],
)
def test_ill_typed_generation_defaults_are_refused(generation):
    (key,) = generation
    with pytest.raises(ConfigError, match=rf"generation_config\.json: `{key}`"):
        ModelConfig.from_dict(QWEN3_0_6B, generation)


# ---- sliding windows -----------------------------------------------------------------------------------------

SLIDING = {"use_sliding_window": True, "sliding_window": 512, "num_hidden_layers": 4}


def test_layers_from_max_window_layers_on_slide():
    config = ModelConfig.from_dict(QWEN2_5_0_5B | SLIDING | {"max_window_layers": 3})
    assert config.windows == (None, None, None, 512)


def test_layer_types_win_over_max_window_layers():
    kinds = ["sliding_attention", "full_attention"] * 2
    config = ModelConfig.from_dict(QWEN2_5_0_5B | SLIDING | {"layer_types": kinds})
    assert config.windows == (512, None, 512, None)


def test_a_window_of_null_is_none():
    assert ModelConfig.from_dict(QWEN2_5_0_5B | SLIDING | {"sliding_window": None}).windows == (None,) * 4
    with pytest.raises(ConfigError, match="`sliding_window` is missing"):
        ModelConfig.from_dict(without(QWEN2_5_0_5B | SLIDING, "sliding_window"))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"sliding_window": None, "layer_types": ["sliding_attention"] * 4}, "layer_types"),
        ({"sliding_window": 0}, "sliding_window"),
        ({"layer_types": ["full_attention"]}, "layer_types"),
        ({"layer_types": ["full_attention"] * 3 + ["linear_attention"]}, "layer_types"),
        ({"layer_types": ["sliding_attention"] * 4, "use_sliding_window": False}, "layer_types"),
        ({"use_sliding_window": "yes"}, "use_sliding_window"),
        ({"max_window_layers": -1}, "max_window_layers"),
    ],
)
def test_contradictory_windows_are_refused(changes, key):
    with pytest.raises(ConfigError, match=f"`{key}`"):
        ModelConfig.from_dict(QWEN2_5_0_5B | SLIDING | changes)


# ---- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({"model_type": "qwen3_moe"}, "model_type", "mixture-of-experts"),
        ({"model_type": "qwen2_moe"}, "model_type", "mixture-of-experts"),
        ({"model_type": "qwen2_5_vl"}, "model_type", "text-only"),
        ({"model_type": "llama"}, "model_type", '"llama"'),
        ({"model_type": None}, "model_type", "missing"),
        ({"model_type": ["qwen3"]}, "model_type", "qwen2"),
        ({"num_experts": 128}, "num_experts", "mixture-of-experts"),
        ({"vision_config": {"depth": 32}}, "vision_config", "text-only"),
        ({"quantization_config": {"quant_method": "fp8"}}, "quantization_config", "but only the `quant_method`"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor", "part of each head"),
        ({"is_causal": False}, "is_causal", "look back"),
        ({"auto_map": {"AutoModel": "modeling.Model"}}, "auto_map", "Python code"),
        ({"auto_map": {"AutoTokenizer": "t.T", "AutoModelForCausalLM": "modeling.M"}}, "auto_map", "Python code"),
        ({"auto_map": ["AutoModel"]}, "auto_map", "JSON object"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor", "only a part"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping", "scaled"),
        ({"residual_multiplier": 0.22}, "residual_multiplier", "scaled"),
        ({"use_attention_sinks": True}, "use_attention_sinks", "plain causal attention"),
        ({"add_cross_attention": True}, "add_cross_attention", "look back"),
        ({"per_layer_config": {"3": {"head_dim": 64}}}, "per_layer_config", "differ from each other"),
        ({"kv_lora_rank": 512}, "kv_lora_rank", "plain causal attention"),
        ({"hidden_act": "gelu"}, "hidden_act", '"silu"'),
        ({"hidden_act": ["silu"]}, "hidden_act", '"silu"'),
        ({"architectures": ["Qwen3ForSequenceClassification"]}, "architectures", "Qwen3ForCausalLM"),
        ({"architectures": "Qwen3ForCausalLM"}, "architectures", "Qwen3ForCausalLM"),
        ({"num_attention_heads": 12}, "num_attention_heads", "no multiple"),
        ({"head_dim": 63}, "head_dim", "even"),
        ({"hidden_size": 0}, "hidden_size", "from 1"),
        ({"hidden_size": "1024"}, "hidden_size", "integer"),
        ({"hidden_size": 1024.0}, "hidden_size", "integer"),
        ({"num_hidden_layers": True}, "num_hidden_layers", "integer"),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers", "from 1 to"),
        ({"rms_norm_eps": 0}, "rms_norm_eps", "above 0"),
        ({"rms_norm_eps": float("inf")}, "rms_norm_eps", "finite"),
        ({"rope_theta": -1}, "rope_theta", "above 1"),
        ({"tie_word_embeddings": "true"}, "tie_word_embeddings", "true or false"),
        ({"eos_token_id": 1.5}, "eos_token_id", "whole numbers"),
        ({"eos_token_id": [151645, True]}, "eos_token_id", "whole numbers"),
        ({"bos_token_id": [1, 2]}, "bos_token_id", "one token id"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(changes, key, says):
    with pytest.raises(ConfigError) as refused:
        ModelConfig.from_dict(QWEN3_0_6B | changes)
    message = str(refused.value)
    assert message.startswith(f"config.json: `{key}`")
    assert says in message


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "changes",
    [
        {"pad_token_id": -1, "bos_token_id": 151936},
        {"eos_token_id": [151645, 151936, -1]},
        {"architectures": []},
        {"architectures": None},
        {"auto_map": {"AutoModelForSequenceClassification": "modeling.Classifier", "AutoTokenizer": ["t.T", None]}},
        {"auto_map": None, "quantization_config": None, "layer_types": None, "use_mrope": None, "num_experts": None},
        {"hidden_act": "swish"},
        {"partial_rotary_factor": 1.0, "embedding_multiplier": 1.0, "kv_lora_rank": None, "mlp_bias": False},
        {"num_labels": 2, "id2label": {"0": "bad"}, "temperature": 0.7, "max_length": 20, "_commit_hash": "a"},
    ],
)
def test_what_transformers_loads_is_loaded(changes):
    config, plain = (ModelConfig.from_dict(raw) for raw in (QWEN3_0_6B | changes, QWEN3_0_6B))
    for field in ("stop_ids", "windows", "heads", "max_positions", "qkv_bias", "tied_embeddings"):
        assert getattr(config, field) == getattr(plain, field)
    assert config.pad_id is None
    assert config.bos_id in (None, plain.bos_id)


def test_keys_that_nobody_knows_are_named_in_one_warning():
    """It points at the line that called the package, not at one within."""
    with pytest.warns(CheckpointWarning) as warned:
        ModelConfig.from_dict(QWEN3_0_6B | {"dual_chunk_attention_config": {"chunk_size": 4}, "magic": 3, "none": None})
    assert [str(one.message) for one in warned] == [
        "config.json: `dual_chunk_attention_config`, `magic` are not known here and ignored."
    ]
    assert warned[0].filename == __file__


def test_each_known_key_stands_in_one_place():
    assert not known_keys.READ & known_keys.WITHOUT_EFFECT
    refused = known_keys.REFUSED.keys() - {"partial_rotary_factor"}  # also read within the settings of RoPE
    assert not refused & (known_keys.READ | known_keys.WITHOUT_EFFECT)
    modules = (models.config, models.rope, models.quantisation_config)
    source = "".join(Path(module.__file__).read_text() for module in modules)
    assert all(f'"{key}"' in source for key in known_keys.READ)


@pytest.mark.parametrize(
    "key",
    [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "max_position_embeddings",
        "rms_norm_eps",
        "rope_theta",
    ],
)
def test_missing_keys_are_named(key):
    with pytest.raises(ConfigError, match=f"`{key}` is missing"):
        ModelConfig.from_dict(without(QWEN3_0_6B, key))


def test_qwen2_refuses_what_only_qwen3_can_have():
    with pytest.raises(ConfigError, match="`attention_bias`"):
        ModelConfig.from_dict(QWEN2_5_0_5B | {"attention_bias": False})
    with pytest.raises(ConfigError, match="`hidden_size` is 897"):
        ModelConfig.from_dict(QWEN2_5_0_5B | {"hidden_size": 897})


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = values | st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3)


@pytest.mark.filterwarnings("ignore::llaisys_mini.errors.CheckpointWarning")
@settings(max_examples=300, deadline=None)
@given(key=st.sampled_from([*QWEN3_0_6B, "layer_types", "rope_parameters", "num_experts"]), value=values)
def test_any_value_of_any_key_is_accepted_or_refused_in_plain_words(key, value):
    for raw in (QWEN3_0_6B, QWEN2_5_0_5B):
        try:
            config = ModelConfig.from_dict(raw | {key: value})
        except ConfigError as refused:
            assert str(refused).startswith("config.json: `")
        else:
            assert config.heads % config.kv_heads == 0
            assert len(config.windows) == config.layers
            assert config.rope.inverse_frequencies.shape == (config.head_dim // 2,)


# ---- files ---------------------------------------------------------------------------------------------------


def test_a_folder_is_read_with_and_without_generation_config(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(QWEN3_0_6B))
    assert ModelConfig.from_folder(tmp_path).generation == {}
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [7], "top_k": 20}))
    config = ModelConfig.from_folder(str(tmp_path))
    assert config.stop_ids == {7}
    assert config.generation == {"top_k": 20}


def test_a_missing_config_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.json does not exist"):
        ModelConfig.from_folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_broken_json_is_refused(tmp_path, name, content):
    (tmp_path / "config.json").write_text(json.dumps(QWEN3_0_6B))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{name}"):
        ModelConfig.from_folder(tmp_path)
