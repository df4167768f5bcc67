"""Short texts that were never seen before, with questions that only the text can answer, asked in all directions.

A text tells of two to five people. Each person has a few attributes (a thing and its color, a place, a kind, a food, a
day), and no two people share one; so whatever is told can be asked from either end: what Nora has, and who has the kite.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from . import held_out, tables
from .text_queries import NOT_IN_TEXT, QUERIES, UNTOLD, Query
from .untold import untold_words
from .writing import Writer, capitalized, listed, with_article

FOODS = "cheese honey bread soup apples plums nuts berries cake rice beans pears corn cherries pancakes".split()

# How a text tells the attributes of one person; "has" stands for the thing and its color.
SENTENCES: dict[tuple[str, ...], list[str]] = {
    ("thing",): [
        "{N} has {a_color_thing}.",
        "{N} has {a_color_thing}.",
        "{N} owns {a_color_thing}.",
        "The {color} {thing} belongs to {N}.",
        "{N} plays with {a_color_thing}.",
        "{N} carries {a_color_thing}.",
        "There is {a_color_thing}, and it belongs to {N}.",
        "{N} brought {a_color_thing}.",
        "The {thing} of {N} is {color}.",
        "{A_color_thing} is what {N} has.",
        "In the hands of {N} is {a_color_thing}.",
        "{N} got {a_color_thing} as a present.",
        "{N} keeps {a_color_thing} at home.",
        "{A_color_thing} was given to {N}.",
        "{N} has got {a_color_thing}.",
        "It is {N} who has the {color} {thing}.",
        "The one with the {color} {thing} is {N}.",
        "{N} bought {a_color_thing}.",
    ],
    ("place",): [
        "{N} is {place}.",
        "{N} sits {place}.",
        "{N} waits {place}.",
        "{Place} sits {N}.",
        "{N} is sitting {place}.",
        "{N} is somewhere {place}.",
        "{Place} is where {N} is.",
        "{Place} you will find {N}.",
        "{N} has gone for a walk {place}.",
        "{N} sleeps {place}.",
        "The one {place} is {N}.",
        "I saw {N} {place}.",
    ],
    ("kind",): [
        "{N} is {a_kind}.",
        "There is {a_kind} named {N}.",
        "The {kind} is called {N}.",
        "{N} is the name of {a_kind}.",
        "The name of the {kind} is {N}.",
        "{A_kind} has the name {N}.",
        "This is {N} the {kind}.",
        "One of them is {a_kind}, {N}.",
        "Here comes {N} the {kind}.",
        "{N} was born {a_kind}.",
    ],
    ("food",): [
        "{N} likes {food}.",
        "{N} eats {food}.",
        "The favorite food of {N} is {food}.",
        "{N} is eating {food}.",
        "{N} is fond of {food}.",
        "{Food} is what {N} likes.",
        "{N} always asks for {food}.",
        "For {N} there is {food}.",
    ],
    ("day",): [
        "{N} comes on {day}.",
        "On {day}, {N} comes.",
        "{Day} is the day when {N} comes.",
        "{N} has time on {day}.",
        "The day of {N} is {day}.",
        "On {day} it is the turn of {N}.",
    ],
    ("kind", "thing"): [
        "{N} the {kind} has {a_color_thing}.",
        "{N} is {a_kind} with {a_color_thing}.",
        "{A_kind} named {N} has {a_color_thing}.",
        "The {color} {thing} belongs to {N} the {kind}.",
        "There is {a_kind} named {N} with {a_color_thing}.",
        "{N} the {kind} brought {a_color_thing}.",
        "{A_kind} called {N} owns {a_color_thing}.",
        "The {kind} is called {N} and has {a_color_thing}.",
    ],
    ("place", "thing"): [
        "{N} is {place} with {a_color_thing}.",
        "{Place}, {N} has {a_color_thing}.",
        "{N} sits {place} and has {a_color_thing}.",
        "{N} took {a_color_thing} along and is {place}.",
        "{Place} you will find {N} with {a_color_thing}.",
        "{N} plays {place} with {a_color_thing}.",
        "The {color} {thing} is {place}, where {N} is.",
    ],
    ("kind", "place"): [
        "{N} the {kind} is {place}.",
        "{Place} sits {N} the {kind}.",
        "{A_kind} named {N} waits {place}.",
        "{N} is {a_kind} and sits {place}.",
        "I saw {N} the {kind} {place}.",
        "{Place} you will find {a_kind} named {N}.",
        "The {kind} {place} is called {N}.",
    ],
    ("kind", "food"): [
        "{N} the {kind} likes {food}.",
        "{A_kind} named {N} eats {food}.",
        "{N} is {a_kind} and likes {food}.",
        "The favorite food of {N} the {kind} is {food}.",
        "There is {a_kind} named {N} who eats {food}.",
    ],
}
# How often a text is of which sort. Those with two attributes ask for two steps: what does the fox have?
SORTS = {
    ("thing",): 8,
    ("place",): 5,
    ("kind",): 4,
    ("food",): 3,
    ("day",): 2,
    ("kind", "thing"): 4,
    ("place", "thing"): 4,
    ("kind", "place"): 3,
    ("kind", "food"): 2,
}


@dataclass(frozen=True)
class Person:
    values: dict[str, str]

    @property
    def name(self) -> str:
        return self.values["N"]


@dataclass(frozen=True)
class Text:
    """A short text about some people, with all that it tells."""

    text: str
    people: list[Person]
    told: tuple[str, ...]  # which attributes

    @cached_property
    def words(self) -> frozenset[str]:
        slots = ["N", *(slot for slot in ("thing", "kind") if slot in self.told)]
        return frozenset(person.values[slot] for person in self.people for slot in slots)


def write_text(writer: Writer, avoid: Collection[str] = (), sort: tuple[str, ...] | None = None) -> Text:
    """avoid: names, kinds and things that are not to occur."""
    sort = sort or writer.choices(list(SORTS), weights=list(SORTS.values()))[0]
    count = writer.choice([2, 2, 3, 3, 4, 5])

    def sample(pool: list[str]) -> list[str]:
        return writer.sample([word for word in pool if word not in avoid], count)

    common, rare = tables.GIRL_NAMES + tables.BOY_NAMES, tables.RARE_GIRL_NAMES + tables.RARE_BOY_NAMES
    names = sample(rare if writer.chance(0.2) else common)
    things, kinds = sample(tables.THING_NAMES), sample([kind for kind in tables.STORY_ANIMALS if kind != "hen"])
    colors, places = writer.sample(tables.COLORS, count), writer.sample(list(tables.PLACES.values()), count)
    foods, days = writer.sample(FOODS, count), writer.sample(tables.DAYS, count)
    people = [
        Person(
            dict(N=n, thing=t, color=c, place=p, kind=k, food=f, day=d)
            | dict(a_kind=with_article(k), a_thing=with_article(t), a_color_thing=with_article(f"{c} {t}"))
        )
        for n, t, c, p, k, f, d in zip(names, things, colors, places, kinds, foods, days, strict=True)
    ]
    told: list[str] = []
    if len(sort) == 2 and writer.chance(0.3):  # one attribute of all people first, then the other
        for attribute in sort:
            template = writer.choice(_sentences(writer, (attribute,)))
            mixed = writer.sample(people, count)
            told += [capitalized(writer.write(template, person.values)) for person in mixed]
    else:
        templates = _sentences(writer, sort)
        always = writer.choice(templates) if writer.chance(0.4) else None
        told = [capitalized(writer.write(always or writer.choice(templates), person.values)) for person in people]
    return Text(" ".join(told), people, sort)


def _sentences(writer: Writer, sort: tuple[str, ...]) -> list[str]:
    return held_out.TEXT_SENTENCES[sort] if writer.held_out else SENTENCES[sort]


def queries_of(text: Text) -> list[Query]:
    return [query for query in QUERIES if query.needs <= set(text.told)]


def ask_text(
    writer: Writer, text: Text, later_words: Collection[str] = (), query: Query | None = None
) -> tuple[str, str, str] | None:
    """(family, question, answer): one question that the text answers, or None if the one drawn would not be clear.

    later_words: names, kinds and things of what was told or read after this text.
    """
    person = writer.choice(text.people)
    if query is None and writer.chance(0.12):
        return None if later_words else _ask_about_all(writer, text, person)
    if query is None:
        queries = queries_of(text)
        # Looking up a name from the rest is the hard direction, and comes more often.
        query = writer.choices(queries, weights=[2 if q.wanted == "name" else 1 for q in queries])[0]
    wording = writer.pick(f"text: {query.name}", query.wordings, held_out.WORDINGS)
    known = {"name": person.name}.get(query.given, person.values.get(query.given, ""))
    if later_words and (query.given not in ("name", "thing", "kind") or known in later_words):
        return None
    values = person.values
    return query.name, capitalized(writer.write(wording, values)), capitalized(writer.write(query.answer, values))


# Questions that could be answered by yes or no are answered by the fact, here as everywhere. A model of this size finds
# the fact, but not whether it is the one asked about: trained to begin with yes or no, or to end so, it guessed.
YES_NO = {
    "thing": (["Does {N} have the {thing}?", "Is it {N} who has the {thing}?", "Does the {thing} belong to {N}?"], "{N} has the {thing}"),
    "place": (["Is {N} {place}?", "Can I find {N} {place}?", "Is it {N} who is {place}?"], "{N} is {place}"),
    "kind": (["Is {N} {a_kind}?", "Is it true that {N} is {a_kind}?"], "{N} is {a_kind}"),
    "food": (["Does {N} like {food}?", "Is it {N} who likes {food}?"], "{N} likes {food}"),
}  # fmt: skip


def _ask_about_all(writer: Writer, text: Text, person: Person) -> tuple[str, str, str]:
    """Questions about the text as a whole, and those answered by yes or no."""
    names = [p.name for p in text.people]
    number = ["no", "one", "two", "three", "four", "five"][len(names)]
    options = [
        ("how many", ["How many names are in the text?", "How many are they?"], f"There are {number} names."),
        ("all names", ["Which names are in the text?", "Who is in the text?"], f"The names are {listed(names)}."),
    ]
    for attribute, (wordings, fact) in YES_NO.items():
        if attribute in text.told:
            options += [_yes_or_no(writer, text, person, writer.choice(wordings), fact)] * 2
    family, wordings, answer = writer.choice(options)
    return family, writer.choice(wordings), answer


def _yes_or_no(writer: Writer, text: Text, person: Person, question: str, fact: str) -> tuple[str, list[str], str]:
    true = writer.chance(0.5)
    other = person if true else writer.choice([p for p in text.people if p is not person])
    asked = writer.write(question, other.values | {"N": person.name})
    return "yes or no", [asked], writer.write(fact, person.values) + "."


def ask_untold(writer: Writer, text: Text, known_words: Collection[str]) -> tuple[str, str, str]:
    """A question that the text does not answer. known_words: all names, kinds and things of the conversation."""
    used_places = {person.values["place"] for person in text.people}
    values = (
        writer.choice(text.people).values
        | untold_words(writer)
        | {
            "other_name": writer.choice([n for n in tables.GIRL_NAMES + tables.BOY_NAMES if n not in known_words]),
            "other_thing": writer.choice([n for n in tables.THING_NAMES if n not in known_words]),
            "other_kind": writer.choice([n for n in tables.STORY_ANIMALS if n not in known_words]),
            "other_place": writer.choice([p for p in tables.PLACES.values() if p not in used_places]),
        }
    )
    wording = writer.pick("text: untold", UNTOLD, held_out.WORDINGS)
    return "untold", capitalized(writer.write(wording, values)), NOT_IN_TEXT


INTRODUCTIONS = ["{text} {question}"] * 6 + [
    "Read this: {text} {question}",
    "Here is a text. {text} {question}",
    "{text}\n{question}",
    "{text}\n\n{question}",
    "Read and answer. {text} {question}",
    "Text: {text} Question: {question}",
]


def with_question(writer: Writer, text: str, question: str) -> str:
    """The text and the question as one message."""
    return writer.choice(INTRODUCTIONS).replace("{text}", text).replace("{question}", question)
