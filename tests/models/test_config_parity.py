"""RoPE, windows and stop ids exactly as the transformers library reads them from the same config.json."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS  # noqa: E402

from llaisys_mini.models import known_keys  # noqa: E402
from llaisys_mini.models.config import ModelConfig  # noqa: E402

BASE = {
    "vocab_size": 1000,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "eos_token_id": 3,
}

YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 1024,
}
ROPES = {
    "plain": {},
    "plain, small base": {"rope_theta": 10000},
    "linear, old layout": {"rope_scaling": {"type": "linear", "factor": 3.0}},
    "linear, new layout": {"rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 5e5}},
    "yarn": {"rope_scaling": YARN},
    "yarn, no original length": {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
    "yarn, original length outside": {"rope_scaling": YARN, "original_max_position_embeddings": 512},
    "yarn, real lengths": {
        "max_position_embeddings": 131072,
        "rope_scaling": YARN | {"original_max_position_embeddings": 32768},
    },
    "yarn, not truncated": {"rope_scaling": YARN | {"truncate": False}},
    "yarn, betas": {"rope_scaling": YARN | {"beta_fast": 16, "beta_slow": 2}},
    "yarn, mscale": {"rope_scaling": YARN | {"mscale": 0.707, "mscale_all_dim": 1.0}},
    "yarn, one mscale": {"rope_scaling": YARN | {"mscale": 0.707}},
    "yarn, attention factor": {"rope_scaling": YARN | {"attention_factor": 1.3}},
    "yarn, factor null": {"rope_scaling": YARN | {"factor": None}},
    "yarn, no stretch": {"rope_scaling": YARN | {"factor": 1.0}},
    "yarn, no pair is slow": {
        "rope_theta": 1e4,
        "rope_scaling": YARN | {"original_max_position_embeddings": 1_000_000},
    },
    "yarn, short original": {"rope_scaling": YARN | {"original_max_position_embeddings": 4}},
    "yarn, as Qwen2.5 tells to write it": {
        "max_position_embeddings": 32768,
        "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"},
    },
    "yarn, as Qwen3 tells to write it": {
        "max_position_embeddings": 40960,
        "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
    },
    "yarn, as DeepSeek-R1-0528-Qwen3-8B has it": {
        "max_position_embeddings": 131072,
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 32768,
            "attn_factor": 0.8782488562869419,
        },
    },
    "yarn, new layout": {"rope_parameters": YARN | {"rope_type": "yarn", "rope_theta": 5e5}},
    "llama3": {"rope_scaling": LLAMA3},
    "llama3, new layout": {"rope_parameters": LLAMA3 | {"rope_theta": 5e5}},
    "llama3, no original length": {"rope_scaling": {k: v for k, v in LLAMA3.items() if not k.startswith("original")}},
    "llama3, original length outside": {"rope_scaling": LLAMA3, "original_max_position_embeddings": 512},
    "dynamic": {"rope_scaling": {"type": "dynamic", "factor": 4.0}},
    "dynamic, new layout": {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 5e5}},
    "both layouts": {
        "rope_scaling": {"type": "linear", "factor": 2.0},
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
    },
}


def theirs(family: str, raw: dict):
    kind = {"qwen2": transformers.Qwen2Config, "qwen3": transformers.Qwen3Config}[family]
    return kind(**json.loads(json.dumps(raw)))


@pytest.mark.filterwarnings("ignore:.*attn_factor:llaisys_mini.errors.CheckpointWarning")
@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
@pytest.mark.parametrize("changes", ROPES.values(), ids=ROPES)
def test_inverse_frequencies_and_attention_factor(family, changes):
    raw = BASE | changes
    ours = ModelConfig.from_dict(raw | {"model_type": family})
    config = theirs(family, raw)
    kind = config.rope_parameters["rope_type"]
    if kind == "default":
        from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding

        frequencies, factor = Qwen3RotaryEmbedding.compute_default_rope_parameters(config)
    else:
        frequencies, factor = ROPE_INIT_FUNCTIONS[kind](config, device="cpu")
    np.testing.assert_allclose(ours.rope.inverse_frequencies, frequencies.numpy(), rtol=1e-6)
    assert ours.rope.attention_factor == pytest.approx(factor, rel=1e-12)
    assert ours.rope.is_plain == (kind in ("default", "dynamic"))


SLIDING = {"use_sliding_window": True, "sliding_window": 64}
WINDOWS = {
    "off": {"use_sliding_window": False, "sliding_window": 64},
    "absent": {},
    "null": {"use_sliding_window": True, "sliding_window": None},
    "from layer 2": SLIDING | {"max_window_layers": 2},
    "from the first": SLIDING | {"max_window_layers": 0},
    "by name": SLIDING | {"layer_types": ["sliding_attention", "full_attention"] * 2},
}


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
@pytest.mark.parametrize("changes", WINDOWS.values(), ids=WINDOWS)
def test_windows(family, changes):
    raw = BASE | changes
    config = theirs(family, raw)
    expected = tuple(config.sliding_window if kind == "sliding_attention" else None for kind in config.layer_types)
    assert ModelConfig.from_dict(raw | {"model_type": family}).windows == expected


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_a_config_that_transformers_wrote(tmp_path, family):
    config = theirs(family, BASE)
    config.save_pretrained(tmp_path)
    transformers.GenerationConfig(eos_token_id=[3, 5], temperature=0.7, do_sample=True).save_pretrained(tmp_path)
    ours = ModelConfig.from_folder(tmp_path)
    head_dim = config.head_dim if family == "qwen3" else 64
    assert (ours.family, ours.heads, ours.kv_heads, ours.head_dim) == (family, 4, 2, head_dim)
    assert ours.rope.theta == 1e6
    assert ours.stop_ids == {3, 5}
    assert ours.generation == {"temperature": 0.7, "do_sample": True}


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_every_key_of_theirs_is_known(family):
    known = known_keys.READ | known_keys.WITHOUT_EFFECT | known_keys.REFUSED.keys()
    fields = {field.name for field in dataclasses.fields(type(theirs(family, BASE)))}
    generation = transformers.GenerationConfig._get_default_generation_params()
    assert (theirs(family, BASE).to_dict().keys() | fields | generation.keys()) - known == set()
