"""A paged KV cache: keys and values of many texts in pages of equal size, which texts with a common beginning share.

    cache = PagedCache(layers, kv_heads, head_dim, max_positions)
    text = PagedText()
    cache.adopt(text, ids)                    what is stored of these ids already is not computed again
    cache.reserve(text, len(ids))             pages for the rest
    step = PagedPass(cache, [Rows(text, 7)])  (paged_pass.py) the next seven rows of this text, beside rows of others
    logits = decoder.forward(ids[...], step, last_only=True)
    cache.publish(text)                       its full pages may be shared from now on
    cache.free(text)

Shapes: P pages, B positions each, K key/value heads, D head width; T rows, N texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini import operators as ops
from llaisys_mini.cache.pool import Key, PagePool, PagesExhausted, page_keys
from llaisys_mini.errors import GenerationError
from llaisys_mini.tensor import Tensor

PAGE_SIZE = 16
"""Positions of a page. Small pages waste little at a text's end; large ones need fewer numbers in the table."""

_FIRST_PAGES = 8


@dataclass(eq=False)
class PagedText:
    """A text in a PagedCache. ids: those whose keys and values are stored; pages: where; keys: of its full pages."""

    ids: list[int] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Number of positions that every layer has keys and values for."""
        return len(self.ids)


class PagedCache:
    """Keys and values of many texts of one model.

    layers, kv_heads, head_dim: of the model; max_positions: the longest text, in tokens.
    dtype: how keys and values are stored (float32, float16 or bfloat16); device: where.
    pages: how many there may be, of page_size positions; None for as many as one text of max_positions needs. Memory is
    taken as pages are used.
    """

    def __init__(
        self,
        layers: int,
        kv_heads: int,
        head_dim: int,
        max_positions: int,
        dtype=dtypes.float32,
        device: str = "cpu",
        pages: int | None = None,
        page_size: int = PAGE_SIZE,
    ):
        if pages is None:
            pages = -(-max_positions // page_size)
        self.pool = PagePool(pages, page_size)
        self.max_positions = min(max_positions, pages * page_size)
        self.dtype = np.dtype(dtype)
        self.device = device
        self.positions = Tensor.from_numpy(np.arange(self.max_positions)).to(device)  # copied once
        self.slots = Tensor.from_numpy(np.arange(pages * page_size, dtype=np.int32)).freeze()
        self._shape = (page_size, kv_heads, head_dim)
        self._allocated = min(_FIRST_PAGES, pages)
        self._layers = [(self._allocate(self._allocated), self._allocate(self._allocated)) for _ in range(layers)]
        self._flat: list[tuple[Tensor, Tensor]] = []  # the same memory; made when it is asked for

    @property
    def nbytes(self) -> int:
        """Bytes allocated for keys and values."""
        return sum(tensor.nbytes for pair in self._layers for tensor in pair)

    @property
    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Of each decoder block the key pages and value pages; another list when they have moved in memory."""
        return self._layers

    @property
    def allocated(self) -> int:
        """Pages that there is memory for."""
        return self._allocated

    def memory(self) -> dict[str, np.ndarray]:
        """The pages of all decoder blocks by name, [P, B, K, D] each, on the host."""
        return {
            f"{name}{number}": tensor.numpy()
            for number, pair in enumerate(self._layers)
            for name, tensor in zip(("keys", "values"), pair, strict=True)
        }

    def layer(self, number: int) -> tuple[Tensor, Tensor]:
        """The key pages and value pages of a decoder block, [P, B, K, D] each."""
        return self._layers[number]

    def side_by_side(self, number: int) -> tuple[Tensor, Tensor]:
        """The same pages one after the other, [P * B, K, D] each."""
        if not self._flat:
            self._flat = [(_flat(keys), _flat(values)) for keys, values in self._layers]
        return self._flat[number]

    def attend(
        self,
        layer: int,
        arrays: Mapping[str, Tensor],
        q: Tensor,
        k: Tensor,
        v: Tensor,
        scale: float,
        window: int | None,
    ) -> Tensor:
        """As Cache.attend, for rows that `arrays` describes as PagedPass.arrays does, by the table of their pages."""
        keys, values = self._layers[layer]
        ops.store_pages(k, v, arrays["slots"], keys, values)
        table, lengths, starts = (arrays[name] for name in ("table", "lengths", "starts"))
        seen = self.max_positions if window is None else window
        return ops.paged_attention(q, keys, values, table, lengths, starts, scale, seen)

    def pages_for(self, length: int) -> int:
        """How many pages a text of that many positions needs."""
        return -(-length // self.pool.size)

    def adopt(self, text: PagedText, ids: Sequence[int]) -> None:
        """Begin the empty `text` with what is stored of `ids` already, in whole pages.

        The last id is always left to be computed, since its logits choose the next token.
        """
        keys = page_keys(ids[: max(0, len(ids) - 1)], self.pool.size)
        pages = self.pool.find(keys)
        self.pool.share(pages)
        text.pages[:], text.keys[:] = pages, keys[: len(pages)]
        text.ids[:] = ids[: len(pages) * self.pool.size]

    def reserve(self, text: PagedText, length: int) -> None:
        """Give the text pages for `length` positions. Raises PagesExhausted, and then has changed nothing."""
        missing = self.pages_for(length) - len(text.pages)
        if missing > self.pool.available:
            raise PagesExhausted(f"{missing} pages are wanted, and {self.pool.available} are left")
        text.pages.extend(self.pool.take() for _ in range(missing))
        if self.pool.touched > self._allocated:
            self._grow(self.pool.touched)

    def publish(self, text: PagedText) -> None:
        """Let other texts share the pages of `text` that are full: it does not write into them any more."""
        size, known = self.pool.size, len(text.keys)
        if text.length // size > known:
            text.keys = page_keys(text.ids, size, text.keys)
            for page, key in zip(text.pages[known:], text.keys[known:], strict=False):
                self.pool.publish(page, key)

    def truncate(self, text: PagedText, length: int) -> None:
        """Forget all positions of the text from `length` on. Raises GenerationError where some lie in pages that were
        published."""
        if length < len(text.keys) * self.pool.size:
            raise GenerationError("pages that other texts may share cannot be shortened")
        del text.ids[length:]
        self._trim(text)

    def free(self, text: PagedText) -> None:
        """The text is given up. Its full pages are kept for texts that begin like it, until their place is needed."""
        self.pool.release(text.pages)
        for each in (text.ids, text.pages, text.keys):
            each.clear()

    def _trim(self, text: PagedText) -> None:
        needed = self.pages_for(text.length)
        self.pool.release(text.pages[needed:])
        del text.pages[needed:]

    def _allocate(self, pages: int) -> Tensor:
        return Tensor.empty((pages, *self._shape), self.dtype, self.device)

    def _grow(self, pages: int) -> None:
        pages = min(max(pages, 2 * self._allocated), self.pool.pages)  # doubling: each copy is rare
        self._layers = [(self._grown(keys, pages), self._grown(values, pages)) for keys, values in self._layers]
        self._flat.clear()
        self._allocated = pages  # last: the device's memory may be full

    def _grown(self, tensor: Tensor, pages: int) -> Tensor:
        larger = self._allocate(pages)
        larger.slice(0, 0, self._allocated).load(tensor)
        return larger


def _flat(pages: Tensor) -> Tensor:
    """[P, B, K, D] -> [P * B, K, D]."""
    return pages.view(-1, *pages.shape[2:])
