"""Quantising with a look at the inputs, block after block: `--method gptq` and `--method awq`.

Calibration texts are read by the blocks that are quantised already, and the next one is quantised for what it then
gets: what earlier blocks lost is part of its inputs (Frantar et al. 2022). So the texts pass through the model once,
and the counts of one block are in memory at a time.

AWQ divides the inputs of some projections. What computes these inputs does so, for nothing:

    input_layernorm              divided for   q_proj, k_proj, v_proj
    v_proj, its rows and bias                  o_proj      heads that share a value head share its factors
    post_attention_layernorm                   gate_proj, up_proj
    up_proj, its rows                          down_proj
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.cache.contiguous import ContiguousCache
from llaisys_mini.layers.linear import Linear
from llaisys_mini.models.decoder import Block, Decoder
from llaisys_mini.models.projections import Inputs, block_with, floats, watched
from llaisys_mini.operators.linear_int4 import packed
from llaisys_mini.quantisation.awq import awq_scale
from llaisys_mini.quantisation.gptq import gptq
from llaisys_mini.tensor import Tensor
from llaisys_mini.weights.quantisation import Quantisation, round_groups

METHODS = ("gptq", "awq")
Arrays = dict[str, np.ndarray]
"""Name in a checkpoint -> what is stored there."""


def quantised_blocks(
    decoder: Decoder, texts: Sequence[Sequence[int]], how: Quantisation, method: str
) -> Iterator[Arrays]:
    """For each block of a decoder that is not quantised, what is stored in the place of the tensors it changes.

    texts: token ids to calibrate on, each of which fits the context. method: one of METHODS.
    """
    quantised_block = _by_gptq if method == "gptq" else _by_awq
    running = [_Text(decoder, ids) for ids in texts]
    for number, block in enumerate(decoder.layers):
        inputs: dict[str, Inputs] = {}
        watching = block_with(block, number, watched(inputs))
        for text in running:
            text.through(watching)  # its keys and values are written over by the second pass
        block, arrays = quantised_block(block, number, inputs, how)
        for text in running:
            text.step_to(text.through(block))
        yield arrays


class _Text:
    """A text on its way through the blocks: the residual stream is x + step."""

    def __init__(self, decoder: Decoder, ids: Sequence[int]):
        c = decoder.config
        self.cache = ContiguousCache(c.layers, c.kv_heads, c.head_dim, c.max_positions)
        row = np.asarray(ids, np.int64)
        self.positions = self.cache.begin(row)
        self.x = decoder.embed(row)
        self.step: Tensor | None = None

    def through(self, block: Block) -> tuple[Tensor, Tensor]:
        return block(self.x, self.step, self.positions, self.cache)

    def step_to(self, state: tuple[Tensor, Tensor]) -> None:
        self.x, self.step = state


# ---- GPTQ --------------------------------------------------------------------------------------------------------


def _by_gptq(block: Block, number: int, inputs: dict[str, Inputs], how: Quantisation) -> tuple[Block, Arrays]:
    arrays: Arrays = {}

    def change(name, layer):
        weight = floats(layer)
        size = how.group_size or weight.shape[1]
        if weight.shape[1] % size:  # stays as it is, as in models/quantise.py
            return layer
        numbers, scales = gptq(weight, inputs[name].gram, how.bits, size, lambda group: _scales(group, how.bits))
        arrays.update(_stored(name, numbers, scales, how))
        return _with_weight(layer, numbers * np.repeat(scales, size, axis=1))

    return block_with(block, number, change), arrays


def _scales(group: np.ndarray, bits: int) -> np.ndarray:
    """[M]: of a group [M, size], as they are stored, so that the numbers are made for the very scales."""
    return round_groups(group.astype(np.float32), bits)[1].astype(np.float64)


# ---- AWQ ---------------------------------------------------------------------------------------------------------


def _by_awq(block: Block, number: int, inputs: dict[str, Inputs], how: Quantisation) -> tuple[Block, Arrays]:
    prefix = f"model.layers.{number}"
    weights: dict[str, np.ndarray] = {}

    def note(name, layer):
        weights[name.removeprefix(f"{prefix}.")] = floats(layer).astype(np.float64)
        return layer

    block_with(block, number, note)
    bias = None if block.attention.value.bias is None else block.attention.value.bias.numpy().astype(np.float64)
    norms = {
        "input_layernorm": block.input_norm.weight.numpy().astype(np.float64),
        "post_attention_layernorm": block.post_norm.weight.numpy().astype(np.float64),
    }

    def divide_for(*readers: str) -> np.ndarray:
        """Multiply the columns of the readers by what serves them best; returns what their inputs are divided by."""
        first = inputs[f"{prefix}.{readers[0]}"]
        stack = np.concatenate([weights[name] for name in readers])
        if stack.shape[1] % (how.group_size or 1):
            return np.ones(stack.shape[1])
        gram, sizes = first.gram, first.mean_sizes
        if readers == ("self_attn.o_proj",):
            sizes = _of_value_heads(sizes, block)
        s = awq_scale(stack, gram, sizes, lambda weight: _rounded(weight, how)[2])
        for name in readers:
            weights[name] = weights[name] * s
        return s

    norms["input_layernorm"] /= divide_for("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    s = divide_for("self_attn.o_proj")
    of_values = s.reshape(block.attention.kv_heads, -1, block.attention.head_dim)[:, 0].reshape(-1)
    weights["self_attn.v_proj"] /= of_values[:, None]
    norms["post_attention_layernorm"] /= divide_for("mlp.gate_proj", "mlp.up_proj")
    weights["mlp.up_proj"] /= divide_for("mlp.down_proj")[:, None]

    arrays: Arrays = {f"{prefix}.{name}.weight": norm.astype(np.float32) for name, norm in norms.items()}
    if bias is not None:
        arrays[f"{prefix}.self_attn.v_proj.bias"] = bias = (bias / of_values).astype(np.float32)

    def change(name, layer):
        weight = weights[name.removeprefix(f"{prefix}.")]
        if bias is not None and name.endswith("v_proj"):
            layer = replace(layer, bias=Tensor.from_numpy(bias))
        if weight.shape[1] % (how.group_size or 1):
            arrays[f"{name}.weight"] = weight.astype(np.float32)
            return _with_weight(layer, weight)
        numbers, scales, back = _rounded(weight, how)
        arrays.update(_stored(name, numbers, scales, how))
        return _with_weight(layer, back)

    changed = block_with(block, number, change)
    input_norm, post_norm = (Tensor.from_numpy(norms[name].astype(np.float32)) for name in norms)
    changed = replace(
        changed,
        input_norm=replace(block.input_norm, weight=input_norm),
        post_norm=replace(block.post_norm, weight=post_norm),
    )
    return changed, arrays


def _of_value_heads(sizes: np.ndarray, block: Block) -> np.ndarray:
    """sizes [H * D] with the mean of those heads that share a value head in the place of each of them."""
    a = block.attention
    per_head = sizes.reshape(a.kv_heads, a.heads // a.kv_heads, a.head_dim)
    return np.broadcast_to(per_head.mean(axis=1, keepdims=True), per_head.shape).reshape(-1)


def _rounded(weight: np.ndarray, how: Quantisation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole numbers [M, K], scales [M, G], and the weight that they stand for."""
    size = how.group_size or weight.shape[1]
    numbers, scales = round_groups(weight.reshape(-1, size).astype(np.float32), how.bits)
    back = numbers * scales.astype(np.float64)[:, None]
    return numbers.reshape(weight.shape), scales.reshape(len(weight), -1), back.reshape(weight.shape)


def _stored(name: str, numbers: np.ndarray, scales: np.ndarray, how: Quantisation) -> Arrays:
    whole = numbers.astype(np.int8)
    return {
        f"{name}.weight": packed(whole) if how.bits == 4 else whole,
        f"{name}.scales": scales.astype(dtypes.bfloat16),
    }


def _with_weight(layer, weight: np.ndarray) -> Linear:
    return Linear(Tensor.from_numpy(np.ascontiguousarray(weight, np.float32)), layer.bias)
