"""prefix_match: which pages of a new text are stored already."""

import hashlib

from llaisys_mini.exercise import exercise


@exercise
def prefix_match(ids, size, key_of, pages):
    """What need not be computed of a text, since another text began with the same ids.

    ids: the token ids of the text, at least one. size: positions of a page. pages: key -> page, of all full pages
    that are stored. key_of(before, own): the key of a full page, from the key of the page before it (None for a first
    page) and its own `size` ids: so a key stands for everything from the text's beginning to the end of the page.

    Returns (found, start): the pages of the longest known beginning, in order, and the position of the first id that
    is to be computed. At least the last id is: its logits choose the next token.
    """
    found, before = [], None
    for page in range((len(ids) - 1) // size):
        before = key_of(before, ids[page * size : (page + 1) * size])
        if before not in pages:
            break
        found.append(pages[before])
    return found, len(found) * size


def page_key(before, own):
    """A key as the cases use it."""
    return hashlib.blake2b(repr((before, [int(i) for i in own])).encode(), digest_size=6).hexdigest()


@prefix_match.trace
def use(answer, log, texts, size, pages):
    for ids in texts:
        log.ask(f"the text {ids}", answer, ids, size, page_key, pages)


@prefix_match.cases
def cases(rng):
    def keys(ids, size):
        made = [None]
        for page in range(len(ids) // size):
            made.append(page_key(made[-1], ids[page * size : (page + 1) * size]))
        return made[1:]

    def inputs(size, stored, *texts):
        pages = {}
        for text in stored:
            for key in keys(text, size):
                pages.setdefault(key, (5 * len(pages) + 3) % 17)
        return dict(texts=list(texts), size=size, pages=pages)

    text = [11, 12, 13, 14, 15, 16, 17, 18, 19]
    yield "nothing is stored", inputs(3, [], text)
    yield "the whole beginning is stored", inputs(3, [text], [*text, 20, 21])
    yield "the first of three pages is stored", inputs(3, [text[:3]], [*text, 20])
    yield "the text ends in the middle of a page", inputs(4, [text], text[:6], text[:5])
    yield "the text is whole pages, and all of them are stored", inputs(3, [text], text, text[:6])
    yield "the text is one page, and it is stored", inputs(4, [text], text[:4])
    yield "one id", inputs(2, [text], text[:1])
    yield "pages of one position", inputs(1, [text[:4]], text, text[:3])
    yield "the same page behind another beginning", inputs(2, [[1, 2, 3, 4, 9]], [7, 8, 3, 4, 9])
    yield "the second page is the beginning of another text", inputs(2, [[1, 2], [3, 4]], [1, 2, 3, 4, 5])
    yield (
        "the first page was given up, the second is still there",
        dict(texts=[[1, 2, 3, 4, 5]], size=2, pages={keys([1, 2, 3, 4], 2)[1]: 6}),
    )
    yield "the same page twice", inputs(2, [[4, 4]], [4, 4, 4, 4, 4])
    yield "the same page twice, both stored", inputs(2, [[4, 4, 4, 4]], [4, 4, 4, 4, 4])
    partial = inputs(3, [text[:3]], [11, 12, 13, 14, 15])
    partial["pages"][page_key(keys(text, 3)[0], [14, 15])] = 2
    partial["pages"][page_key(keys(text, 3)[0], [14])] = 4
    yield "what is left over is no page, even if something has its key", partial
    size = int(rng.integers(2, 5))
    stored = [rng.integers(1, 4, size=int(rng.integers(1, 16))).tolist() for _ in range(40)]
    fresh = [rng.integers(1, 4, size=int(rng.integers(1, 16))).tolist() for _ in range(40)]
    yield "many texts", inputs(size, stored, *stored[:20], *fresh)


@prefix_match.mistake(
    "a text of whole pages that are all stored leaves no id to compute: there are no logits to choose from"
)
def nothing_left(ids, size, key_of, pages):
    return prefix_match.reference([*ids, 0], size, key_of, pages)


@prefix_match.mistake("the key of a page is made of its own ids alone: it stands behind any beginning")
def unchained(ids, size, key_of, pages):
    return prefix_match.reference(ids, size, lambda before, own: key_of(None, own), pages)


@prefix_match.mistake("pages behind one that is not known are taken too: their text's beginning is missing")
def with_gaps(ids, size, key_of, pages):
    found, before = [], None
    for page in range((len(ids) - 1) // size):
        before = key_of(before, ids[page * size : (page + 1) * size])
        found += [pages[before]] if before in pages else []
    return found, len(found) * size


@prefix_match.mistake("the ids that do not fill a page are looked up as a page")
def partial_page(ids, size, key_of, pages):
    found, before = [], None
    for start in range(0, len(ids) - 1, size):
        before = key_of(before, ids[start : min(start + size, len(ids) - 1)])
        if before not in pages:
            break
        found.append(pages[before])
    return found, len(found) * size


@prefix_match.mistake("the computing begins at position 0 although pages are shared: their positions come twice")
def restarts(ids, size, key_of, pages):
    return prefix_match.reference(ids, size, key_of, pages)[0], 0


@prefix_match.mistake("start counts pages; it is a position, `size` of them to a page")
def counted_in_pages(ids, size, key_of, pages):
    found, _ = prefix_match.reference(ids, size, key_of, pages)
    return found, len(found)


@prefix_match.mistake("a whole page is left to be computed where one id is enough")
def page_left(ids, size, key_of, pages):
    return prefix_match.reference(ids[: max(1, (len(ids) // size - 1) * size + 1)], size, key_of, pages)


@prefix_match.mistake("the beginning is used only if all of it is known")
def all_or_nothing(ids, size, key_of, pages):
    found, start = prefix_match.reference(ids, size, key_of, pages)
    return (found, start) if len(found) == (len(ids) - 1) // size else ([], 0)
