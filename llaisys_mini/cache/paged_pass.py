"""One forward pass over rows of several texts whose keys and values lie in pages.

A text that is alone in a pass, and whose pages follow each other, is read by `attention` like any array of keys: what a
learner wrote for one text answers there. Otherwise `paged_attention` reads all texts of the pass; on a CPU to the same
bits.

Shapes: K key/value heads, D head width; T rows, N texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.cache.cache import Cache
from llaisys_mini.cache.packed import PackedArrays
from llaisys_mini.cache.paged import PagedCache, PagedText
from llaisys_mini.devices import HOST
from llaisys_mini.errors import GenerationError
from llaisys_mini.tensor import Tensor

_NARROWEST = 8  # pages in a row of the table
_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class Rows:
    """The next `count` rows of a text in a pass, and of how many of them, the last ones, the logits are wanted."""

    text: PagedText
    count: int
    wanted: int = 1


class PagedPass(Cache):
    """One forward pass over the rows of several texts, for which there are pages already.

    by_operators: do everything by operators, also what is quicker without: a pass that is recorded. by_table: read the
    keys through the table of pages, also where they follow each other.
    Raises GenerationError for no texts, a text without rows, and a text given twice.
    """

    def __init__(self, cache: PagedCache, rows: Sequence[Rows], by_operators: bool = False, by_table: bool = False):
        if not rows or min(part.count for part in rows) < 1:
            raise GenerationError(f"{[part.count for part in rows]} new rows: a pass needs a text, and each text a row")
        if len({id(part.text) for part in rows}) < len(rows):
            raise GenerationError("a text has its rows side by side: the same one was given twice")
        self._cache = cache
        self.rows = rows
        self.count = sum(part.count for part in rows)
        self.one: range | None = None
        self._by_operators = by_operators
        self._by_table = by_table
        self._begun = _NOTHING
        self._described: dict[str, np.ndarray] = {}
        self._arrays: dict[str, Tensor] = {}

    def begin(self, ids: np.ndarray) -> Tensor:
        self.describe(ids)
        return self.arrays["positions"]

    @property
    def arrays(self) -> dict[str, Tensor]:
        """What says where the rows lie, by name, where the keys are."""
        if not self._arrays:
            if self._cache.device == HOST.name:
                self._arrays = {name: Tensor.from_numpy(array) for name, array in self._described.items()}
            else:
                self._arrays = PackedArrays(self._described, self._cache.device).tensors
            for tensor in self._arrays.values():
                tensor.freeze()  # so each layer's call need not look at the numbers again
        return self._arrays

    @property
    def table_width(self) -> int | None:
        """Pages in a row of the table; None for a text that is read without one."""
        return self._described["table"].shape[1] if self._described else None

    def describe(self, ids: np.ndarray) -> None:
        """The first part of `begin`: work out where the rows lie, on the host. Raises what that raises."""
        if len(ids) != self.count:
            raise GenerationError(f"{len(ids)} ids were given for {self.count} rows")
        if self._begun is ids:
            return
        self._begun = ids
        if len(self.rows) == 1 and not self._by_table and (place := self._place_of(self.rows[0])) is not None:
            self.one = place
            new = len(place) - self.count
            self._arrays = {"positions": self._cache.positions.slice(0, new, len(place))}
            if self._by_operators:
                self._arrays["slots"] = self._cache.slots.slice(0, place.stop - self.count, place.stop)
            return
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
        self._described = {
            "positions": places,
            "slots": (table[text, places // size] * size + places % size).astype(np.int32),
            "table": table,
            "lengths": np.add(stored, counts, dtype=np.int32),
            "starts": starts,
        }

    def inputs(self) -> dict[str, np.ndarray]:
        """What a step that was described is given, by name, on the host: its ids, and all that says where its rows
        lie."""
        described = self._described or {name: tensor.numpy() for name, tensor in self._arrays.items()}
        return {"ids": self._begun, **described}

    @property
    def last_rows(self) -> np.ndarray:
        ends = np.cumsum([part.count for part in self.rows])
        return np.concatenate([np.arange(end - part.wanted, end) for part, end in zip(self.rows, ends, strict=True)])

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, window: int | None) -> Tensor:
        if self.one is None:
            return self._cache.attend(layer, self.arrays, q, k, v, scale, window)
        if self._by_operators:
            ops.store_pages(k, v, self.arrays["slots"], *self._cache.layer(layer))
        return self._attend_one(self.one, *self._cache.side_by_side(layer), q, k, v, scale, window)

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
