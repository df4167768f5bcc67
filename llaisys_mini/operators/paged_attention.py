"""paged_attention: the new rows of several texts look back at once, each over the pages of its own text."""

import numpy as np

from llaisys_mini.contract import F32, I32, Stored
from llaisys_mini.operator import operator
from llaisys_mini.operators.sliding_attention import rounding as rounding_of_one_text
from llaisys_mini.operators.sliding_attention import sliding_attention


@operator
def paged_attention(
    q: F32["T H D"],
    key_pages: Stored["P B K D"],
    value_pages: Stored["P B K D"],
    table: I32["N M"],
    lengths: I32["N"],
    starts: I32["S"],
    scale: float,
    window: int,
) -> F32["T H D"]:
    """Attention of N texts in one call. Their keys and values lie in pages of B positions; S is N + 1.

        the rows of text n are       starts[n] <= t < starts[n + 1]                    R of them
        its keys and values are      k[s] = key_pages[table[n, s // B], s % B]         for s < lengths[n], v the same
        row t sits at position       p = lengths[n] - starts[n + 1] + t, the last R of its text's positions
        and sees the keys            p - window < s <= p
        out[t] = attention of q[t] over these keys and values, as in sliding_attention

    A text with many rows is a prompt, or a part of one; a text with one row is writing. starts[0] is 0 and starts[N] is
    T; each text has at least one row, and its keys are stored already. table: page numbers, 0 <= table < P; a text
    reads the first ceil(lengths[n] / B) of its row, and pages may be shared by texts. What lies in a page beyond a
    text's length belongs to nobody. window: at least 1; one as long as the context lets every row see all.
    H must be a multiple of K.
    Source: Kwon et al. 2023, PagedAttention (arXiv:2309.06180).
    """
    return by_text(sliding_attention.reference)(q, key_pages, value_pages, table, lengths, starts, scale, window)


def by_text(one_text):
    """Apply a function (q, k, v, scale, window) of one text to each of the texts."""

    def paged(q, key_pages, value_pages, table, lengths, starts, scale, window):
        keys, values = flat(key_pages), flat(value_pages)
        parts = []
        for n in range(len(lengths)):
            rows = slots_of(table[n], lengths[n], key_pages.shape[1])
            parts.append(one_text(q[starts[n] : starts[n + 1]], keys[rows], values[rows], scale, window))
        return np.concatenate(parts)

    return paged


def flat(pages):
    """[P, B, K, D] -> [P * B, K, D]."""
    return pages.reshape(-1, *pages.shape[2:])


def slots_of(pages, length, size):
    """Where the positions 0 to `length` of a text lie, counted over all pages."""
    positions = np.arange(length)
    return pages[positions // size] * size + positions % size


@paged_attention.rounding
def rounding(*arguments):
    return by_text(rounding_of_one_text)(*arguments)


@paged_attention.shape_rule
def shapes_go_together(dims):
    if dims["H"] % dims["K"]:
        return f"H is {dims['H']} query heads, not a multiple of K, {dims['K']} key/value heads"
    if dims["S"] != dims["N"] + 1:
        return f"starts has {dims['S']} entries for {dims['N']} texts; it needs one more than there are texts"


@paged_attention.value_rule
def rows_and_pages_exist(q, key_pages, value_pages, table, lengths, starts, scale, window):
    if window < 1:
        return f"window must be at least 1 key, not {window}"
    counts = starts[1:] - starts[:-1]
    if starts[0] != 0 or starts[-1] != len(q) or counts.min(initial=1) < 1:
        return f"starts must rise from 0 to {len(q)}, the number of rows; it is {starts.tolist()}"
    if (lengths < counts).any():
        n = int(np.argmax(lengths < counts))
        return f"text {n} has {counts[n]} rows but only {lengths[n]} keys; the keys of its rows are among them"
    if lengths.max(initial=0) > table.shape[1] * key_pages.shape[1]:
        return f"a text of {lengths.max()} keys needs more than {table.shape[1]} pages of {key_pages.shape[1]}"
    if table.min(initial=0) < 0 or table.max(initial=0) >= len(key_pages):
        return f"table must hold page numbers in 0..{len(key_pages) - 1}, but runs from {table.min()} to {table.max()}"


ALL = 1 << 20  # a window that hides nothing


@paged_attention.cases
def cases(rng):
    def inputs(texts, page, heads, kv_heads, width, size=1.0, window=ALL, spare=2, shared=0):
        """texts: (rows, length) of each; shared: leading pages that all have in common; spare: pages of nobody."""
        needed = [-(-length // page) for _, length in texts]
        pages = sum(needed) + spare - shared * (len(texts) - 1)
        free = rng.permutation(pages)
        common, free = free[:shared], free[shared:]
        table = rng.choice(pages, size=(len(texts), max(needed)))  # beyond a text's pages: any page
        for n, count in enumerate(needed):
            own, free = free[: count - shared], free[count - shared :]
            table[n, :count] = [*common, *own]
        rows = [count for count, _ in texts]
        return dict(
            q=size * rng.normal(size=(sum(rows), heads, width)),
            key_pages=rng.normal(size=(pages, page, kv_heads, width)),
            value_pages=rng.normal(size=(pages, page, kv_heads, width)),
            table=table,
            lengths=np.array([length for _, length in texts]),
            starts=np.cumsum([0, *rows]),
            scale=width**-0.5,
            window=window,
        )

    yield "one text, one row", inputs([(1, 1)], 4, 2, 2, 4)
    yield "a prompt", inputs([(6, 6)], 4, 2, 2, 8)
    yield "a prompt of whole pages", inputs([(8, 8)], 4, 2, 1, 8)
    yield "three texts are writing", inputs([(1, 9), (1, 30), (1, 2)], 4, 4, 2, 8)
    yield "a prompt beside texts that are writing", inputs([(1, 11), (7, 7), (1, 5)], 4, 4, 2, 8)
    yield "a second part of a prompt", inputs([(5, 19), (1, 3)], 8, 6, 2, 10)
    yield "texts that share their first pages", inputs([(1, 14), (3, 11), (1, 9)], 4, 2, 1, 8, shared=2)
    yield "pages of one position", inputs([(2, 5), (1, 7)], 1, 2, 2, 6)
    yield "one page holds all", inputs([(3, 9)], 16, 2, 1, 6, spare=0)
    yield "pages of 16 that are nearly full", inputs([(1, 47), (1, 16), (1, 33)], 16, 3, 1, 8)
    yield "all query heads share one key head", inputs([(1, 19), (2, 4)], 4, 5, 1, 12)
    yield "large scores", inputs([(7, 7), (1, 12)], 4, 2, 1, 16, size=60.0)
    yield "a window shorter than the texts", inputs([(6, 21), (1, 17)], 4, 4, 2, 8, window=5)
    yield "a window of one: each row sees itself", inputs([(3, 9), (1, 4)], 4, 2, 2, 4, window=1)
    yield "another scale", dict(inputs([(3, 5), (1, 9)], 4, 4, 2, 8), scale=0.77)
    far = inputs([(4, 9), (1, 6)], 4, 2, 1, 8)
    far["q"][:], far["key_pages"][:] = 20, -20 - 0.01 * rng.normal(size=far["key_pages"].shape)
    yield "all scores far below zero", dict(far, scale=1.0)
    for window in (ALL, 6):
        rising = inputs([(5, 9), (1, 7)], 4, 2, 1, 8, window=window)
        rising["q"][:] = 5
        for pages, length in zip(rising["table"], rising["lengths"], strict=True):
            flat(rising["key_pages"])[slots_of(pages, length, 4)] = np.arange(length)[:, None, None]
        yield f"each key scores far above those before it, {min(window, 9)} keys are seen", dict(rising, scale=1.0)
    yield "heads as wide as a real model's", inputs([(1, 150), (9, 40)], 16, 6, 2, 64)
    yield "heads wider than a warp's lanes", inputs([(2, 3), (1, 4)], 2, 1, 1, 160)
    yield "a long text beside a short one", inputs([(1, 700), (1, 3)], 16, 2, 1, 4)
    yield "a long prompt", inputs([(150, 150), (40, 170)], 16, 1, 1, 2)
    yield "many texts", inputs([(1, int(length)) for length in rng.integers(1, 40, size=33)], 8, 2, 1, 4)
    group, kv_heads = rng.integers(1, 4, size=2)
    texts = [(int(rows), int(rows + past)) for rows, past in rng.integers(1, 20, size=(3, 2))]
    yield "some sizes", inputs(texts, int(rng.integers(1, 9)), group * kv_heads, kv_heads, int(rng.integers(1, 40)))


# What goes wrong in the attention of one text goes wrong in that of many.
paged_attention.inherit_mistakes(sliding_attention, by_text)


@paged_attention.mistake("`table` is never read: text n takes the pages that follow each other from page 0 on")
def table_ignored(q, key_pages, value_pages, table, lengths, starts, scale, window):
    in_order = np.arange(table.shape[1]) % len(key_pages)
    table = np.broadcast_to(in_order, table.shape)
    return paged_attention.reference(q, key_pages, value_pages, table, lengths, starts, scale, window)


@paged_attention.mistake("every text reads the pages of text 0")
def table_of_first(q, key_pages, value_pages, table, lengths, starts, scale, window):
    table = np.broadcast_to(table[:1], table.shape)
    return paged_attention.reference(q, key_pages, value_pages, table, lengths, starts, scale, window)


@paged_attention.mistake("only a text's first page is read, again and again: s // B is left out")
def first_page_only(q, key_pages, value_pages, table, lengths, starts, scale, window):
    table = np.broadcast_to(table[:, :1], table.shape)
    return paged_attention.reference(q, key_pages, value_pages, table, lengths, starts, scale, window)


@paged_attention.mistake("every row is taken for the last of its text: rows of a prompt see keys that come after them")
def all_rows_last(q, key_pages, value_pages, table, lengths, starts, scale, window):
    def last(q, k, v, scale, window):
        return np.concatenate([sliding_attention.reference(row[None], k, v, scale, window) for row in q])

    return by_text(last)(q, key_pages, value_pages, table, lengths, starts, scale, window)


@paged_attention.mistake("the last page is read to its end, also beyond the text's length")
def whole_last_page(q, key_pages, value_pages, table, lengths, starts, scale, window):
    size, parts = key_pages.shape[1], []
    for n, length in enumerate(lengths):
        rows = slots_of(table[n], -(-length // size) * size, size)
        k, v, own = flat(key_pages)[rows], flat(value_pages)[rows], q[starts[n] : starts[n + 1]]
        if len(own) > 1:
            parts.append(sliding_attention.reference(own[:-1], k[: length - 1], v[: length - 1], scale, window))
        parts.append(sliding_attention.reference(own[-1:], k, v, scale, window + len(rows) - length))
    return np.concatenate(parts)


@paged_attention.mistake("row t belongs to text t: `starts` is not read")
def one_row_a_text(q, key_pages, value_pages, table, lengths, starts, scale, window):
    text = np.arange(len(q)) % len(lengths)
    ones = np.arange(len(q) + 1)
    return paged_attention.reference(q, key_pages, value_pages, table[text], lengths[text], ones, scale, window)


@paged_attention.mistake("the rows of a text are counted from position 0: what it had before is forgotten")
def positions_restart(q, key_pages, value_pages, table, lengths, starts, scale, window):
    counts = starts[1:] - starts[:-1]
    return paged_attention.reference(q, key_pages, value_pages, table, counts, starts, scale, window)
