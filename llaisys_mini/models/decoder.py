"""The Qwen decoder, written once for Qwen2, Qwen2.5, Qwen3 and DeepSeek-R1-Distill-Qwen.

    x = embedding(ids)
    x = x + attention(norm(x))      in each block, then
    x = x + mlp(norm(x))
    logits = head(norm(x))

Everything is computed by operators, so whichever kernels are chosen answer here. Where the families differ (biases,
norms on query and key, tied embeddings, RoPE scaling, windows), loading.py gives a block other parts.

Shapes: T rows, the new positions of one text or of several; E hidden width, V vocabulary.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.cache.cache import Cache
from llaisys_mini.layers.attention import Attention
from llaisys_mini.layers.mlp import MLP
from llaisys_mini.layers.norm import RMSNorm
from llaisys_mini.layers.quantised import AnyLinear
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.tensor import Tensor

_place: ContextVar[str] = ContextVar("place", default="")


@dataclass(frozen=True)
class Block:
    """One decoder block: attention and the feed-forward part, each behind a norm and added to the residual stream."""

    input_norm: RMSNorm
    attention: Attention
    post_norm: RMSNorm
    mlp: MLP

    def __call__(self, x: Tensor, step: Tensor | None, positions: Tensor, cache: Cache) -> tuple[Tensor, Tensor]:
        """The residual stream is x + step, both [T, E]: what the part before has to add is added together with the
        norm that follows. step is None for the first block.

        Returns the stream after attention, and the step that the feed-forward part adds to it.
        """
        x, h = self.input_norm.add(x, step)
        x, h = self.post_norm.add(x, self.attention(h, positions, cache))
        return x, self.mlp(h)


class Decoder:
    """The forward pass. embeddings: [V, E]; layers: the blocks, at least one; device: where all weights are.

    notes: what a user should know about how the weights are kept, a line each.
    """

    def __init__(
        self,
        config: ModelConfig,
        embeddings: Tensor,
        layers: Sequence[Block],
        final_norm: RMSNorm,
        head: AnyLinear,
        device: str = "cpu",
        notes: Sequence[str] = (),
    ):
        self.config = config
        self.embeddings = embeddings
        self.layers = layers
        self.final_norm = final_norm
        self.head = head
        self.device = device
        self.notes = notes

    @property
    def place(self) -> str:
        """The part that the running thread is computing, for reports: "embedding", "layer 3", "head"."""
        return _place.get()

    def embed(self, ids: np.ndarray | Tensor) -> Tensor:
        """The rows of the embeddings for ids int64 [T] -> [T, E]."""
        ids = ids if isinstance(ids, Tensor) else Tensor.from_numpy(ids)
        return ops.embedding(ids.to(self.device), self.embeddings)

    def forward(self, ids: np.ndarray | Tensor, cache: Cache, last_only: bool = False) -> Tensor:
        """Logits of the next token after each of the new `ids` (int64 [T]); `cache` says whose rows they are, and grows
        by them.

        Returns float32 [T, V], or with `last_only` [N, V]: those after the rows that `cache` tells, as a rule the last
        one of each text.
        Raises GenerationError beyond the context.
        """
        positions = cache.begin(ids)  # type: ignore[arg-type]  # a pass that is recorded has them on the device
        _place.set("embedding")
        x, step = self.embed(ids), None
        for number, block in enumerate(self.layers):
            _place.set(f"layer {number}")
            x, step = block(x, step, positions, cache)
        _place.set("head")
        assert step is not None  # a decoder has at least one layer
        if last_only:
            rows = cache.last_rows
            x, step = _rows(x, rows), _rows(step, rows)
        if len(x):
            _, h = self.final_norm.add(x, step)
            logits = self.head(h)
        else:  # only the beginnings of prompts were read
            logits = Tensor.empty((0, self.config.vocab_size), device=self.device)
        cache.commit()
        return logits


def _rows(x: Tensor, rows: np.ndarray) -> Tensor:
    """The chosen rows int64 [N], ascending, of x [T, E] -> [N, E]."""
    if len(rows) == len(x):
        return x
    if len(rows) < 2:
        first = int(rows[0]) if len(rows) else 0
        return x.slice(0, first, first + len(rows))
    return ops.embedding(Tensor.from_numpy(rows).to(x.device), x)  # to look rows up in a table is to choose them
