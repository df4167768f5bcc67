"""pack: documents of many lengths in rows of one length, none of which learns from another."""

import numpy as np

from llaisys_mini.exercise import exercise

NOTHING = -1


@exercise
def pack(documents, length):
    """Lay documents into rows of `length` tokens, as few as first-fit-decreasing finds.

    documents: a list of lists of token ids, each of 1 to `length` ids. The longest goes first, of equally long ones the
    earlier. Each is put into the first row that has room for it, behind what is there; where none has, into a new row.

    Returns four int64 arrays [R, length]; behind the last document of a row stands padding:

        ids        the tokens; 0 in the padding
        targets    the next token of the same document; -1 where there is none: at its last token, and in the padding
        positions  counted from 0 in each document; 0 in the padding
        texts      the document's place in `documents`; -1 in the padding

    Token i of a row may attend to token j if j <= i and texts[j] == texts[i].
    Source: Krell et al. 2021, Efficient sequence packing without cross-contamination (arXiv:2107.02027).
    """
    rows = first_fit(documents, length, sorted(range(len(documents)), key=lambda n: -len(documents[n])))
    return laid_out(documents, length, rows)


def first_fit(documents, length, order):
    """For each row the numbers of its documents."""
    rows: list[list[int]] = []
    for number in order:
        size = len(documents[number])
        fitting = (row for row in rows if sum(len(documents[n]) for n in row) + size <= length)
        row = next(fitting, None)
        if row is None:
            rows.append(row := [])
        row.append(number)
    return rows


def laid_out(documents, length, rows):
    """The four arrays of these rows."""
    shape = (len(rows), length)
    ids, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    targets, texts = np.full(shape, NOTHING, np.int64), np.full(shape, NOTHING, np.int64)
    for r, row in enumerate(rows):
        start = 0
        for number in row:
            tokens = np.asarray(documents[number])
            end = start + len(tokens)
            ids[r, start:end], positions[r, start:end], texts[r, start:end] = tokens, np.arange(len(tokens)), number
            targets[r, start : end - 1] = tokens[1:]
            start = end
    return ids, targets, positions, texts


@pack.use
def use(answer, documents, length):
    return dict(zip(("ids", "targets", "positions", "texts"), answer(documents, length), strict=True))


pack.leaves_alone("documents")


@pack.cases
def cases(rng):
    def inputs(length, *sizes):
        return dict(documents=[rng.integers(1, 100, size=size).tolist() for size in sizes], length=length)

    yield "one document that fills its row", inputs(4, 4)
    yield "one document, and padding", inputs(6, 4)
    yield "two documents share a row", inputs(8, 5, 3)
    yield "the longest goes first", inputs(8, 3, 5)
    yield "the first row with room is taken, not the last", inputs(10, 7, 6, 4, 3)
    yield "equally long: the earlier first", inputs(6, 3, 3, 3)
    yield "documents of one token predict nothing", inputs(4, 1, 1, 2)
    yield "rows of one token", inputs(1, 1, 1)
    yield "a later row is full, an earlier one has room", inputs(12, 8, 7, 5, 4, 2, 1)
    yield "many documents", inputs(32, *(int(n) for n in rng.integers(1, 33, size=40)))
    length = int(rng.integers(5, 20))
    yield "some documents", inputs(length, *(int(n) for n in rng.integers(1, length + 1, size=15)))


def _in_rows(rows_of):
    """The reference where the rows come from a function of documents, length and the right order."""

    def mistaken(documents, length):
        order = sorted(range(len(documents)), key=lambda n: -len(documents[n]))
        return laid_out(documents, length, rows_of(documents, length, order))

    return mistaken


def next_fit(documents, length, order):
    """Only the last row is looked at."""
    rows: list[list[int]] = []
    for number in order:
        if not rows or sum(len(documents[n]) for n in rows[-1]) + len(documents[number]) > length:
            rows.append([])
        rows[-1].append(number)
    return rows


pack.mistake("only the last row is looked at: an earlier one may still have room")(_in_rows(next_fit))
pack.mistake("documents are taken in the order in which they came; the longest goes first")(
    _in_rows(lambda documents, length, order: first_fit(documents, length, range(len(documents))))
)
pack.mistake("the shortest document goes first; it is the longest that is hard to place")(
    _in_rows(
        lambda documents, length, order: first_fit(
            documents, length, sorted(range(len(documents)), key=lambda n: len(documents[n]))
        )
    )
)
pack.mistake("of equally long documents the later goes first")(
    _in_rows(
        lambda documents, length, order: first_fit(
            documents, length, sorted(range(len(documents)), key=lambda n: (-len(documents[n]), -n))
        )
    )
)
pack.mistake("every document gets a row of its own")(_in_rows(lambda documents, length, order: [[n] for n in order]))
pack.mistake("a row is never filled to its last token: a document fits if it ends exactly there")(
    _in_rows(lambda documents, length, order: first_fit(documents, max(length - 1, 1), order))
)


def _targets(changed):
    """The reference with other targets: a function of ids, targets and texts."""

    def mistaken(documents, length):
        ids, targets, positions, texts = pack.reference(documents, length)
        return ids, changed(ids, targets, texts), positions, texts

    return mistaken


def following(ids):
    """What stands behind each token in its row; -1 behind the last."""
    return np.concatenate([ids[:, 1:], np.full((len(ids), 1), NOTHING)], axis=1)


pack.mistake("the last token of a document has to predict the first of the next one, which knows nothing of it")(
    _targets(lambda ids, targets, texts: np.where((texts >= 0) & (following(texts) >= 0), following(ids), NOTHING))
)
pack.mistake("the padding is learned too: its targets are not -1")(
    _targets(lambda ids, targets, texts: np.where(texts < 0, 0, targets))
)
pack.mistake("each token is its own target: the next token is to be predicted")(
    _targets(lambda ids, targets, texts: np.where(targets < 0, NOTHING, ids))
)
pack.mistake("the last token of a document is to predict 0, which is a token too; -1 says that there is nothing")(
    _targets(lambda ids, targets, texts: np.where((texts >= 0) & (targets < 0), 0, targets))
)


@pack.mistake("positions are counted through the whole row; each document begins at 0")
def positions_of_row(documents, length):
    ids, targets, _, texts = pack.reference(documents, length)
    return ids, targets, np.where(texts < 0, 0, np.arange(length)), texts


@pack.mistake("texts counts the documents of a row; it is their place in `documents`")
def texts_by_row(documents, length):
    ids, targets, positions, texts = pack.reference(documents, length)
    count = np.cumsum((positions == 0) & (texts >= 0), axis=1) - 1
    return ids, targets, positions, np.where(texts < 0, NOTHING, count)


@pack.mistake("the padding belongs to document 0")
def padding_as_text(documents, length):
    ids, targets, positions, texts = pack.reference(documents, length)
    return ids, targets, positions, np.maximum(texts, 0)
