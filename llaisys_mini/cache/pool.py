"""The pages of a paged KV cache: which are in use, by how many texts, and what the full ones hold.

Only page numbers are handled here; the numbers in the pages are `paged`'s.

A page that is full can be found by its key, a hash over all token ids from the beginning of its text to the end of the
page. Another text that begins with the same ids shares the page instead of computing it again. A page that no text uses
any more keeps its content and its key until its place is needed: those that were left longest ago go first.

Source: the block manager of vLLM (Kwon et al. 2023, arXiv:2309.06180) and its automatic prefix caching.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np

from llaisys_mini.errors import GenerationError

Key = bytes


class PagesExhausted(GenerationError):
    """Every page is in use."""


def page_keys(ids: Sequence[int], size: int, known: Sequence[Key] = ()) -> list[Key]:
    """The keys of the full pages of a text: each a hash of the key before it and of the page's `size` token ids.

    known: keys of the leading pages, if they were computed before.
    """
    keys = list(known)
    for page in range(len(keys), len(ids) // size):
        before = keys[-1] if keys else b""
        own = np.asarray(ids[page * size : (page + 1) * size], np.int64).tobytes()
        keys.append(hashlib.blake2b(before + own, digest_size=16).digest())
    return keys


class PagePool:
    """`pages` pages of `size` positions each. Raises GenerationError where there is not one page or position."""

    def __init__(self, pages: int, size: int):
        if pages < 1 or size < 1:
            raise GenerationError(f"a cache of {pages} pages of {size} positions holds nothing: give at least one each")
        self.pages = pages
        self.size = size
        self._users: dict[int, int] = {}  # page -> how many texts use it
        self._empty: list[int] = []  # used before, and now by nobody, with nothing worth keeping
        self._never_used = 0  # all pages from this one on
        self._key_of: dict[int, Key] = {}
        self._page_of: dict[Key, int] = {}
        self._kept: OrderedDict[int, None] = OrderedDict()  # full, used by nobody; the one left longest ago first

    @property
    def in_use(self) -> int:
        """How many pages belong to a text."""
        return len(self._users)

    @property
    def available(self) -> int:
        """How many pages can be taken."""
        return self.pages - len(self._users)

    @property
    def touched(self) -> int:
        """All pages that were ever taken have numbers below this."""
        return self._never_used

    def users(self, page: int) -> int:
        """How many texts use the page."""
        return self._users.get(page, 0)

    def is_shareable(self, page: int) -> bool:
        """Whether the page can be found by a key, so that nobody may write into it any more."""
        return page in self._key_of

    def take(self) -> int:
        """A page for a text to write into. Raises PagesExhausted if all are in use."""
        if self._empty:
            page = self._empty.pop()
        elif self._never_used < self.pages:
            page = self._never_used
            self._never_used += 1
        elif self._kept:
            page, _ = self._kept.popitem(last=False)
            del self._page_of[self._key_of.pop(page)]
        else:
            raise PagesExhausted(f"all {self.pages} pages of the KV cache are in use")
        self._users[page] = 1
        return page

    def release(self, pages: Iterable[int]) -> None:
        """A text no longer uses these pages, which are in the order of its positions."""
        for page in reversed(list(pages)):  # so that the end of a text is given up before its beginning
            self._users[page] -= 1
            if self._users[page] == 0:
                del self._users[page]
                if page in self._key_of:
                    self._kept[page] = None
                else:
                    self._empty.append(page)

    def publish(self, page: int, key: Key) -> None:
        """The page is full: from now on it is found by its key. A key that another page has already stays with that."""
        if key not in self._page_of and page not in self._key_of:
            self._key_of[page] = key
            self._page_of[key] = page

    def find(self, keys: Sequence[Key]) -> list[int]:
        """The pages of the longest run of leading keys that are known. They are not taken: see `share`."""
        found = []
        for key in keys:
            page = self._page_of.get(key)
            if page is None:
                break
            found.append(page)
        return found

    def share(self, pages: Iterable[int]) -> None:
        """One more text uses these pages, which hold what their keys say."""
        for page in pages:
            self._kept.pop(page, None)
            self._users[page] = self._users.get(page, 0) + 1
