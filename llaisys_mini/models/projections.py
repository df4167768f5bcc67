"""A decoder with other projections: what quantisation and pruning put in the place of each, and what inputs each gets.

A projection is called by its name in a checkpoint, such as "model.layers.0.mlp.up_proj".
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from llaisys_mini.cache.cache import Cache
from llaisys_mini.layers.linear import Linear
from llaisys_mini.layers.quantised import AnyLinear
from llaisys_mini.models.decoder import Block, Decoder
from llaisys_mini.tensor import Tensor

IN_ATTENTION = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}
IN_MLP = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
SAME_INPUT = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}
"""Projections that get the input of another one of their block."""

Change = Callable[[str, AnyLinear], AnyLinear]
"""(name, projection) -> what stands in its place."""


def block_with(block: Block, number: int, change: Change) -> Block:
    """Block `number` with change(name, projection) in the place of each of its seven projections."""
    prefix = f"model.layers.{number}"
    attention = {a: change(f"{prefix}.self_attn.{b}", getattr(block.attention, a)) for a, b in IN_ATTENTION.items()}
    mlp = {a: change(f"{prefix}.mlp.{b}", getattr(block.mlp, a)) for a, b in IN_MLP.items()}
    return replace(block, attention=replace(block.attention, **attention), mlp=replace(block.mlp, **mlp))


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
    """A projection that counts what it is given."""

    layer: AnyLinear
    inputs: Inputs
    weight: Tensor = field(init=False)
    bias: Tensor | None = field(init=False)

    def __call__(self, x: Tensor) -> Tensor:
        self.inputs.add(x.numpy())
        return self.layer(x)


def watched(inputs: dict[str, Inputs]) -> Change:
    """A change that fills `inputs` by name: those that share an input share its entry."""

    def change(name: str, layer: AnyLinear) -> AnyLinear:
        prefix, _, last = name.rpartition(".")
        if last in SAME_INPUT:
            inputs[name] = inputs[f"{prefix}.{SAME_INPUT[last]}"]
            return layer
        inputs[name] = Inputs.of_width(floats(layer).shape[1])
        return Watched(layer, inputs[name])

    return change


def inputs_of(decoder: Decoder, texts: Iterable[Sequence[int]], new_cache: Callable[[], Cache]) -> dict[str, Inputs]:
    """What every projection is given while the decoder reads the token ids `texts`."""
    inputs: dict[str, Inputs] = {}
    reader = with_projections(decoder, watched(inputs))
    for ids in texts:
        reader.forward(np.asarray(ids, np.int64), new_cache())
    return inputs
