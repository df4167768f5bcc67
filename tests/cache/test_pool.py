"""The page pool, in any order of events: no page is lost or given twice, and none is found that holds another text."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from llaisys_mini.cache.pool import PagePool, PagesExhausted, page_keys
from llaisys_mini.errors import GenerationError

SIZE, PAGES = 2, 7


def test_a_key_tells_all_ids_up_to_its_page():
    ids = list(range(9))
    keys = page_keys(ids, 4)
    assert len(keys) == 2 and len(set(keys)) == 2
    assert page_keys([*ids[:4], 9, 5, 6, 7], 4)[0] == keys[0]
    assert page_keys([9, *ids[1:]], 4)[1] != keys[1], "the same second page after another first one"
    assert page_keys(ids, 4, keys[:1]) == keys
    assert page_keys(np.arange(9), 4) == keys


def test_of_pages_that_nobody_uses_the_one_left_longest_ago_goes_first():
    pool = PagePool(3, SIZE)
    pages = [pool.take() for _ in range(3)]
    for page, key in zip(pages, (b"a", b"b", b"c"), strict=True):
        pool.publish(page, key)
    pool.release(pages[1:2])
    pool.release(pages[:1])
    assert pool.find([b"b"]) == pages[1:2]
    assert pool.take() == pages[1]
    assert pool.find([b"b"]) == [], "its place was given away, so its key is gone"
    assert pool.find([b"a"]) == pages[:1]


def test_pages_that_hold_nothing_go_before_those_that_do():
    pool = PagePool(3, SIZE)
    full, empty, _ = pages = [pool.take() for _ in range(3)]
    pool.publish(full, b"a")
    pool.release(pages[:2])
    assert [pool.take(), pool.take()] == [empty, full]
    with pytest.raises(PagesExhausted, match="all 3 pages of the KV cache are in use"):
        pool.take()


def test_a_pool_of_nothing_is_refused():
    with pytest.raises(GenerationError, match="0 pages of 16 positions holds nothing"):
        PagePool(0, 16)


class AnyOrder(RuleBasedStateMachine):
    """Texts come, share, grow and go. `content` is what a page would hold: the ids up to its end."""

    texts = Bundle("texts")

    def __init__(self):
        super().__init__()
        self.pool = PagePool(PAGES, SIZE)
        self.content = {}
        self.living = []

    @rule(target=texts, ids=st.lists(st.integers(0, 1), min_size=1, max_size=9))
    def begin(self, ids):
        keys = page_keys(ids, SIZE)
        found = self.pool.find(keys)
        for number, page in enumerate(found):
            assert self.content[page] == tuple(ids[: (number + 1) * SIZE]), "a page of another text was found"
        self.pool.share(found)
        text = dict(ids=ids, pages=list(found), keys=keys)
        self.living.append(text)
        return text

    @rule(text=texts)
    def grow(self, text):
        if not any(text is other for other in self.living) or len(text["pages"]) * SIZE >= len(text["ids"]):
            return
        before = {page for other in self.living for page in other["pages"]}
        try:
            page = self.pool.take()
        except PagesExhausted:
            assert len(before) == PAGES
            return
        assert page not in before, "a page in use was given away"
        number = len(text["pages"])
        text["pages"].append(page)
        self.content[page] = tuple(text["ids"][: (number + 1) * SIZE])
        if (number + 1) * SIZE <= len(text["ids"]):
            self.pool.publish(page, text["keys"][number])

    @rule(text=consumes(texts))
    def leave(self, text):
        if any(text is other for other in self.living):
            self.living = [other for other in self.living if other is not text]
            self.pool.release(text["pages"])

    @invariant()
    def counts_agree(self):
        users = [page for text in self.living for page in text["pages"]]
        assert self.pool.in_use == len(set(users))
        assert self.pool.available == PAGES - len(set(users))
        assert all(self.pool.users(page) == users.count(page) for page in range(PAGES))


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
