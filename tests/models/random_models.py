"""Checkpoint folders with random weights in the genuine format, small and of odd shapes, without torch."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np

from llaisys_mini.weights.checkpoint import save_safetensors

BASE = {
    "model_type": "qwen3",
    "vocab_size": 61,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "hidden_act": "silu",
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "attention_bias": False,
}


def make_checkpoint(folder: Path, seed: int = 0, dtype=np.float32, generation: dict | None = None, **changes) -> Path:
    """Write config.json and model.safetensors for BASE with `changes`; weights are drawn with `seed`."""
    config = BASE | changes
    folder.mkdir(parents=True, exist_ok=True)
    if config["model_type"] == "qwen2":  # always has biases on query, key and value, and no key that says so
        del config["attention_bias"]
    (folder / "config.json").write_text(json.dumps(config))
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes(config).items():
        values = 1 + 0.2 * rng.normal(size=shape) if "norm" in name else rng.normal(size=shape) / np.sqrt(shape[-1])
        weights[name] = values.astype(dtype)
    save_safetensors(folder / "model.safetensors", weights, {"format": "pt"})
    return folder


def shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of a Qwen2 or Qwen3 checkpoint."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    width = config["head_dim"]
    query, key = config["num_attention_heads"] * width, config["num_key_value_heads"] * width
    is_qwen2 = config["model_type"] == "qwen2"
    found = {"model.embed_tokens.weight": (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    for index in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{index}"
        found |= {
            f"{prefix}.input_layernorm.weight": (hidden,),
            f"{prefix}.post_attention_layernorm.weight": (hidden,),
            f"{prefix}.self_attn.q_proj.weight": (query, hidden),
            f"{prefix}.self_attn.k_proj.weight": (key, hidden),
            f"{prefix}.self_attn.v_proj.weight": (key, hidden),
            f"{prefix}.self_attn.o_proj.weight": (hidden, query),
            f"{prefix}.mlp.gate_proj.weight": (inner, hidden),
            f"{prefix}.mlp.up_proj.weight": (inner, hidden),
            f"{prefix}.mlp.down_proj.weight": (hidden, inner),
        }
        if is_qwen2 or config["attention_bias"]:
            found |= {f"{prefix}.self_attn.{p}_proj.bias": (n,) for p, n in (("q", query), ("k", key), ("v", key))}
        if not is_qwen2:
            found |= {f"{prefix}.self_attn.{p}_norm.weight": (width,) for p in "qk"}
            if config["attention_bias"]:
                found[f"{prefix}.self_attn.o_proj.bias"] = (hidden,)
    if not config["tie_word_embeddings"]:
        found["lm_head.weight"] = (config["vocab_size"], hidden)
    return found


VARIETIES = {
    "qwen3": {},
    "qwen3, bias, untied": dict(attention_bias=True, tie_word_embeddings=False),
    "qwen3, one head per key head": dict(num_attention_heads=2, num_key_value_heads=2, head_dim=6),
    "qwen3, seven heads per key head": dict(num_attention_heads=14, num_key_value_heads=2, head_dim=4),
    "qwen2": dict(model_type="qwen2", head_dim=4),
    "qwen2, untied, bfloat16": dict(
        model_type="qwen2", head_dim=4, tie_word_embeddings=False, dtype=ml_dtypes.bfloat16
    ),
    "qwen3, float16": dict(dtype=np.float16),
    "linear scaling": dict(rope_theta=None, rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=2.0)),
    "yarn": dict(
        max_position_embeddings=256,
        rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64),
    ),
    "sliding windows": dict(use_sliding_window=True, sliding_window=5, max_window_layers=1),
}
