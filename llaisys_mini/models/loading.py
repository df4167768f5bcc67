"""From a checkpoint to a decoder: every weight is taken by its name, its shape checked against the config.

What differs between the families is decided here, from the config: where a bias is, whether query and key have norms,
whether the head is the embedding matrix, how positions become angles, which weights are quantised.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llaisys_mini.errors import CheckpointError
from llaisys_mini.layers.attention import Attention
from llaisys_mini.layers.linear import Linear
from llaisys_mini.layers.mlp import MLP
from llaisys_mini.layers.norm import RMSNorm
from llaisys_mini.layers.quantised import AnyLinear, QuantisedLinear
from llaisys_mini.layers.rotary import AnyRotary, Rotary, ScaledRotary
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.models.decoder import Block, Decoder
from llaisys_mini.models.published import PublishedProjections
from llaisys_mini.tensor import Tensor
from llaisys_mini.weights.checkpoint import Checkpoint
from llaisys_mini.weights.quantisation import Quantisation

_PACKED = ("qweight", "weight_packed")  # parts of a projection in the published quantised forms


def load_decoder(
    config: ModelConfig, checkpoint: Checkpoint, dtype: np.dtype | None = None, device: str = "cpu"
) -> Decoder:
    """The decoder with the weights of `checkpoint`, stored as they are or converted to `dtype`, on `device`.

    Quantised weights stay so, whatever `dtype` is, if an operator can express them exactly.
    Raises CheckpointError for a tensor that is missing or has another shape than the config says, DeviceError if
    the device is unknown or its memory full.
    """
    return _Loader(config, checkpoint, dtype, device).decoder()


@dataclass(frozen=True)
class _Loader:
    config: ModelConfig
    checkpoint: Checkpoint
    dtype: np.dtype | None
    device: str

    @cached_property
    def published(self) -> PublishedProjections | None:
        """The projections that another program quantised; None where none did."""
        how = self.config.quantisation
        if how is None or isinstance(how, Quantisation):
            return None
        return PublishedProjections(how, self.checkpoint, self.dtype, self.placed)

    def decoder(self) -> Decoder:
        c = self.config
        numbers: Iterable[int] = range(c.layers)
        if self.published is not None:
            self.published.refuse_embeddings(c.tied_embeddings)
            numbers = self.published.shown(numbers)
        embeddings = self.weight("model.embed_tokens.weight", c.vocab_size, c.hidden_size)
        rotary = self.rotary()
        blocks = [self.block(number, rotary) for number in numbers]
        final_norm = self.norm("model.norm", c.hidden_size)
        # A tied checkpoint may hold an lm_head of its own; it is not used.
        head = Linear(embeddings) if c.tied_embeddings else self.linear("lm_head", c.vocab_size, c.hidden_size)
        notes = [] if self.published is None else [self.published.note()]
        return Decoder(c, embeddings, blocks, final_norm, head, self.device, notes)

    def block(self, number: int, rotary: AnyRotary) -> Block:
        c, prefix = self.config, f"model.layers.{number}"
        return Block(
            input_norm=self.norm(f"{prefix}.input_layernorm", c.hidden_size),
            attention=self.attention(f"{prefix}.self_attn", number, rotary),
            post_norm=self.norm(f"{prefix}.post_attention_layernorm", c.hidden_size),
            mlp=MLP(
                gate=self.linear(f"{prefix}.mlp.gate_proj", c.intermediate_size, c.hidden_size),
                up=self.linear(f"{prefix}.mlp.up_proj", c.intermediate_size, c.hidden_size),
                down=self.linear(f"{prefix}.mlp.down_proj", c.hidden_size, c.intermediate_size),
            ),
        )

    def attention(self, prefix: str, number: int, rotary: AnyRotary) -> Attention:
        c = self.config
        query_width, key_width = c.heads * c.head_dim, c.kv_heads * c.head_dim
        return Attention(
            layer=number,
            heads=c.heads,
            kv_heads=c.kv_heads,
            head_dim=c.head_dim,
            window=c.windows[number],
            query=self.linear(f"{prefix}.q_proj", query_width, c.hidden_size, c.qkv_bias),
            key=self.linear(f"{prefix}.k_proj", key_width, c.hidden_size, c.qkv_bias),
            value=self.linear(f"{prefix}.v_proj", key_width, c.hidden_size, c.qkv_bias),
            query_norm=self.norm(f"{prefix}.q_norm", c.head_dim) if c.qk_norm else None,
            key_norm=self.norm(f"{prefix}.k_norm", c.head_dim) if c.qk_norm else None,
            rotary=rotary,
            output=self.linear(f"{prefix}.o_proj", c.hidden_size, query_width, c.output_bias),
        )

    def rotary(self) -> AnyRotary:
        """One for all layers."""
        rope = self.config.rope
        if rope.is_plain:
            return Rotary(rope.theta)
        return ScaledRotary(Tensor.from_numpy(rope.inverse_frequencies).to(self.device), rope.attention_factor)

    def norm(self, name: str, width: int) -> RMSNorm:
        return RMSNorm(self.weight(f"{name}.weight", width), self.config.rms_norm_eps)

    def linear(self, name: str, out_width: int, in_width: int, bias: bool = False) -> AnyLinear:
        stored = self.checkpoint.stored.get(f"{name}.weight")
        how = self.config.quantisation
        if self.published is not None:
            layer = self.published.layer(name, out_width, in_width, bias)
            if layer is not None:
                return layer
        elif isinstance(how, Quantisation) and stored is not None and stored.dtype in ("I8", "U8"):
            return self.quantised(how, name, out_width, in_width, bias)
        elif any(f"{name}.{part}" in self.checkpoint for part in _PACKED):
            raise CheckpointError(
                f"The weights of {name!r} are quantised, but config.json has no `quantization_config` that says how. "
                "Some programs keep it in a file of its own: put the contents of quantize_config.json there."
            )
        weight = self.weight(f"{name}.weight", out_width, in_width)
        return Linear(weight, self.weight(f"{name}.bias", out_width) if bias else None)

    def quantised(self, how: Quantisation, name: str, out_width: int, in_width: int, bias: bool) -> QuantisedLinear:
        take = self.checkpoint.take
        stored_as, bytes_per_row = ("I8", in_width) if how.bits == 8 else ("U8", in_width // 2)
        weight = take(f"{name}.weight", (out_width, bytes_per_row), (stored_as,))
        scales = take(f"{name}.scales", (out_width, in_width // (how.group_size or in_width)))
        bias_of = take(f"{name}.bias", (out_width,)).astype("float32") if bias else None
        return QuantisedLinear(
            self.placed(weight), self.placed(scales), None if bias_of is None else self.placed(bias_of)
        )

    def weight(self, name: str, *shape: int) -> Tensor:
        tensor = self.checkpoint.take(name, shape)
        return self.placed(tensor if self.dtype is None else tensor.astype(self.dtype))

    def placed(self, tensor: Tensor) -> Tensor:
        """The tensor on the device, with the promise that its numbers stay."""
        return tensor.to(self.device).freeze()
