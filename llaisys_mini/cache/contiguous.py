"""The KV cache: keys and values of the positions already computed, so that each new token needs only its own.

One pair of tensors [capacity, K, D] per layer. The decoder is handed slices of the filled part, without copying.
"""

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.errors import GenerationError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.tensor import Tensor

_FIRST_CAPACITY = 128


class Cache:
    """Keys and values of one text. `ids` are the token ids it was computed from; `length` is their number.

    dtype: how keys and values are stored (float32, float16 or bfloat16); device: where.
    """

    def __init__(self, config: ModelConfig, dtype=dtypes.float32, device: str = "cpu"):
        self.ids: list[int] = []
        self.max_positions = config.max_positions
        self.dtype = np.dtype(dtype)
        self.device = device
        self._shape = (config.kv_heads, config.head_dim)
        self._capacity = min(_FIRST_CAPACITY, config.max_positions)
        self._keys = [self._allocate() for _ in range(config.layers)]
        self._values = [self._allocate() for _ in range(config.layers)]

    @property
    def length(self) -> int:
        """Number of positions that every layer has keys and values for."""
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Bytes allocated for keys and values."""
        return sum(tensor.nbytes for tensor in [*self._keys, *self._values])

    def reserve(self, length: int) -> None:
        """Make room for `length` positions. Raises GenerationError beyond the model's context."""
        if length > self.max_positions:
            raise GenerationError(f"{length} tokens do not fit the model's context of {self.max_positions}")
        if length <= self._capacity:
            return
        self._capacity = min(max(length, 2 * self._capacity), self.max_positions)  # doubling: each copy is rare
        self._keys = [self._grown(tensor) for tensor in self._keys]
        self._values = [self._grown(tensor) for tensor in self._values]

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values [L, K, D] of the next positions; returns those of all positions so far [S, K, D].

        The positions count only after `advance`: every layer appends at the same place first.
        """
        start, end = self.length, self.length + keys.shape[0]
        self._keys[layer].slice(0, start, end).load(keys)
        self._values[layer].slice(0, start, end).load(values)
        return self._keys[layer].slice(0, 0, end), self._values[layer].slice(0, 0, end)

    def advance(self, ids) -> None:
        """Every layer has appended the positions of these token ids."""
        self.ids.extend(int(i) for i in ids)

    def truncate(self, length: int) -> None:
        """Forget all positions from `length` on."""
        del self.ids[length:]

    def common_prefix(self, ids) -> int:
        """How many of the leading `ids` are already in the cache."""
        count = 0
        for mine, other in zip(self.ids, ids, strict=False):
            if mine != other:
                break
            count += 1
        return count

    def _allocate(self) -> Tensor:
        return Tensor.empty((self._capacity, *self._shape), self.dtype, self.device)

    def _grown(self, tensor: Tensor) -> Tensor:
        larger = self._allocate()
        larger.slice(0, 0, self.length).load(tensor.slice(0, 0, self.length))
        return larger
