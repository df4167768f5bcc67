"""The Qwen decoder, written once for Qwen2, Qwen2.5, Qwen3 and DeepSeek-R1-Distill-Qwen.

Everything is computed by operators, so whichever kernels are chosen answer here. What differs between the families
(biases, norms on query and key, tied embeddings, RoPE scaling, windows) is read from the config.

Shapes: L new positions, S all positions, H query heads, K key/value heads, D head width, E hidden width, V vocabulary.
"""

from dataclasses import dataclass

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.cache.contiguous import Cache
from llaisys_mini.models.config import ModelConfig, Quantization
from llaisys_mini.tensor import Tensor
from llaisys_mini.weights.checkpoint import Checkpoint


@dataclass(frozen=True)
class Projection:
    """weight [out, in] and bias [out] or None of one linear map."""

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        return ops.linear(x, self.weight, self.bias)


@dataclass(frozen=True)
class QuantizedProjection:
    """A projection whose weight is stored as whole numbers with scales [out, groups], see operators.linear_int8 and
    linear_int4: int8 [out, in], or uint8 [out, in / 2] for two numbers of four bits each. bias: float32 [out] or None.
    """

    weight: Tensor
    scales: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        product = ops.linear_int8 if self.weight.dtype == np.int8 else ops.linear_int4
        return product(x, self.weight, self.scales, self.bias)


AnyProjection = Projection | QuantizedProjection


@dataclass(frozen=True)
class Layer:
    """Weights of one decoder block. The norms of query and key are None where the family has none."""

    input_norm: Tensor
    query: AnyProjection
    key: AnyProjection
    value: AnyProjection
    query_norm: Tensor | None
    key_norm: Tensor | None
    output: AnyProjection
    post_norm: Tensor
    gate: AnyProjection
    up: AnyProjection
    down: AnyProjection


class Decoder:
    """The forward pass. `place` names the part being computed, for reports: "embedding", "layer 3", "head"."""

    def __init__(self, config: ModelConfig, checkpoint: Checkpoint, dtype=None, device: str = "cpu"):
        """Take the weights from `checkpoint`, stored as they are or converted to `dtype`, and keep them on `device`.

        Raises CheckpointError for a tensor that is missing or has another shape than the config says, DeviceError if
        the device is unknown or its memory full.
        """
        self.config = config
        self.device = device
        self.place = ""

        def take(name, *shape):
            tensor = checkpoint.take(name, shape)
            return (tensor if dtype is None else tensor.astype(dtype)).to(device).freeze()

        def projection(name, out_width, in_width, bias=False):
            stored = checkpoint.stored.get(f"{name}.weight")
            how = config.quantization
            if how is not None and stored is not None and stored.dtype in ("I8", "U8"):
                return quantized_projection(how, name, out_width, in_width, bias)
            return Projection(
                take(f"{name}.weight", out_width, in_width), take(f"{name}.bias", out_width) if bias else None
            )

        def quantized_projection(how: Quantization, name, out_width, in_width, bias):
            group = how.group_size or in_width
            stored_as, bytes_per_row = ("I8", in_width) if how.bits == 8 else ("U8", in_width // 2)
            weight = checkpoint.take(f"{name}.weight", (out_width, bytes_per_row), (stored_as,))
            scales = checkpoint.take(f"{name}.scales", (out_width, in_width // group))
            parts = [weight, scales]
            if bias:
                parts.append(checkpoint.take(f"{name}.bias", (out_width,)).astype("float32"))
            return QuantizedProjection(*(part.to(device).freeze() for part in parts))

        def layer(prefix):
            c = config
            query_width, key_width = c.heads * c.head_dim, c.kv_heads * c.head_dim
            return Layer(
                input_norm=take(f"{prefix}.input_layernorm.weight", c.hidden_size),
                query=projection(f"{prefix}.self_attn.q_proj", query_width, c.hidden_size, c.qkv_bias),
                key=projection(f"{prefix}.self_attn.k_proj", key_width, c.hidden_size, c.qkv_bias),
                value=projection(f"{prefix}.self_attn.v_proj", key_width, c.hidden_size, c.qkv_bias),
                query_norm=take(f"{prefix}.self_attn.q_norm.weight", c.head_dim) if c.qk_norm else None,
                key_norm=take(f"{prefix}.self_attn.k_norm.weight", c.head_dim) if c.qk_norm else None,
                output=projection(f"{prefix}.self_attn.o_proj", c.hidden_size, query_width, c.output_bias),
                post_norm=take(f"{prefix}.post_attention_layernorm.weight", c.hidden_size),
                gate=projection(f"{prefix}.mlp.gate_proj", c.intermediate_size, c.hidden_size),
                up=projection(f"{prefix}.mlp.up_proj", c.intermediate_size, c.hidden_size),
                down=projection(f"{prefix}.mlp.down_proj", c.hidden_size, c.intermediate_size),
            )

        self.embeddings = take("model.embed_tokens.weight", config.vocab_size, config.hidden_size)
        self.layers = [layer(f"model.layers.{i}") for i in range(config.layers)]
        self.final_norm = take("model.norm.weight", config.hidden_size)
        # A tied checkpoint may hold an lm_head of its own; it is not used.
        self.head = (
            Projection(self.embeddings)
            if config.tied_embeddings
            else projection("lm_head", config.vocab_size, config.hidden_size)
        )
        self._frequencies: np.ndarray | Tensor
        if device != "cpu":  # a decode step copies nothing to the device but the token's id
            self._positions = Tensor.from_numpy(np.arange(config.max_positions)).to(device)
            if not config.rope.is_plain:
                self._frequencies = Tensor.from_numpy(config.rope.inverse_frequencies).to(device)
        elif not config.rope.is_plain:
            self._frequencies = config.rope.inverse_frequencies

    def forward(self, ids: np.ndarray, cache: Cache, last_only: bool = False) -> Tensor:
        """Logits of the next token after each of the new `ids` (int64 [L]); `cache` grows by them.

        Returns float32 [L, V], or [1, V] with `last_only`. Raises GenerationError beyond the context.
        """
        cache.reserve(cache.length + len(ids))
        positions = self._positions_between(cache.length, cache.length + len(ids))
        self.place = "embedding"
        x = ops.embedding(Tensor.from_numpy(ids).to(self.device), self.embeddings)
        step = None
        for index in range(len(self.layers)):
            self.place = f"layer {index}"
            x, step = self._block(x, step, index, positions, cache)
        cache.advance(ids)
        assert step is not None  # a decoder has at least one layer
        self.place = "head"
        if last_only:
            x, step = (part.slice(0, len(ids) - 1, len(ids)) for part in (x, step))
        _, h = ops.add_rms_norm(x, step, self.final_norm, self.config.rms_norm_eps)
        return self.head(h)

    def _block(self, x: Tensor, step: Tensor | None, index: int, positions: "np.ndarray | Tensor", cache: Cache):
        """One decoder block. The residual stream is x + step, both [L, E]: what the block before has to add is added
        here, together with the normalisation that follows. step is None for the first block.

        Returns the stream after this block's attention, and the step that its feed-forward part adds to it.
        """
        layer, eps = self.layers[index], self.config.rms_norm_eps
        if step is None:
            h = ops.rms_norm(x, layer.input_norm, eps)
        else:
            x, h = ops.add_rms_norm(x, step, layer.input_norm, eps)
        x, h = ops.add_rms_norm(x, self._attention(h, index, positions, cache), layer.post_norm, eps)
        return x, layer.down(ops.swiglu(layer.gate(h), layer.up(h)))

    def _attention(self, h: Tensor, index: int, positions: "np.ndarray | Tensor", cache: Cache) -> Tensor:
        """Self-attention of the normalised hidden state h [L, E] -> [L, E]."""
        c, layer, length = self.config, self.layers[index], h.shape[0]
        query = layer.query(h).view(length, c.heads, c.head_dim)
        key = layer.key(h).view(length, c.kv_heads, c.head_dim)
        value = layer.value(h).view(length, c.kv_heads, c.head_dim)
        if layer.query_norm is not None:
            query = ops.rms_norm(query, layer.query_norm, c.rms_norm_eps)
            key = ops.rms_norm(key, layer.key_norm, c.rms_norm_eps)
        query, key = self._rotate(query, positions), self._rotate(key, positions)
        keys, values = cache.append(index, key, value)
        scale = c.head_dim**-0.5
        if c.windows[index] is None:
            mixed = ops.attention(query, keys, values, scale)
        else:
            mixed = ops.sliding_attention(query, keys, values, scale, c.windows[index])
        return layer.output(mixed.view(length, c.heads * c.head_dim))

    def _positions_between(self, start: int, end: int) -> "np.ndarray | Tensor":
        return np.arange(start, end) if self.device == "cpu" else self._positions.slice(0, start, end)

    def _rotate(self, x: Tensor, positions: "np.ndarray | Tensor") -> Tensor:
        rope = self.config.rope
        if rope.is_plain:
            return ops.rope(x, positions, rope.theta)
        return ops.rope_scaled(x, positions, self._frequencies, rope.attention_factor)
