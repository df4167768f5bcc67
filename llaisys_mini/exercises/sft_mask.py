"""sft_mask: which tokens of a conversation a model learns to write."""

import numpy as np

from llaisys_mini.exercise import exercise

HEADER, END = [91, 92, 93], 99
"""What opens an answer and what closes a turn, in the cases."""


@exercise
def sft_mask(ids, header, end):
    """ids [T] int64: a conversation. An answer begins behind the tokens `header` (a list of ids that stand together)
    and goes up to and including the next token `end`; one that is cut off goes up to the end of the ids.

    Returns mask [T - 1] of 0 and 1: place t belongs to the prediction of ids[t + 1], and is 1 where that token is part
    of an answer.
    """
    learned = np.zeros(len(ids), np.int64)
    place = 0
    while place < len(ids):
        if list(ids[place : place + len(header)]) != list(header):
            place += 1
            continue
        place += len(header)
        while place < len(ids):
            learned[place] = 1
            place += 1
            if ids[place - 1] == end:
                break
    return learned[1:]


sft_mask.leaves_alone("ids")


@sft_mask.cases
def cases(rng):
    def words(count):
        return rng.integers(1, 80, size=count).tolist()

    def turn(question, answer):
        return [90, *words(question), END, *HEADER, *words(answer), END]

    def inputs(ids):
        return dict(ids=np.array(ids), header=list(HEADER), end=END)

    yield "one question", inputs(turn(4, 3))
    yield "two questions", inputs(turn(3, 4) + turn(5, 2))
    yield "an answer that is cut off", inputs(turn(3, 2) + turn(4, 3)[:-1])
    yield "a question alone", inputs([90, *words(5), END])
    yield "an empty answer", inputs([90, *words(3), END, *HEADER, END, *turn(2, 2)])
    yield "a part of the header in a question", inputs([90, 5, 93, 91, 92, 6, END, *HEADER, *words(3), END])
    yield "a part of the header in an answer", inputs([90, 5, END, *HEADER, 91, 92, 7, 93, END, *turn(2, 3)])
    lengths = rng.integers(1, 9, size=(4, 2))
    yield "four questions", inputs([token for q, a in lengths for token in turn(int(q), int(a))])


def _changed(change):
    """The reference's mask over all ids, changed."""

    def mistaken(ids, header, end):
        learned = np.concatenate([[0], sft_mask.reference(ids, header, end)])
        return np.asarray(change(learned, np.asarray(ids), header, end))

    return mistaken


sft_mask.mistake("the mask stands at the tokens themselves: place t must tell of ids[t + 1], which is predicted there")(
    _changed(lambda learned, ids, header, end: learned[:-1])
)
sft_mask.mistake("the end of an answer is not learned: such a model never stops")(
    _changed(lambda learned, ids, header, end: (learned * (ids != end))[1:])
)
sft_mask.mistake("the mask is turned round: it learns to ask, not to answer")(
    _changed(lambda learned, ids, header, end: 1 - learned[1:])
)
sft_mask.mistake("everything is learned, the questions too")(
    _changed(lambda learned, ids, header, end: np.ones(len(ids) - 1, np.int64))
)

sft_mask.mistake("there is a place for each of the T tokens; asked for are those of the T - 1 that are predicted")(
    _changed(lambda learned, ids, header, end: learned)
)


@sft_mask.mistake("each end token opens or closes an answer; only the header opens one")
@_changed
def toggled(learned, ids, header, end):
    return (np.cumsum(ids == end) % 2)[1:]


@sft_mask.mistake("what follows the first answer is learned too, the next question included")
@_changed
def on_and_on(learned, ids, header, end):
    return np.maximum.accumulate(learned)[1:]


@sft_mask.mistake("the tokens that open an answer are learned too; they are always given")
@_changed
def header_too(learned, ids, header, end):
    longer = learned.copy()
    for place in range(len(ids) - len(header) + 1):
        if list(ids[place : place + len(header)]) == list(header):
            longer[place : place + len(header)] = 1
    return longer[1:]


@sft_mask.mistake("only the last answer is learned")
@_changed
def only_last(learned, ids, header, end):
    starts = np.flatnonzero(np.diff(learned, prepend=0) == 1)
    return (learned * (np.arange(len(ids)) >= starts[-1]) if len(starts) else learned)[1:]


@sft_mask.mistake("only the first answer is learned")
@_changed
def only_first(learned, ids, header, end):
    stops = np.flatnonzero(np.diff(learned, append=0) == -1)
    return (learned * (np.arange(len(ids)) <= stops[0]) if len(stops) else learned)[1:]


@sft_mask.mistake("one token of the header is taken for the whole of it")
@_changed
def last_of_header(learned, ids, header, end):
    found, inside = np.zeros(len(ids), np.int64), False
    for place, token in enumerate(ids):
        found[place] = inside
        inside = (inside and token != end) or token == header[-1]
    return found[1:]
