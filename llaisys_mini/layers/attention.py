"""attention: project, normalise, rotate, look back, project."""

from dataclasses import dataclass, replace

from llaisys_mini.cache.cache import Cache
from llaisys_mini.layers.fused import fuse
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
    query_key_value: the three as one, see `fused`.
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
    query_key_value: AnyLinear | None = None

    def __call__(self, h: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        """h [T, E], the normalised hidden state of rows at `positions` int64 [T] -> [T, E]."""
        rows, width = h.shape[0], self.head_dim
        if self.query_key_value is not None and rows == 1:
            q, k, v = self._of_one_row(self.query_key_value(h), positions)
        else:
            q, k, v = self._of(h, positions)
        mixed = cache.attend(self.layer, q, k, v, width**-0.5, self.window)  # [T, H, D]
        return self.output(mixed.view(rows, self.heads * width))

    def _of(self, h: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q [T, H, D], k and v [T, K, D], the first two normalised and rotated."""
        rows, width = h.shape[0], self.head_dim
        q = self.query(h).view(rows, self.heads, width)
        k = self.key(h).view(rows, self.kv_heads, width)
        v = self.value(h).view(rows, self.kv_heads, width)
        if self.query_norm is not None and self.key_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        return self.rotary(q, positions), self.rotary(k, positions), v

    def _of_one_row(self, projected: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same for T = 1, from all projections [1, (H + 2 K) D]: the heads of a row lie behind each other, and
        those of query and key are rotated together."""
        both = self.heads + self.kv_heads
        heads = projected.view(1, both + self.kv_heads, self.head_dim)
        q_and_k, v = heads.slice(1, 0, both), heads.slice(1, both, both + self.kv_heads)
        if self.query_norm is not None and self.key_norm is not None:
            normalised = Tensor.empty(q_and_k.shape, device=projected.storage.device)
            for norm, first, last in ((self.query_norm, 0, self.heads), (self.key_norm, self.heads, both)):
                norm(q_and_k.slice(1, first, last), out=normalised.slice(1, first, last))
            q_and_k = normalised
        q_and_k = self.rotary(q_and_k, positions)
        return q_and_k.slice(1, 0, self.heads), q_and_k.slice(1, self.heads, both), v

    def fused(self) -> "Attention":
        """With the projections of query, key and value as one for single rows, where they are stored alike."""
        whole, (query, key, value) = fuse([self.query, self.key, self.value])
        return replace(self, query=query, key=key, value=value, query_key_value=whole)
