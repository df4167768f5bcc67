"""A paged KV cache: keys and values of many texts in pages of equal size, which texts with a common beginning share.

A text that is alone in a pass, and whose pages follow each other, is read by `attention` like any array of keys: what a
learner wrote for one text answers there. Otherwise `paged_attention` reads all texts of the pass, to the same bits.

    cache = PagedCache(layers, kv_heads, head_dim, max_positions)
    text = PagedText()
    cache.adopt(text, ids)                    what is stored of these ids already is not computed again
    cache.reserve(text, len(ids))             pages for the rest
    step = PagedPass(cache, [Rows(text, 7)])  the next seven rows of this text, beside rows of others
    logits = decoder.forward(ids[...], step, last_only=True)
    cache.publish(text)                       its full pages may be shared from now on
    cache.free(text)

Shapes: P pages, B positions each, K key/value heads, D head width; T rows, N texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini import operators as ops
from llaisys_mini.cache.cache import Cache
from llaisys_mini.cache.pool import Key, PagePool, PagesExhausted, page_keys
from llaisys_mini.errors import GenerationError
from llaisys_mini.tensor import Tensor

PAGE_SIZE = 16
"""Positions of a page. Small pages waste little at a text's end; large ones need fewer numbers in the table."""

_FIRST_PAGES = 8
_NARROWEST = 8  # pages in a row of the table
_NOTHING = np.empty(0, np.int64)


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
        """Forget all positions of the text from `length` on, which lie behind what was published."""
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


@dataclass(frozen=True)
class Rows:
    """The next `count` rows of a text in a pass, and of how many of them, the last ones, the logits are wanted."""

    text: PagedText
    count: int
    wanted: int = 1


class PagedPass(Cache):
    """One forward pass over the rows of several texts, for which there are pages already.

    by_operators: do everything by operators, also what is quicker without: a pass that is recorded.
    Raises GenerationError for no texts, a text without rows, and a text given twice.
    """

    def __init__(self, cache: PagedCache, rows: Sequence[Rows], by_operators: bool = False):
        if not rows or min(part.count for part in rows) < 1:
            raise GenerationError(f"{[part.count for part in rows]} new rows: a pass needs a text, and each text a row")
        if len({id(part.text) for part in rows}) < len(rows):
            raise GenerationError("a text has its rows side by side: the same one was given twice")
        self._cache = cache
        self.rows = rows
        self.count = sum(part.count for part in rows)
        self.arrays: dict[str, Tensor] = {}
        self.one: range | None = None
        self._by_operators = by_operators
        self._begun = _NOTHING

    def begin(self, ids: np.ndarray) -> Tensor:
        if len(ids) != self.count:
            raise GenerationError(f"{len(ids)} ids were given for {self.count} rows")
        if self._begun is ids:
            return self.arrays["positions"]
        self._begun = ids
        if len(self.rows) == 1 and (place := self._place_of(self.rows[0])) is not None:
            self.one = place
            self.arrays["positions"] = positions = self._cache.positions.slice(0, len(place) - self.count, len(place))
            if self._by_operators:
                self.arrays["slots"] = self._cache.slots.slice(0, place.stop - self.count, place.stop)
            return positions
        counts = [part.count for part in self.rows]
        stored, size = [part.text.length for part in self.rows], self._cache.pool.size
        for number, (part, before) in enumerate(zip(self.rows, stored, strict=True)):
            if before + part.count > len(part.text.pages) * size:
                raise GenerationError(f"text {number} has no pages for {before + part.count} positions: reserve them")
        widest = max(len(part.text.pages) for part in self.rows)
        # A power of two, so that few kinds of calls occur, each of which is planned, and may be captured, anew.
        table = np.zeros((len(counts), max(_NARROWEST, 1 << (widest - 1).bit_length())), np.int32)
        for number, part in enumerate(self.rows):
            table[number, : len(part.text.pages)] = part.text.pages
        starts = np.cumsum([0, *counts], dtype=np.int32)
        text = np.repeat(np.arange(len(counts)), counts)  # of each row
        places = np.arange(self.count) + (np.array(stored) - starts[:-1])[text]
        self.arrays = {
            "positions": Tensor.from_numpy(places).to(self._cache.device),
            "slots": self._index(table[text, places // size] * size + places % size),
            "table": self._index(table),
            "lengths": self._index(np.add(stored, counts)),
            "starts": self._index(starts),
        }
        return self.arrays["positions"]

    def inputs(self) -> dict[str, np.ndarray]:
        """What a step that was begun is given, by name, on the host: its ids, and all that says where its rows lie."""
        return {"ids": self._begun, **{name: tensor.numpy() for name, tensor in self.arrays.items()}}

    @property
    def last_rows(self) -> np.ndarray:
        ends = np.cumsum([part.count for part in self.rows])
        return np.concatenate([np.arange(end - part.wanted, end) for part, end in zip(self.rows, ends, strict=True)])

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, window: int | None) -> Tensor:
        keys, values = self._cache.layer(layer)
        if self.one is None or self._by_operators:
            ops.store_pages(k, v, self.arrays["slots"], keys, values)
        if self.one is not None:
            return self._attend_one(self.one, *self._cache.side_by_side(layer), q, k, v, scale, window)
        table, lengths, starts = (self.arrays[name] for name in ("table", "lengths", "starts"))
        seen = self._cache.max_positions if window is None else window
        return ops.paged_attention(q, keys, values, table, lengths, starts, scale, seen)

    def _place_of(self, part: Rows) -> range | None:
        """Where a text lies with its new rows, counted over all pages, if these follow each other."""
        pages, size = part.text.pages, self._cache.pool.size
        length = part.text.length + part.count
        if length > len(pages) * size or pages != list(range(pages[0], pages[0] + len(pages))):
            return None
        return range(pages[0] * size, pages[0] * size + length)

    def _attend_one(
        self, place: range, keys: Tensor, values: Tensor, q: Tensor, k: Tensor, v: Tensor, scale: float, window
    ) -> Tensor:
        if not self._by_operators:
            for stored, new in ((keys, k), (values, v)):
                stored.slice(0, place.stop - len(new), place.stop).load(new)
        keys, values = keys.slice(0, place.start, place.stop), values.slice(0, place.start, place.stop)
        if window is None:
            return ops.attention(q, keys, values, scale)
        return ops.sliding_attention(q, keys, values, scale, window)

    def commit(self) -> None:
        start = 0
        ids = self._begun.tolist()
        for part in self.rows:
            part.text.ids.extend(ids[start : start + part.count])
            start += part.count
        self._begun = _NOTHING

    def _index(self, array: np.ndarray) -> Tensor:
        """On the device, and with a promise not to change: so each layer's call need not look at the numbers again."""
        return Tensor.from_numpy(np.ascontiguousarray(array, np.int32)).to(self._cache.device).freeze()


def _flat(pages: Tensor) -> Tensor:
    """[P, B, K, D] -> [P * B, K, D]."""
    return pages.view(-1, *pages.shape[2:])
