"""slots: where the new rows of a text go in the pages, and which positions they have."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def slots(pages, stored, count, size):
    """pages: the page numbers of a text, in order; stored: how many of its positions hold keys and values already;
    count: how many rows are new; size: positions of a page.

    Returns (slots, positions), int64 [count] each. positions: of the new rows in their text, counted from 0.
    slots: where they go, counted over all pages, as store_pages takes them: page times size plus place in the page.
    """
    positions = np.arange(stored, stored + count)
    return np.asarray(pages, np.int64)[positions // size] * size + positions % size, positions


@slots.cases
def cases(rng):
    yield "a prompt that fills a page", dict(pages=[2], stored=0, count=4, size=4)
    yield "a prompt over three pages that lie anywhere", dict(pages=[5, 0, 3], stored=0, count=9, size=4)
    yield "the second part of a prompt", dict(pages=[1, 4, 2], stored=5, count=6, size=4)
    yield "a token in the middle of a page", dict(pages=[1, 3], stored=6, count=1, size=4)
    yield "a token that begins a page", dict(pages=[1, 3], stored=4, count=1, size=4)
    yield "behind pages that are shared", dict(pages=[7, 2, 9], stored=8, count=3, size=4)
    yield "pages of one position", dict(pages=[3, 1, 2], stored=1, count=2, size=1)
    size, stored, count = (int(i) for i in rng.integers(2, 20, size=3))
    pages = rng.permutation(40)[: -(-(stored + count) // size)].tolist()
    yield "some sizes", dict(pages=pages, stored=stored, count=count, size=size)


@slots.mistake("the positions begin at 0 again behind what is stored")
def restart(pages, stored, count, size):
    return slots.reference(pages, stored, count, size)[0], np.arange(count)


@slots.mistake("the new rows are written over what is stored, from the first page on")
def overwritten(pages, stored, count, size):
    return slots.reference(pages, 0, count, size)[0], np.arange(stored, stored + count)


@slots.mistake("the pages are taken to follow each other: `pages` is not looked at")
def in_order(pages, stored, count, size):
    return np.arange(stored, stored + count), np.arange(stored, stored + count)


@slots.mistake("each row goes to the first place of its page: the place within the page is missing")
def first_place(pages, stored, count, size):
    found, positions = slots.reference(pages, stored, count, size)
    return found // size * size, positions


@slots.mistake("page and place are exchanged: position // size is the page, position % size the place")
def exchanged(pages, stored, count, size):
    positions = np.arange(stored, stored + count)
    return np.resize(np.asarray(pages), size)[positions % size] * size + positions // size, positions
