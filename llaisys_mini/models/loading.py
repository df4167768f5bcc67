"""From a checkpoint to a decoder: every weight is taken by its name, its shape checked against the config.

What differs between the families is decided here, from the config: where a bias is, whether query and key have norms,
whether the head is the embedding matrix, how positions become angles, which weights are quantised.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

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
from llaisys_mini.tensor import Tensor
from llaisys_mini.weights.checkpoint import Checkpoint
from llaisys_mini.weights.published import Published
from llaisys_mini.weights.published.grouped import Grouped
from llaisys_mini.weights.published.projection import Projection
from llaisys_mini.weights.quantisation import Quantisation


def load_decoder(
    config: ModelConfig, checkpoint: Checkpoint, dtype: np.dtype | None = None, device: str = "cpu"
) -> Decoder:
    """The decoder with the weights of `checkpoint`, stored as they are or converted to `dtype`, on `device`.

    Quantised weights stay so if an operator can express them exactly, whatever `dtype` is; `notes` of the decoder tells
    how those of other programs are kept.
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
    kept_as: Counter[str] = field(default_factory=Counter)  # quantised projections of other programs, by what became

    def decoder(self) -> Decoder:
        c = self.config
        self.refuse_quantised_embeddings()
        embeddings = self.weight("model.embed_tokens.weight", c.vocab_size, c.hidden_size)
        rotary = self.rotary()
        blocks = [self.block(number, rotary) for number in self.block_numbers()]
        final_norm = self.norm("model.norm", c.hidden_size)
        # A tied checkpoint may hold an lm_head of its own; it is not used.
        head = Linear(embeddings) if c.tied_embeddings else self.linear("lm_head", c.vocab_size, c.hidden_size)
        return Decoder(c, embeddings, blocks, final_norm, head, self.device, self.notes())

    def block_numbers(self) -> Iterable[int]:
        """0, 1, ...; a progress bar shows them where each block's weights have to be put into another order."""
        numbers = range(self.config.layers)
        if not isinstance(self.config.quantisation, Published) or not sys.stderr.isatty():
            return numbers
        from rich.console import Console  # not needed, and not waited for, by any other model
        from rich.progress import track

        return track(numbers, "reading quantised weights", console=Console(stderr=True), transient=True)

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
        how = self.config.quantisation
        if isinstance(how, Published):
            grouped = how.read(Projection(self.checkpoint, name, out_width, in_width))
            if grouped is not None:
                return self.published(grouped, name, out_width, bias)
        elif how is not None:
            stored = self.checkpoint.stored.get(f"{name}.weight")
            if stored is not None and stored.dtype in ("I8", "U8"):
                return self.quantised(how, name, out_width, in_width, bias)
        elif Projection(self.checkpoint, name, out_width, in_width).has("qweight", "weight_packed"):
            raise CheckpointError(
                f"The weights of {name!r} are quantised, but config.json has no `quantization_config`, which says how. "
                "Some programs left it in a file of its own: put the contents of quantize_config.json there."
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

    def published(self, grouped: Grouped, name: str, out_width: int, bias: bool) -> AnyLinear:
        """A projection that another program quantised, kept as grouped.py says."""
        bias_of = self.bias_of_published(name, out_width, bias)
        whole = grouped.whole()
        if whole is None:
            floats = grouped.floats(self.dtype or grouped.scales.dtype)
            self.kept_as[floats.dtype.name] += 1
            return Linear(self.placed(Tensor.from_numpy(floats)), bias_of)
        numbers, scales = (self.placed(Tensor.from_numpy(part)) for part in whole)
        self.kept_as["int8" if numbers.dtype == np.int8 else "int4"] += 1
        return QuantisedLinear(numbers, scales, bias_of)

    def bias_of_published(self, name: str, out_width: int, bias: bool) -> Tensor | None:
        """Some programs store a bias of zeros for every projection; one that is not zero must have its place."""
        if not bias and f"{name}.bias" not in self.checkpoint:
            return None
        values = self.checkpoint.take(f"{name}.bias", (out_width,)).astype("float32")
        if bias:
            return self.placed(values)
        if values.numpy().any():
            raise CheckpointError(
                f"{self.checkpoint.stored[f'{name}.bias'].path}: tensor '{name}.bias' is not zero, but this "
                "projection adds no bias in a model of config.json's `model_type`."
            )
        return None

    def refuse_quantised_embeddings(self) -> None:
        how = self.config.quantisation
        if not isinstance(how, Published):
            return
        for name in ("model.embed_tokens", "lm_head")[: 2 if self.config.tied_embeddings else 1]:
            if Projection(self.checkpoint, name, 0, 0).has(*how.MARKS):
                what = "are tied to a quantised output matrix" if name == "lm_head" else "are quantised"
                raise CheckpointError(f"The embeddings of this {how.NAME} checkpoint {what}, which is not supported.")

    def notes(self) -> list[str]:
        how = self.config.quantisation
        if not isinstance(how, Published):
            return []
        groups = "one scale per row" if how.group_size is None else f"groups of {how.group_size}"
        kept = ", ".join(f"{count} as {kind}" for kind, count in sorted(self.kept_as.items())) or "none is quantised"
        why = "" if set(self.kept_as) <= {"int4", "int8"} else " (int8 cannot express their groups or zero points)"
        return [f"weights: {how.NAME}, {how.bits} bits, {groups}; projections kept: {kept}{why}"]

    def weight(self, name: str, *shape: int) -> Tensor:
        tensor = self.checkpoint.take(name, shape)
        return self.placed(tensor if self.dtype is None else tensor.astype(self.dtype))

    def placed(self, tensor: Tensor) -> Tensor:
        """The tensor on the device, with the promise that its numbers stay."""
        return tensor.to(self.device).freeze()
