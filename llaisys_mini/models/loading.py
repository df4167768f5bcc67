"""From a checkpoint to a decoder: every weight is taken by its name, its shape checked against the config.

What differs between the families is decided here, from the config: where a bias is, whether query and key have norms,
whether the head is the embedding matrix, how positions become angles, which weights are quantised.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from llaisys_mini import devices
from llaisys_mini.errors import CheckpointError, warn_about_checkpoint
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
HEAD, EMBEDDINGS = "lm_head.weight", "model.embed_tokens.weight"

_COMPUTED = (".rotary_emb.inv_freq", ".masked_bias", ".attn.bias")
"""Ends of names that older programs saved although they follow from the config."""
_BLOCK = 2**22  # numbers compared at a time


def load_decoder(
    config: ModelConfig, checkpoint: Checkpoint, dtype: np.dtype | None = None, device: str = "cpu"
) -> Decoder:
    """The decoder with the weights of `checkpoint`, stored as they are or converted to `dtype`, on `device`.

    Quantised weights stay so, whatever `dtype` is, if an operator can express them exactly.
    Warns of tensors that the config does not ask for, which are left alone.
    Raises CheckpointError for a tensor that is missing or has another shape than the config says, DeviceError if
    the device is unknown or its memory full.
    """
    decoder = _Loader(config, checkpoint, dtype, device).decoder()
    unused = [name for name in checkpoint if name not in checkpoint.taken and not name.endswith(_COMPUTED)]
    if unused:
        what = f"{len(unused)}, the first is {unused[0]!r:.80}"
        warn_about_checkpoint(f"the weights hold tensors that config.json does not ask for: {what}.")
    return decoder


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
        embeddings = self.embeddings()
        rotary = self.rotary()
        blocks = [self.block(number, rotary) for number in numbers]
        final_norm = self.norm("model.norm", c.hidden_size)
        notes = [] if self.published is None else [self.published.note()]
        return Decoder(c, embeddings, blocks, final_norm, self.head(embeddings), self.device, notes)

    def embeddings(self) -> Tensor:
        """Of a tied checkpoint either matrix may be the one in the file."""
        c = self.config
        only_head = c.tied_embeddings and HEAD in self.checkpoint and EMBEDDINGS not in self.checkpoint
        return self.weight(HEAD if only_head else EMBEDDINGS, c.vocab_size, c.hidden_size)

    def head(self, embeddings: Tensor) -> AnyLinear:
        """The output projection. Where the config says that it is tied to the embeddings and the file still has one of
        other numbers, that one counts, as in transformers; of equal ones only the embeddings are kept in memory."""
        c, checkpoint = self.config, self.checkpoint
        if c.tied_embeddings:
            both = HEAD in checkpoint and EMBEDDINGS in checkpoint
            if not both or _same_numbers(checkpoint[HEAD], checkpoint[EMBEDDINGS]):
                checkpoint.taken.add(HEAD)
                return Linear(embeddings)
            warn_about_checkpoint(
                "config.json says `tie_word_embeddings`, but the weights hold an `lm_head.weight` of other numbers, "
                "which is used."
            )
        return self.linear("lm_head", c.vocab_size, c.hidden_size)

    def block(self, number: int, rotary: AnyRotary) -> Block:
        c, prefix = self.config, f"model.layers.{number}"
        block = Block(
            input_norm=self.norm(f"{prefix}.input_layernorm", c.hidden_size),
            attention=self.attention(f"{prefix}.self_attn", number, rotary),
            post_norm=self.norm(f"{prefix}.post_attention_layernorm", c.hidden_size),
            mlp=MLP(
                gate=self.linear(f"{prefix}.mlp.gate_proj", c.intermediate_size, c.hidden_size),
                up=self.linear(f"{prefix}.mlp.up_proj", c.intermediate_size, c.hidden_size),
                down=self.linear(f"{prefix}.mlp.down_proj", c.hidden_size, c.intermediate_size),
            ),
        )
        if devices.get(self.device).records:  # there the launches cost more than a short kernel computes
            return replace(block, attention=block.attention.fused(), mlp=block.mlp.fused())
        return block

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
        frequencies = Tensor.from_numpy(rope.inverse_frequencies).to(self.device).freeze()
        return ScaledRotary(frequencies, rope.attention_factor)

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


def _same_numbers(one: Tensor, other: Tensor) -> bool:
    """Whether two matrices hold the same numbers, be they stored alike or not. Different ones are told at once."""
    if one.shape != other.shape:
        return False
    pairs = [tensor.numpy() for tensor in (one, other)]
    rows = max(1, _BLOCK // one.shape[-1])
    for first in range(0, len(pairs[0]), rows):
        left, right = (array[first : first + rows] for array in pairs)
        if one.dtype == other.dtype:  # comparing bits is many times as fast as comparing bfloat16
            left, right = (array.view(f"u{array.itemsize}") for array in (left, right))
        else:
            left, right = left.astype("float32"), right.astype("float32")
        if not np.array_equal(left, right):
            return False
    return True
