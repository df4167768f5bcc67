"""Stories: one hero, one friend, one thing, some trouble, and a good end. The plots stand in `plots/`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from . import tables
from .held_out import SENTENCES as HELD_OUT_SENTENCES
from .plots import Line, Plot, held_out_plots, story_plots
from .writing import Writer, capitalized, sentences, with_article

OPENINGS = [
    "[Once upon a time|Once upon a time|Once upon a time|Long ago], there was a [little|small|young] {kind} named {H}.",
    "[Once upon a time|Once upon a time|Once upon a time|Not long ago], a [little|young|small] {kind} named {H} lived {at_place}.",
    "Once upon a time, {at_place}, there lived {a_kind} named {H}.",
    "[Once upon a time|Long ago] there lived a [little|small|young] {kind} named {H}[| who was never bored| who liked to laugh].",
]

HAS_THING = [
    "{H} had {a_color_thing}[, and {he} loved it more than pancakes|, and it was the best thing {he} owned||].",
    "{H} had {a_color_thing}, and every [morning|day] {he} went out to {play}.",
    "What {H} liked best was to {play}, and the {thing} was {color}.",
    "For {his} birthday, {H} had been given {a_color_thing}.",
    "{He} owned {a_color_thing} and [took it everywhere|took good care of it|showed it to everybody].",
]

# How a story ends depends on what has become of the thing.
CLOSINGS = {
    "kept": [
        "That night {H} the {kind} fell asleep with the {color} {thing} [beside {him}|next to the bed] and a smile on {his} face.",
        "And {H} the {kind} took the {color} {thing} home, [whistling|humming|singing] all the way.",
        "{H} put the {color} {thing} in {his} [safest|favorite] place and [invited {F} for pancakes|ate three pancakes with {F}].",
        "{H} the {kind} looked at the {color} {thing} and [thought that it had been a very good day|was as happy as {a_kind} can be].",
    ],
    "shared": [
        "From that day on, {H} and {F} [shared the {color} {thing}|took turns with the {color} {thing}|were best friends, and the {color} {thing} was never far away].",
        "If you ever meet {H} the {kind}, ask about the {color} {thing}. {He} will tell you everything, twice.",
        "And whenever {H} the {kind} saw the {color} {thing} again, {he} had to [smile|laugh|think of {F}].",
        "Since then {H} and {F} have been best friends, and the {color} {thing} [is never missing from their games|is always with them].",
    ],
    "given": [
        "From that day on, {F} never let go of the {color} {thing}, and {H} the {kind} [was always welcome|came to visit every day].",
        "Whenever {H} the {kind} saw {F} with the {color} {thing}, {he} felt [warm inside|very glad].",
        "{H} the {kind} went home without the {color} {thing}, but with a [new friend|happy heart].",
        "If you ever meet {F} with the {color} {thing}, ask about {H} the {kind}. {F} will tell you everything, twice.",
    ],
}
CLOSINGS["any"] = CLOSINGS["kept"] + CLOSINGS["shared"]


@dataclass(frozen=True)
class Character:
    name: str
    kind: str
    female: bool

    def pronouns(self, prefix: str = "") -> dict[str, str]:
        he, him, his = ("she", "her", "her") if self.female else ("he", "him", "his")
        return {prefix + "he": he, prefix + "him": him, prefix + "his": his, prefix + "himself": him + "self"}


@dataclass(frozen=True)
class Story:
    """A story, or a short text, with the values of its slots: what a question about it may ask for.

    plot: None where nobody knows which one it is.
    """

    text: str
    plot: Plot | None
    values: Mapping[str, str]

    @cached_property
    def words(self) -> frozenset[str]:
        """Names, animals and things: what a question can tell this story from others by."""
        return frozenset(self.values[slot] for slot in ("H", "F", "G", "kind", "fkind", "thing") if slot in self.values)

    @property
    def first_sentence(self) -> str:
        return sentences(self.text)[0]

    @property
    def last_sentence(self) -> str:
        return sentences(self.text)[-1]


def pick_name(writer: Writer, female: bool, rare: float = 0.0) -> str:
    """A name that goes with this pronoun; with probability `rare` one that is hardly ever met."""
    if writer.chance(rare):
        if writer.chance(0.3):
            return made_up_name(writer, female)
        return writer.choice(tables.RARE_GIRL_NAMES if female else tables.RARE_BOY_NAMES)
    return writer.choice(tables.GIRL_NAMES if female else tables.BOY_NAMES)


def made_up_name(writer: Writer, female: bool) -> str:
    """A name that nobody has heard before, such as Valora or Trimo."""
    syllables = [
        writer.choice(tables.SYLLABLE_STARTS) + writer.choice("aeiou") for _ in range(writer.choice([1, 2, 2]))
    ]
    return ("".join(syllables) + writer.choice("lmnrstvz") + ("a" if female else "o")).capitalize()


def pick_character(
    writer: Writer, kind: str | None = None, avoid: Collection[str] = (), rare_name: float = 0.0
) -> Character:
    """Choose a character whose name and kind are not in `avoid`. Every name always goes with the same pronoun."""
    kind = kind or writer.choice([kind for kind in tables.KINDS if kind not in avoid])
    female = kind in ("girl", "hen") or (kind != "boy" and writer.chance(0.5))
    name = pick_name(writer, female, rare_name)
    while name in avoid:
        name = pick_name(writer, female, rare_name)
    return Character(name, kind, female)


def character_values(hero: Character, friend: Character, thing: tables.Thing, color: str, place: str) -> dict[str, str]:
    """The slots that every plot may use."""
    return {
        **hero.pronouns(),
        **friend.pronouns("f"),
        "H": hero.name,
        "F": friend.name,
        "kind": hero.kind,
        "fkind": friend.kind,
        "a_kind": with_article(hero.kind),
        "a_fkind": with_article(friend.kind),
        "thing": thing.name,
        "color": color,
        "a_thing": with_article(thing.name),
        "a_color_thing": with_article(f"{color} {thing.name}"),
        "at_place": tables.PLACES[place],
        "play": thing.play.format(thing=thing.name),
        "breaks": thing.breaks,
        "mend": thing.mend,
        "rescue": thing.rescue,
        "trouble": thing.trouble,
    }


def plot_values(writer: Writer, plot: Plot, values: dict[str, str]) -> dict[str, str]:
    """Draw the plot's own values and resolve all slots within slots, so that every value is plain words."""
    drawn = {name: writer.choice(options) for name, options in plot.values.items()}
    everything = values | drawn
    return {name: writer.write(value, everything) for name, value in everything.items()}


def _fits(plot: Plot, thing: tables.Thing) -> bool:
    return (thing.light or not plot.light) and (not plot.things or thing.name in plot.things)


def write_story(
    writer: Writer,
    rare_name: float = 0.0,
    avoid: Collection[str] = (),
    hero: Character | None = None,
    plot: Plot | None = None,
    held_out: bool | None = None,
) -> Story:
    """Write one story: choose plot, thing, hero and friend, then fill in the sentences of the plot.

    held_out: of a plot that is kept back from training; by default as the writer is.
    avoid: words that are not to occur as names, kinds or thing, so that a question can tell this story from another.
    """
    held_out = writer.held_out if held_out is None else held_out
    plot = plot or writer.choice(held_out_plots() if held_out else story_plots())
    thing = writer.choice([thing for thing in tables.THINGS if _fits(plot, thing) and thing.name not in avoid])
    hero = hero or pick_character(writer, avoid=avoid, rare_name=rare_name)
    friend_kind = None
    row: dict[str, str] = {}
    if plot.rows == "obstacles":
        friend_kind, row = _obstacle(writer, thing, {hero.kind, *avoid})
    friend = pick_character(writer, friend_kind, {hero.name, hero.kind, *avoid}, rare_name * 0.5)
    place = writer.choice(list(tables.PLACES))
    color = writer.choice(tables.COLORS)
    values = plot_values(writer, plot, character_values(hero, friend, thing, color, place) | row)
    values |= shared_sentences(writer, plot, held_out)
    text = "\n\n".join(
        " ".join(
            capitalized(writer.write(line.template, values))
            for line in paragraph
            if not line.optional or writer.chance(0.5)
        )
        for paragraph in framed(plot)
    )
    return Story(text, plot, values)


def framed(plot: Plot) -> list[list[Line]]:
    """The plot's paragraphs with the opening and the closing that all plots share."""
    paragraphs = [list(paragraph) for paragraph in plot.paragraphs]
    paragraphs[0].insert(0, Line("{OPENING}", False))
    paragraphs[-1].append(Line("{CLOSING}", False))
    return paragraphs


def shared_sentences(writer: Writer, plot: Plot, held_out: bool) -> dict[str, str]:
    """Opening, introduction of the thing, and closing: templates of whole sentences."""
    if held_out:
        openings, has_thing = HELD_OUT_SENTENCES["opening"], HELD_OUT_SENTENCES["has_thing"]
        closings = HELD_OUT_SENTENCES["closing given" if plot.end == "given" else "closing any"]
    else:
        openings, has_thing, closings = OPENINGS, HAS_THING, CLOSINGS[plot.end]
    return {
        "OPENING": writer.choice(openings),
        "HAS_THING": writer.choice(has_thing),
        "CLOSING": writer.choice(closings),
    }


def _obstacle(writer: Writer, thing: tables.Thing, avoid: Collection[str]) -> tuple[str, dict[str, str]]:
    """Where the thing has got to, and the animal that can fetch it from there."""
    fitting = [
        (obstacle, helper)
        for obstacle in tables.OBSTACLES
        for helper in obstacle.helpers
        if (thing.light or not obstacle.only_light) and helper[0] not in avoid
    ]
    obstacle, (kind, deed) = writer.choice(fitting)
    attempt, attempt2 = writer.sample(obstacle.attempts, 2)
    how = writer.choice(obstacle.how)
    return kind, dict(how=how, where=obstacle.where, attempt=attempt, attempt2=attempt2, deed=deed)
