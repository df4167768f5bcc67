"""Saying words again: short and dense practice in copying.

A story repeats the name of its hero a dozen times, but each time only one token out of twenty is copied. Here nearly
every token is, so that the attention heads which copy form early; the stories then use them.
"""

from __future__ import annotations

from . import held_out, tables
from .conversations import Turn
from .small_talk import any_name
from .stories import made_up_name
from .writing import Writer

REPEAT_WORDINGS = [
    "Repeat after me: {words}.",
    "Say after me: {words}.",
    "Please say: {words}.",
    "Say these words: {words}.",
    "Please repeat: {words}.",
    "Can you say: {words}?",
    "Repeat: {words}.",
    "Say: {words}.",
    "Copy these words: {words}.",
    "Say exactly this: {words}.",
]


def repeat(writer: Writer) -> Turn:
    """One to twelve words, to be said again."""
    names = tables.GIRL_NAMES + tables.BOY_NAMES
    rare = tables.RARE_GIRL_NAMES + tables.RARE_BOY_NAMES
    pools = [names, names, names, tables.THING_NAMES, tables.KINDS, tables.COLORS, rare, None]
    one_pool = names if writer.chance(0.4) else None
    words = []
    for _ in range(writer.randint(1, 12)):
        pool = one_pool or writer.choice(pools)
        words.append(writer.choice(pool) if pool else made_up_name(writer, writer.chance(0.5)))
    said = ", ".join(words)
    return Turn("repeat", writer.pick("repeat", REPEAT_WORDINGS, held_out.WORDINGS).format(words=said), f"{said}.")


SENTENCES = [
    "{N} has {a} {thing}",
    "the {color} {thing} is in the {place}",
    "{N} and {M} are friends",
    "I like the {kind}",
    "the {kind} and the {kind2} play with the {thing}",
    "today {N} is {kind_of}",
]


def repeat_sentence(writer: Writer) -> Turn:
    """A sentence, to be said again as it is."""
    kind, kind2 = writer.sample(tables.STORY_ANIMALS, 2)
    thing = writer.choice(tables.THING_NAMES)
    said = writer.choice(SENTENCES).format(
        N=any_name(writer),
        M=any_name(writer),
        a="an" if thing[0] in "aeiou" else "a",
        thing=thing,
        color=writer.choice(tables.COLORS),
        place=writer.choice(list(tables.PLACES)),
        kind=kind,
        kind2=kind2,
        kind_of=writer.choice("happy tired hungry sad busy late brave".split()),
    )
    said = said[0].upper() + said[1:]
    return Turn("repeat", writer.pick("repeat", REPEAT_WORDINGS, held_out.WORDINGS).format(words=said), f"{said}.")
