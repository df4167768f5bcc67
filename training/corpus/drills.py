"""Drills: saying words again, and remembering who is who. Short and dense practice in copying.

A story repeats the name of its hero a dozen times, but each time only one token out of twenty is copied. Here nearly
every token is, so that the attention heads which copy form early; the stories then use them.
"""

from __future__ import annotations

from . import tables
from .conversations import Turn
from .writing import Writer, with_article

REPEAT_WORDINGS = [
    "Repeat after me: {words}.",
    "Say after me: {words}.",
    "Please say: {words}.",
    "Say these words: {words}.",
    "Please repeat: {words}.",
]


def repeat(writer: Writer) -> Turn:
    """Three to twelve words, to be said again."""
    names = tables.GIRL_NAMES + tables.BOY_NAMES
    rare = tables.RARE_GIRL_NAMES + tables.RARE_BOY_NAMES
    pools = [names, names, names, tables.THING_NAMES, tables.KINDS, tables.COLORS, rare]
    count = writer.randint(3, 12)
    pool = names if writer.random() < 0.5 else None
    words = ", ".join(writer.choice(pool or writer.choice(pools)) for _ in range(count))
    return Turn(writer.choice(REPEAT_WORDINGS).format(words=words), words + ".")


def who_is_who(writer: Writer) -> list[Turn]:
    """A few characters are introduced, then asked for by name and by kind."""
    count = writer.choice([2, 2, 3, 4])
    cast = list(
        zip(
            writer.sample(tables.GIRL_NAMES + tables.BOY_NAMES, count),
            writer.sample(tables.STORY_ANIMALS, count),
            strict=True,
        )
    )
    introduction = " ".join(
        writer.choice([f"{name} is {with_article(kind)}.", f"There is {with_article(kind)} named {name}."])
        for name, kind in cast
    )
    turns = []
    for index in range(writer.choice([1, 2, 3, 4])):
        name, kind = writer.choice(cast)
        question, answer = writer.choice(
            [
                (writer.choice([f"Who is {name}?", f"What is {name}?"]), f"{name} is {with_article(kind)}."),
                (writer.choice([f"Who is the {kind}?", f"What is the name of the {kind}?"]), f"The {kind} is {name}."),
                ("Who is there?", "There is " + " and ".join(f"{n} the {k}" for n, k in cast) + "."),
            ]
        )
        turns.append(Turn(f"{introduction} {question}" if index == 0 else question, answer))
    return turns
