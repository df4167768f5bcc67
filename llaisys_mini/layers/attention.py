"""attention: project, normalise, rotate, look back, project."""

from dataclasses import dataclass

from llaisys_mini.cache.cache import Cache
from llaisys_mini.layers.norm import RMSNorm
from llaisys_mini.layers.quantised import AnyLinear
from llaisys_mini.layers.rotary import AnyRotary
from llaisys_mini.tensor import Tensor


@dataclass(frozen=True)
class Attention:
    """Self-attention with grouped queries. The norms of query and key are None where the family has none.

    layer: number of the decoder block, under which the cache keeps keys and values.
    heads, kv_heads, head_dim: H, K and D.
    window: how many of the latest positions are seen, the row's own included; None for all.
    """

    layer: int
    heads: int
    kv_heads: int
    head_dim: int
    window: int | None
    query: AnyLinear
    key: AnyLinear
    value: AnyLinear
    query_norm: RMSNorm | None
    key_norm: RMSNorm | None
    rotary: AnyRotary
    output: AnyLinear

    def __call__(self, h: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        """h [T, E], the normalised hidden state of rows at `positions` int64 [T] -> [T, E]."""
        rows, width = h.shape[0], self.head_dim
        q = self.query(h).view(rows, self.heads, width)  # [T, H, D]
        k = self.key(h).view(rows, self.kv_heads, width)  # [T, K, D]
        v = self.value(h).view(rows, self.kv_heads, width)  # [T, K, D]
        if self.query_norm is not None and self.key_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        q, k = self.rotary(q, positions), self.rotary(k, positions)
        mixed = cache.attend(self.layer, q, k, v, width**-0.5, self.window)  # [T, H, D]
        return self.output(mixed.view(rows, self.heads * width))
