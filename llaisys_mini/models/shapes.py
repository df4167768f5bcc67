"""The shape of a published model, without its numbers: a model's speed depends on its shape, not on what it says.

Not for loading a checkpoint: that is `loading`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.errors import GenerationError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.models.loading import load_decoder
from llaisys_mini.tensor import Tensor
from llaisys_mini.weights.checkpoint import Checkpoint

QWEN3_06B: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_act": "silu",
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "torch_dtype": "bfloat16",
    "eos_token_id": None,
    "bos_token_id": None,
}
"""What Qwen3-0.6B's own config.json says about its shape."""

SHAPES = {"qwen3-0.6b": QWEN3_06B}
"""Shapes by the names that users give them."""

_POOL = 1_000_003  # random numbers that all weights repeat: drawing 600 million anew would take longer than measuring


def tensor_shapes(config: dict) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all tensors of a Qwen3 checkpoint with tied embeddings. config: of its config.json."""
    hidden, inner, width = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    query, key = config["num_attention_heads"] * width, config["num_key_value_heads"] * width
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for index in range(config["num_hidden_layers"]):
        attention, mlp = f"model.layers.{index}.self_attn", f"model.layers.{index}.mlp"
        yield f"model.layers.{index}.input_layernorm.weight", (hidden,)
        yield f"{attention}.q_proj.weight", (query, hidden)
        yield f"{attention}.k_proj.weight", (key, hidden)
        yield f"{attention}.v_proj.weight", (key, hidden)
        yield f"{attention}.q_norm.weight", (width,)
        yield f"{attention}.k_norm.weight", (width,)
        yield f"{attention}.o_proj.weight", (hidden, query)
        yield f"model.layers.{index}.post_attention_layernorm.weight", (hidden,)
        yield f"{mlp}.gate_proj.weight", (inner, hidden)
        yield f"{mlp}.up_proj.weight", (inner, hidden)
        yield f"{mlp}.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)


def random_decoder(config: dict, dtype: np.dtype = dtypes.bfloat16, device: str = "cpu") -> tuple[ModelConfig, Decoder]:
    """A decoder of this shape (as in a config.json) with random weights in memory, stored as `dtype` on `device`.

    Raises ConfigError for a shape that the decoder does not know, DeviceError where `device` is unknown or full.
    """
    built = ModelConfig.from_dict(config)
    return built, load_decoder(built, _RandomWeights(dtype), None, device)


def shape_named(name: str, layers: int | None = None) -> dict[str, Any]:
    """The config of the shape `name`, with `layers` of its layers: 2 or more, all unless told.

    Raises GenerationError for a name or a number that there is not.
    """
    if name not in SHAPES:
        raise GenerationError(f"there is no shape {name!r}; there are: {', '.join(SHAPES)}")
    config = SHAPES[name]
    whole = config["num_hidden_layers"]
    if layers is not None and not 2 <= layers <= whole:
        raise GenerationError(f"{name} has {whole} layers: ask for 2 to {whole}, not {layers}")
    return config | {"num_hidden_layers": layers or whole}


class _RandomWeights(Checkpoint):
    """A checkpoint that has every tensor it is asked for, of random numbers that keep activations of ordinary size."""

    def __init__(self, dtype: np.dtype):
        super().__init__({})
        self._dtype = dtype
        self._normal = np.random.default_rng(0).standard_normal(_POOL, np.float32)

    def take(self, name, shape, allowed=()):
        count = int(np.prod(shape))
        start = (7919 * len(self.taken)) % (_POOL // 2)
        self.taken.add(name)
        if "norm" in name:
            return Tensor.from_numpy((1 + np.float32(0.1) * self._normal[:count]).reshape(shape).astype(self._dtype))
        pool = (np.float32(shape[-1] ** -0.5) * np.roll(self._normal, -start)).astype(self._dtype)
        return Tensor.from_numpy(np.resize(pool, shape))
