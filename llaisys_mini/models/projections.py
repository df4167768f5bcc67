"""A decoder with other projections: what quantisation and pruning put in the place of each, and what inputs each gets.

A projection is called by its name in a checkpoint, such as "model.layers.0.mlp.up_proj".
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llaisys_mini.cache.cache import Cache
from llaisys_mini.layers.linear import Linear
from llaisys_mini.layers.quantised import AnyLinear
from llaisys_mini.models.decoder import Block, Decoder
from llaisys_mini.quantisation.grid import rounded
from llaisys_mini.tensor import Tensor

IN_ATTENTION = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}
IN_MLP = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
SAME_INPUT = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}
"""Projections that get the input of another one of their block."""

Change = Callable[[str, AnyLinear], Any]
"""(name, projection) -> what stands in its place: anything that is called as a projection is."""


def block_with(block: Block, number: int, change: Change) -> Block:
    """Block `number` with change(name, projection) in the place of each of its seven projections."""
    prefix = f"model.layers.{number}"
    attention = {a: change(f"{prefix}.self_attn.{b}", getattr(block.attention, a)) for a, b in IN_ATTENTION.items()}
    mlp = {a: change(f"{prefix}.mlp.{b}", getattr(block.mlp, a)) for a, b in IN_MLP.items()}
    return replace(
        block,
        attention=replace(block.attention, **attention, query_key_value=None),
        mlp=replace(block.mlp, **mlp, gate_up=None),
    )


def with_projections(decoder: Decoder, change: Change) -> Decoder:
    """A decoder with change(name, projection) in the place of each projection of its blocks. The head stays."""
    blocks = [block_with(block, number, change) for number, block in enumerate(decoder.layers)]
    return with_layers(decoder, blocks)


def with_layers(decoder: Decoder, blocks: Sequence[Block]) -> Decoder:
    """The decoder with other blocks."""
    d = decoder
    return Decoder(d.config, d.embeddings, blocks, d.final_norm, d.head, d.device, d.notes)


def with_weights(decoder: Decoder, weight_of: Callable[[str, np.ndarray], np.ndarray]) -> Decoder:
    """A decoder that computes with weight_of(name, weight float32 [M, K]) in the place of each projection's weight."""

    def change(name: str, layer: AnyLinear) -> AnyLinear:
        weight = weight_of(name, floats(layer))
        return Linear(
            Tensor.from_numpy(np.ascontiguousarray(weight, np.float32)).to(decoder.device).freeze(), layer.bias
        )

    return with_projections(decoder, change)


def floats(layer: AnyLinear) -> np.ndarray:
    """The weight of a projection that is not quantised, float32 [M, K]."""
    return np.asarray(layer.weight.numpy(), np.float32)


@dataclass
class Inputs:
    """What a projection was given: gram [K, K] the sum of x^T x, sizes [K] the sum and largest [K] the maximum of |x|,
    over `rows` rows."""

    gram: np.ndarray
    sizes: np.ndarray
    largest: np.ndarray
    rows: int = 0

    @classmethod
    def of_width(cls, width: int) -> "Inputs":
        """Of a projection that was given no rows yet; width: K."""
        return cls(np.zeros((width, width)), np.zeros(width), np.zeros(width))

    @property
    def mean_sizes(self) -> np.ndarray:
        """[K]: the mean |x|."""
        return self.sizes / max(self.rows, 1)

    def add(self, x: np.ndarray) -> None:
        """Count the rows x [T, K] too."""
        x = x.astype(np.float64)
        self.gram += x.T @ x
        self.sizes += np.abs(x).sum(axis=0)
        self.largest = np.maximum(self.largest, np.abs(x).max(axis=0))
        self.rows += len(x)


@dataclass(frozen=True)
class Watched:
    """A projection whose inputs x [T, K] are told to `note` before it computes."""

    layer: AnyLinear
    note: Callable[[np.ndarray], None]

    def __call__(self, x: Tensor) -> Tensor:
        self.note(x.numpy())
        return self.layer(x)


@dataclass(frozen=True)
class RoundedInputs:
    """A projection whose inputs are divided by `divisor` [K] and then rounded to `bits` bits, symmetrically, with a
    scale for each row."""

    layer: AnyLinear
    divisor: np.ndarray
    bits: int

    def __call__(self, x: Tensor) -> Tensor:
        divided = x.numpy() / self.divisor
        return self.layer(Tensor.from_numpy(rounded(divided, self.bits).astype(np.float32)))


def reads_with(name: str) -> str:
    """The first projection of the block that gets the input of the projection `name`: itself, q_proj or gate_proj."""
    prefix, _, last = name.rpartition(".")
    return f"{prefix}.{SAME_INPUT.get(last, last)}"


def watched(inputs: dict[str, Inputs]) -> Change:
    """A change that fills `inputs` by name: those that share an input share its entry."""

    def change(name: str, layer: AnyLinear) -> Any:
        if reads_with(name) != name:
            inputs[name] = inputs[reads_with(name)]
            return layer
        inputs[name] = Inputs.of_width(floats(layer).shape[1])
        return Watched(layer, inputs[name].add)

    return change


def inputs_of(decoder: Decoder, texts: Iterable[Sequence[int]], new_cache: Callable[[], Cache]) -> dict[str, Inputs]:
    """What every projection is given while the decoder reads the token ids `texts`."""
    inputs: dict[str, Inputs] = {}
    _read(with_projections(decoder, watched(inputs)), texts, new_cache)
    return inputs


def rows_of(decoder: Decoder, texts: Iterable[Sequence[int]], new_cache: Callable[[], Cache]) -> dict[str, np.ndarray]:
    """All inputs [T, K] of each projection that is the first to read them (reads_with), on the token ids `texts`."""
    parts: dict[str, list[np.ndarray]] = {}

    def change(name: str, layer: AnyLinear) -> Any:
        if reads_with(name) != name:
            return layer
        parts[name] = []
        return Watched(layer, lambda x: parts[name].append(x.copy()))

    _read(with_projections(decoder, change), texts, new_cache)
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def weights_of(decoder: Decoder) -> dict[str, np.ndarray]:
    """Name -> weight float32 [M, K] of each projection of a decoder that is not quantised."""
    weights: dict[str, np.ndarray] = {}

    def change(name: str, layer: AnyLinear) -> AnyLinear:
        weights[name] = floats(layer)
        return layer

    with_projections(decoder, change)
    return weights


def _read(decoder: Decoder, texts: Iterable[Sequence[int]], new_cache: Callable[[], Cache]) -> None:
    for ids in texts:
        decoder.forward(np.asarray(ids, np.int64), new_cache())
