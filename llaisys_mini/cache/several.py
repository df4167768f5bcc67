"""Several texts in one forward pass: their caches side by side.

All of the pass but attention treats a row alike, whatever text it belongs to. So the rows of all texts go through the
decoder together, text after text, and only `attend` splits them. A prompt may stand beside texts that each get one more
token:

    cache = SeveralTexts([a, b, c], [1, 7, 1])    the next row of a, seven of b, the next row of c
    logits = decoder.forward(ids, cache, last_only=True)    ids int64 [9] -> [3, V]
"""

from collections.abc import Sequence

import numpy as np

from llaisys_mini.cache.cache import Cache
from llaisys_mini.cache.contiguous import ContiguousCache
from llaisys_mini.errors import GenerationError
from llaisys_mini.tensor import Tensor


class SeveralTexts(Cache):
    """The caches of N texts of one model, for one forward pass: `counts[n]` new rows belong to `caches[n]`.

    Raises GenerationError for no texts, a text without rows, and a cache given twice.
    """

    def __init__(self, caches: Sequence[ContiguousCache], counts: Sequence[int]):
        if not caches or len(caches) != len(counts) or min(counts) < 1:
            raise GenerationError(f"{len(caches)} texts with {list(counts)} new rows: give each text at least one row")
        if len({id(cache) for cache in caches}) < len(caches):
            raise GenerationError("a cache holds one text: the same one was given twice")
        ends = np.cumsum(counts)
        self._last_rows = ends - 1
        starts = [0, *ends[:-1].tolist()]
        self._parts = list(zip(caches, starts, ends.tolist(), strict=True))  # (cache, first row, end of its rows)

    def begin(self, ids: np.ndarray) -> Tensor:
        rows = self._parts[-1][2]
        if len(ids) != rows:
            raise GenerationError(f"{len(ids)} ids were given for {rows} rows")
        positions = []
        for number, (cache, first, end) in enumerate(self._parts):
            length = cache.length + end - first
            try:
                cache.require_room(length)
            except GenerationError as problem:
                raise GenerationError(f"text {number}: {problem}") from None
            positions.append(np.arange(cache.length, length))
        for cache, first, end in self._parts:  # only now that all of them have room
            cache.begin(ids[first:end])
        return Tensor.from_numpy(np.concatenate(positions)).to(self._parts[0][0].device)

    @property
    def last_rows(self) -> np.ndarray:
        return self._last_rows

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, window: int | None) -> Tensor:
        mixed = Tensor.empty(q.shape, q.dtype, q.device)
        for cache, first, end in self._parts:
            own_q, own_k, own_v, out = (tensor.slice(0, first, end) for tensor in (q, k, v, mixed))
            cache.attend(layer, own_q, own_k, own_v, scale, window, out)
        return mixed

    def commit(self) -> None:
        for cache, _, _ in self._parts:
            cache.commit()
