"""store_pages: puts the keys and values of new rows where their texts' pages have room for them."""

import numpy as np

from llaisys_mini.contract import F32, I32, Stored, Written
from llaisys_mini.operator import operator


@operator
def store_pages(
    k: F32["T K D"],
    v: F32["T K D"],
    slots: I32["T"],
    key_pages: Written[Stored["P B K D"]],
    value_pages: Written[Stored["P B K D"]],
) -> None:
    """Write the keys and values of T rows into a paged KV cache of P pages, each with room for B positions.

        key_pages[slots[t] // B, slots[t] % B]   = k[t]        for each row t, and the same of v
        value_pages[slots[t] // B, slots[t] % B] = v[t]

    slots: where each row goes, counted in positions over all pages: page number times B plus the place within the page,
    0 <= slot < P * B, each at most once. All other positions stay as they are.
    Source: Kwon et al. 2023, PagedAttention (arXiv:2309.06180).
    """
    return written(key_pages, slots, k), written(value_pages, slots, v)


def written(pages, slots, rows):
    """`pages` with `rows` in the slots; the pages given stay as they are."""
    pages = pages.copy()
    pages.reshape(-1, *pages.shape[2:])[slots] = rows
    return pages


@store_pages.rounding
def rounding(k, v, slots, key_pages, value_pages):
    return np.zeros(key_pages.shape), np.zeros(value_pages.shape)  # copies are exact, but for 16-bit storage


@store_pages.value_rule
def slots_exist_and_differ(k, v, slots, key_pages, value_pages):
    room = key_pages.shape[0] * key_pages.shape[1]
    if slots.size == 0:
        return None
    low, high = slots.min(), slots.max()
    if low < 0 or high >= room:
        return f"slots must lie in 0..{room - 1}, but run from {low} to {high}"
    if slots.size > 1 and np.bincount(slots).max() > 1:
        return "a slot is given to two rows; each row needs one of its own"


@store_pages.cases
def cases(rng):
    def inputs(rows, pages, size, heads, width, slots=None):
        chosen = rng.permutation(pages * size)[:rows] if slots is None else np.asarray(slots)
        return dict(
            k=rng.normal(size=(rows, heads, width)),
            v=rng.normal(size=(rows, heads, width)),
            slots=chosen,
            key_pages=rng.normal(size=(pages, size, heads, width)),
            value_pages=rng.normal(size=(pages, size, heads, width)),
        )

    yield "one row", inputs(1, 3, 4, 2, 8)
    yield "a prompt that fills two pages and begins a third", inputs(9, 5, 4, 1, 6, [12, 13, 14, 15, 0, 1, 2, 3, 8])
    yield "one more token of each text", inputs(3, 6, 4, 2, 5, [21, 2, 11])
    yield "the first and the last position of all", inputs(2, 4, 8, 2, 3, [0, 31])
    yield "pages of one position", inputs(4, 7, 1, 3, 4)
    yield "one page", inputs(5, 1, 16, 2, 4)
    yield "every position is written", inputs(24, 6, 4, 1, 4)
    yield "heads as wide as a real model's", inputs(2, 2, 3, 2, 128)
    yield "many rows", inputs(300, 30, 16, 1, 3)
    rows, size, heads, width = rng.integers(1, 20, size=4)
    yield "some sizes", inputs(rows, rows + 2, size, heads, width)


@store_pages.mistake("the rows are written one after the other from the first position on; `slots` is never read")
def in_order(k, v, slots, key_pages, value_pages):
    return store_pages.reference(k, v, np.arange(len(slots)), key_pages, value_pages)


@store_pages.mistake("slots are taken for page numbers: each row goes to the beginning of a page")
def slot_as_page(k, v, slots, key_pages, value_pages):
    pages, size = key_pages.shape[:2]
    return written_in_turn(k, v, slots % pages * size, key_pages, value_pages)


@store_pages.mistake("page and place are exchanged: slot // B is the page, slot % B the place within it")
def exchanged(k, v, slots, key_pages, value_pages):
    pages, size = key_pages.shape[:2]
    return written_in_turn(k, v, slots % size % pages * size + slots // size % size, key_pages, value_pages)


@store_pages.mistake("all rows of a page are written to its first place: slot % B is left out")
def page_without_place(k, v, slots, key_pages, value_pages):
    size = key_pages.shape[1]
    return written_in_turn(k, v, slots // size * size, key_pages, value_pages)


@store_pages.mistake("the keys are written into both: the values are missing")
def keys_twice(k, v, slots, key_pages, value_pages):
    return store_pages.reference(k, k, slots, key_pages, value_pages)


@store_pages.mistake("the values are not written")
def values_not_written(k, v, slots, key_pages, value_pages):
    return written(key_pages, slots, k), value_pages


@store_pages.mistake("keys and values are exchanged")
def keys_and_values_exchanged(k, v, slots, key_pages, value_pages):
    return store_pages.reference(v, k, slots, key_pages, value_pages)


@store_pages.mistake("only the first key head is written")
def first_head_only(k, v, slots, key_pages, value_pages):
    keys, values = store_pages.reference(k, v, slots, key_pages, value_pages)
    keys[:, :, 1:], values[:, :, 1:] = key_pages[:, :, 1:], value_pages[:, :, 1:]
    return keys, values


@store_pages.mistake("positions that no row is written to are set to zero; they hold other texts")
def rest_cleared(k, v, slots, key_pages, value_pages):
    return store_pages.reference(k, v, slots, 0 * key_pages, 0 * value_pages)


def written_in_turn(k, v, slots, key_pages, value_pages):
    """As the operator, where several rows may go to one slot: the last of them stays."""
    keys, values = key_pages.copy(), value_pages.copy()
    for t, slot in enumerate(slots):
        page, place = divmod(int(slot), key_pages.shape[1])
        keys[page, place], values[page, place] = k[t], v[t]
    return keys, values
