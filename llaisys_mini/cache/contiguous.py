"""The KV cache of one text: a pair of tensors [capacity, K, D] per layer, of which the front part is filled.

`attention` is handed slices of the filled part, without copying.
"""

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini import operators as ops
from llaisys_mini.cache.cache import Cache
from llaisys_mini.errors import GenerationError
from llaisys_mini.tensor import Tensor

_FIRST_CAPACITY = 128
_NOTHING = np.empty(0, np.int64)


class ContiguousCache(Cache):
    """Keys and values of one text. `ids` are the token ids it was computed from; `length` is their number.

    layers, kv_heads, head_dim: of the model; max_positions: the context, in tokens.
    dtype: how keys and values are stored (float32, float16 or bfloat16); device: where.
    """

    def __init__(
        self, layers: int, kv_heads: int, head_dim: int, max_positions: int, dtype=dtypes.float32, device: str = "cpu"
    ):
        self.ids: list[int] = []
        self.max_positions = max_positions
        self.dtype = np.dtype(dtype)
        self.device = device
        self._shape = (kv_heads, head_dim)
        self._capacity = min(_FIRST_CAPACITY, max_positions)
        self._keys = [self._allocate(self._capacity) for _ in range(layers)]
        self._values = [self._allocate(self._capacity) for _ in range(layers)]
        # Copied to the device once; each pass takes a slice.
        self._positions = Tensor.from_numpy(np.arange(max_positions)).to(device)
        self._begun = _NOTHING

    @property
    def length(self) -> int:
        """Number of positions that every layer has keys and values for."""
        return len(self.ids)

    @property
    def capacity(self) -> int:
        """Number of positions that there is memory for. It doubles when they are full, up to `max_positions`."""
        return self._capacity

    @property
    def nbytes(self) -> int:
        """Bytes allocated for keys and values."""
        return sum(tensor.nbytes for tensor in [*self._keys, *self._values])

    def begin(self, ids: np.ndarray) -> Tensor:
        start, end = self.length, self.length + len(ids)
        self.reserve(end)
        self._begun = ids
        return self._positions.slice(0, start, end)

    @property
    def last_rows(self) -> np.ndarray:
        return np.array([len(self._begun) - 1])

    def attend(
        self,
        layer: int,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        scale: float,
        window: int | None,
        out: Tensor | None = None,
    ) -> Tensor:
        """See Cache. out: where the result is written; by default a new tensor."""
        start, end = self.length, self.length + q.shape[0]
        self._keys[layer].slice(0, start, end).load(k)
        self._values[layer].slice(0, start, end).load(v)
        keys, values = self._keys[layer].slice(0, 0, end), self._values[layer].slice(0, 0, end)
        if window is None:
            return ops.attention(q, keys, values, scale, out=out)
        return ops.sliding_attention(q, keys, values, scale, window, out=out)

    def commit(self) -> None:
        self.ids.extend(self._begun.tolist())
        self._begun = _NOTHING

    def require_room(self, length: int) -> None:
        """Raise GenerationError if `length` positions are more than the model's context."""
        if length > self.max_positions:
            raise GenerationError(f"{length} tokens do not fit the model's context of {self.max_positions}")

    def reserve(self, length: int) -> None:
        """Make room for `length` positions. Raises GenerationError beyond the model's context."""
        self.require_room(length)
        if length <= self._capacity:
            return
        capacity = min(max(length, 2 * self._capacity), self.max_positions)  # doubling: each copy is rare
        self._keys = [self._grown(tensor, capacity) for tensor in self._keys]
        self._values = [self._grown(tensor, capacity) for tensor in self._values]
        self._capacity = capacity  # last: the device's memory may be full

    def truncate(self, length: int) -> None:
        """Forget all positions from `length` on."""
        del self.ids[length:]

    def _allocate(self, capacity: int) -> Tensor:
        return Tensor.empty((capacity, *self._shape), self.dtype, self.device)

    def _grown(self, tensor: Tensor, capacity: int) -> Tensor:
        larger = self._allocate(capacity)
        larger.slice(0, 0, self.length).load(tensor.slice(0, 0, self.length))
        return larger
