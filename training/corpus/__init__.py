"""The text the course's model learns from: an endless, seeded stream of documents written by the templates beside this file.

Nothing is downloaded and nothing was copied from anywhere. The share of each kind of document is given in tokens, not
in documents, because a story is thirty times as long as a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import chat, drills, questions, sums
from .conversations import Document, Turn, chat_document, plain_document
from .stories import write_story
from .writing import Writer

SYSTEM_PROMPTS = [
    "You are Mini, a friendly storyteller.",
    "You are a helpful assistant.",
    "You are Mini. Answer briefly.",
]


def _conversation(writer: Writer, turns: list[Turn], think_probability: float = 0.7) -> Document:
    system = writer.choice(SYSTEM_PROMPTS) if writer.random() < 0.06 else None
    return chat_document(turns, may_think=writer.random() < think_probability, system=system)


def plain_story(writer: Writer) -> Document:
    return plain_document(write_story(writer).text)


def asked_story(writer: Writer) -> Document:
    story = write_story(writer, rare_name=writer.random() < 0.15)
    turns = [Turn(chat.story_request(writer, story), story.text)]
    if writer.random() < 0.1:
        turns.insert(0, writer.choice([chat.greeting, chat.introduction])(writer))
    return _conversation(writer, turns)


def story_with_questions(writer: Writer) -> Document:
    """A story and then questions about it: the conversation that a demonstration is likely to have."""
    story = write_story(writer)
    turns = [Turn(chat.story_request(writer, story), story.text)]
    turns += [chat.follow_up(writer, story) for _ in range(writer.choice([1, 2, 3, 4, 5]))]
    if writer.random() < 0.15:
        turns.append(writer.choice([chat.thanks, chat.goodbye])(writer))
    if writer.random() < 0.1:
        another = write_story(writer)
        turns = [turns[0], Turn(chat.another_request(writer, another), another.text)]
    return _conversation(writer, turns)


def facts(writer: Writer) -> Document:
    return _conversation(writer, [questions.fact(writer) for _ in range(writer.choice([1, 1, 2, 3, 4, 6]))])


def readings(writer: Writer) -> Document:
    return _conversation(writer, questions.reading_turns(writer, writer.choice([1, 1, 2, 3, 4])))


def small_sums(writer: Writer) -> Document:
    return _conversation(writer, [sums.small_sum(writer) for _ in range(writer.choice([1, 1, 2, 4, 6]))])


def long_additions(writer: Writer) -> Document:
    """Mostly with the work written down; sometimes without, so that the two ways can be compared fairly."""
    before = (
        [writer.choice([sums.small_sum, questions.fact, sums.long_addition])(writer)] if writer.random() < 0.2 else []
    )
    return _conversation(writer, [*before, sums.long_addition(writer)], think_probability=0.75)


def small_talk(writer: Writer) -> Document:
    return _conversation(writer, chat.small_talk(writer))


def copying(writer: Writer) -> Document:
    turns = (
        drills.who_is_who(writer)
        if writer.random() < 0.4
        else [drills.repeat(writer) for _ in range(writer.choice([1, 1, 2, 3]))]
    )
    return _conversation(writer, turns)


KINDS: dict[str, Callable[[Writer], Document]] = {
    "plain story": plain_story,
    "asked story": asked_story,
    "story with questions": story_with_questions,
    "facts": facts,
    "readings": readings,
    "small sums": small_sums,
    "long additions": long_additions,
    "small talk": small_talk,
    "copying": copying,
}

# Share of all tokens that each kind of document gets, at first ...
FIRST_MIXTURE = {
    "plain story": 0.22,
    "asked story": 0.24,
    "story with questions": 0.14,
    "facts": 0.11,
    "readings": 0.08,
    "small sums": 0.06,
    "long additions": 0.11,
    "small talk": 0.04,
}
# ... and later, with practice in copying, which lets the model keep to the names of a story.
MIXTURE = {
    "plain story": 0.21,
    "asked story": 0.23,
    "story with questions": 0.11,
    "facts": 0.07,
    "readings": 0.10,
    "small sums": 0.04,
    "long additions": 0.06,
    "small talk": 0.04,
    "copying": 0.14,
}
# ... and last, more and more of what asks to look something up: whose, which color, who.
LOOKING_UP = {
    "plain story": 0.12,
    "asked story": 0.16,
    "story with questions": 0.18,
    "facts": 0.08,
    "readings": 0.24,
    "small sums": 0.05,
    "long additions": 0.06,
    "small talk": 0.04,
    "copying": 0.07,
}
MORE_LOOKING_UP = {
    "plain story": 0.08,
    "asked story": 0.12,
    "story with questions": 0.24,
    "facts": 0.06,
    "readings": 0.36,
    "small sums": 0.04,
    "long additions": 0.04,
    "small talk": 0.03,
    "copying": 0.03,
}


def documents(
    seed: int, count_tokens: Callable[[Document], int], mixture: dict[str, float] = MIXTURE
) -> Iterator[tuple[str, Document]]:
    """An endless stream of (kind, document). The kind that is furthest behind its share of tokens comes next."""
    writer = Writer(seed)
    written = {kind: writer.random() * 500 for kind in mixture}
    while True:
        kind = min(mixture, key=lambda k: written[k] / mixture[k] if mixture[k] else float("inf"))
        document = KINDS[kind](writer)
        written[kind] += count_tokens(document)
        yield kind, document
