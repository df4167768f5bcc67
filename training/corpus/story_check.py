"""Does a story hang together? Strict checks that every story of the training text passes by construction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import tables
from .stories import Story
from .story_reading import KIND, NAME, read_story, with_derived

KIND_OF_WORD = {
    form: kind for kind, plural in tables.PLURALS.items() for form in (kind, plural) if kind in tables.KINDS
}
PRONOUN = dict.fromkeys(tables.GIRL_NAMES + tables.RARE_GIRL_NAMES, "she") | dict.fromkeys(
    tables.BOY_NAMES + tables.RARE_BOY_NAMES, "he"
)
CAPITALIZED_WORDS = {"I", "Sunday", "Grandmother"}  # the only ones within the sentences of a story that are no names
_HERO = re.compile(rf"(?:an?|an? (?:little|small|young)) ({KIND}) named ({NAME})\b")
_INTRODUCTIONS = [  # pattern, number of the group of the kind, and of the name
    (re.compile(rf"\ban? (?:little |small |young )?({KIND}) named ({NAME})\b"), 1, 2),
    (re.compile(rf"\b({NAME}), an? ({KIND})\b"), 2, 1),
    (re.compile(rf"\b({NAME}) was an? ({KIND})\b"), 2, 1),
]


@dataclass(frozen=True)
class StoryCheck:
    """What became of one story. `problems` is empty when the story hangs together.

    story: as it was read. one_plot: whether nearly every word belongs to sentences of one plot, without contradiction
    and up to an end.
    pronouns_agree: None where hero and friend differ in pronoun, so that nothing can be said.
    """

    story: Story
    problems: list[str]
    one_plot: bool
    pronouns_agree: bool | None


def check_story(text: str, wish: Mapping[str, str] | None = None) -> StoryCheck:
    """Check one story against itself and against what was asked for: slots H, kind, F, fkind, thing, color."""
    wish = wish or {}
    text = text.strip()
    problems: list[str] = []
    paragraphs = text.split("\n\n")
    words = re.findall(r"[A-Za-z]+", text)

    found = _HERO.search(paragraphs[0])
    kind, hero = (found[1], found[2]) if found else (None, None)
    if hero is None:
        problems.append("no hero is introduced at the beginning")
    elif not re.search(rf"\b{hero}\b", paragraphs[-1]):
        problems.append("the hero is missing from the last paragraph")
    introduced = _introduced(text, problems)
    others = {name for name in introduced if name != hero}
    if len(introduced) > 2:
        problems.append("another hero takes over")
    # A capitalised word that does not begin a sentence is a name.
    names = {match[1] for match in re.finditer(rf"[a-z,;] ({NAME})\b", text)} - CAPITALIZED_WORDS
    if (names | {word for word in words if word in PRONOUN}) - set(introduced):
        problems.append("somebody appears who was never introduced")
    kinds = {kind for found_kinds in introduced.values() for kind in found_kinds}
    if {KIND_OF_WORD[word.lower()] for word in words if word.lower() in KIND_OF_WORD} - kinds:
        problems.append("an animal appears that was never introduced")

    things = {word.lower() for word in words} & set(tables.THING_NAMES)
    thing = next((word.lower() for word in words if word.lower() in things), None)
    if thing is None:
        problems.append("there is no thing")
    elif not re.search(rf"\b{thing}\b", paragraphs[-1]):
        problems.append("the thing is missing from the last paragraph")
    if len(things) > 1:
        problems.append("another thing takes its place")
    colors = {word.lower() for word in words} & set(tables.COLORS)
    if len(colors) > 1:
        problems.append("the color changes")

    friend = next(iter(others), None)
    told = {"H": hero, "kind": kind, "thing": thing, "color": next(iter(colors), None)}
    told |= {"F": friend, "fkind": next(iter(introduced[friend])) if friend else None}
    problems += [f"{NAMES_OF_SLOTS[slot]} is not as asked for" for slot in wish if told[slot] != wish[slot]]
    reading = read_story(text)
    values = dict(reading.story.values) | {slot: value for slot, value in told.items() if value is not None}
    return StoryCheck(
        Story(text, reading.story.plot, with_derived(values)),
        problems,
        reading.covered > 0.95 and reading.has_closing and not reading.contradictions,
        _pronouns_agree(introduced, words),
    )


NAMES_OF_SLOTS = {
    "H": "the hero",
    "kind": "the kind of the hero",
    "F": "the friend",
    "fkind": "the kind of the friend",
    "thing": "the thing",
    "color": "the color",
}


def _introduced(text: str, problems: list[str]) -> dict[str, set[str]]:
    """All characters with their kinds: of each one, if the story hangs together."""
    introduced: dict[str, set[str]] = {}
    for pattern, kind_group, name_group in _INTRODUCTIONS:
        for match in pattern.finditer(text):
            introduced.setdefault(match[name_group], set()).add(match[kind_group])
    for match in re.finditer(rf"\b({NAME}) the ({KIND})\b", text):
        if match[1] not in introduced:
            problems.append("somebody appears who was never introduced")
        introduced.setdefault(match[1], set()).add(match[2])
    if any(len(kinds) > 1 for kinds in introduced.values()):
        problems.append("somebody changes into another animal")
    return introduced


def _pronouns_agree(introduced: Mapping[str, set[str]], words: list[str]) -> bool | None:
    pronouns = {PRONOUN.get(name) for name in introduced}
    if len(pronouns) != 1 or None in pronouns or {"snowman", "wizard"} & set(words):
        return None
    wrong = {"he", "him", "his", "himself"} if pronouns == {"she"} else {"she", "her", "hers", "herself"}
    return not wrong & {word.lower() for word in words}
