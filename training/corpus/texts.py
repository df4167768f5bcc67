"""Short texts that were never seen before, with questions that only the text can answer, asked in all directions.

A text tells of two to five people. Each person has a few attributes (a thing and its color, a place, a kind, a food, a
day), and no two people share one; so whatever is told can be asked from either end: what Nora has, and who has the kite.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from . import held_out, tables
from .writing import Writer, capitalized, listed, with_article

NOT_IN_TEXT = "The text does not say that."
FOODS = "cheese honey bread soup apples plums nuts berries cake rice beans pears corn cherries pancakes".split()

# fmt: off
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
    ],
    ("place",): ["{N} is {place}.", "{N} sits {place}.", "{N} waits {place}.", "{Place} sits {N}.", "{N} is sitting {place}."],
    ("kind",): ["{N} is {a_kind}.", "There is {a_kind} named {N}.", "The {kind} is called {N}.", "{N} is the name of {a_kind}."],
    ("food",): ["{N} likes {food}.", "{N} eats {food}.", "The favorite food of {N} is {food}.", "{N} is eating {food}."],
    ("day",): ["{N} comes on {day}.", "On {day}, {N} comes.", "{Day} is the day when {N} comes."],
    ("kind", "thing"): ["{N} the {kind} has {a_color_thing}.", "{N} is {a_kind} with {a_color_thing}.", "{A_kind} named {N} has {a_color_thing}."],
    ("place", "thing"): ["{N} is {place} with {a_color_thing}.", "{Place}, {N} has {a_color_thing}.", "{N} sits {place} and has {a_color_thing}."],
    ("kind", "place"): ["{N} the {kind} is {place}.", "{Place} sits {N} the {kind}.", "{A_kind} named {N} waits {place}."],
    ("kind", "food"): ["{N} the {kind} likes {food}.", "{A_kind} named {N} eats {food}."],
}
# fmt: on
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
class Query:
    """From what to what a question leads, and how it is asked."""

    given: str
    wanted: str
    wordings: list[str]
    answer: str

    @property
    def name(self) -> str:
        return f"{self.given} to {self.wanted}"

    @property
    def needs(self) -> set[str]:
        return {"thing" if part == "color" else part for part in (self.given, self.wanted)} - {"name"}


# fmt: off
# An answer begins with what is known, so that what was looked up never is its first word (see conversations.py).
QUERIES = [
    Query("name", "thing", ["What does {N} have?", "What has {N} got?", "Tell me what {N} has.", "Which thing does {N} have?", "What belongs to {N}?", "What does {N} own?"], "{N} has {a_color_thing}."),
    Query("thing", "name", ["Who has the {thing}?", "Who has the {thing}?", "Who owns the {thing}?", "Who has {a_color_thing}?", "Who has the {color} {thing}?", "To whom does the {thing} belong?", "Whose is the {thing}?", "Tell me who has the {thing}.", "Who is it that has the {thing}?", "Whose {thing} is {color}?"], "The {thing} belongs to {N}."),
    Query("thing", "color", ["What color is the {thing}?", "What color is the {thing} of {N}?", "Which color has the {thing} of {N}?", "What is the color of the {thing}?", "Tell me the color of the {thing}.", "Which color is the {thing}?"], "The {thing} is {color}."),
    Query("color", "thing", ["What is {color}?", "Which thing is {color}?", "What thing is {color}?", "Tell me what is {color}."], "The {color} thing is the {thing}."),
    Query("name", "color", ["What color is the thing that {N} has?", "Which color has the thing of {N}?", "What color does {N} have?"], "The {thing} of {N} is {color}."),
    Query("color", "name", ["Who has something {color}?", "Who has the {color} thing?", "To whom does the {color} thing belong?"], "The {color} thing belongs to {N}."),
    Query("name", "place", ["Where is {N}?", "Where does {N} sit?", "Tell me where {N} is.", "Where can I find {N}?", "In what place is {N}?", "Where is {N} now?"], "{N} is {place}."),
    Query("place", "name", ["Who is {place}?", "Who sits {place}?", "Tell me who is {place}.", "Who can I find {place}?", "Who is the one {place}?", "{Place} is who?"], "The one {place} is {N}."),
    Query("name", "kind", ["What kind of animal is {N}?", "What animal is {N}?", "What is {N}?", "Who is {N}?", "Tell me what {N} is."], "{N} is {a_kind}."),
    Query("kind", "name", ["What is the name of the {kind}?", "What is the {kind} called?", "Who is the {kind}?", "Tell me the name of the {kind}.", "How is the {kind} called?", "Which name has the {kind}?"], "The {kind} is called {N}."),
    Query("name", "food", ["What does {N} like?", "What does {N} eat?", "What is the favorite food of {N}?", "Tell me what {N} likes."], "{N} likes {food}."),
    Query("food", "name", ["Who likes {food}?", "Who eats {food}?", "Whose favorite food is {food}?", "Tell me who likes {food}."], "The one who likes {food} is {N}."),
    Query("name", "day", ["When does {N} come?", "On which day does {N} come?", "What is the day of {N}?"], "{N} comes on {day}."),
    Query("day", "name", ["Who comes on {day}?", "Whose day is {day}?", "Tell me who comes on {day}."], "The one who comes on {day} is {N}."),
    Query("kind", "thing", ["What does the {kind} have?", "Which thing does the {kind} have?", "Tell me what the {kind} has."], "The {kind} has {a_color_thing}."),
    Query("thing", "kind", ["Which animal has the {thing}?", "What animal has the {thing}?", "To which animal does the {thing} belong?"], "The {thing} belongs to the {kind}."),
    Query("place", "thing", ["Which thing is {place}?", "What thing is {place}?", "What can I find {place}?"], "The thing {place} is the {thing}."),
    Query("thing", "place", ["Where is the {thing}?", "In what place is the {thing}?", "Where can I find the {thing}?"], "The {thing} is {place}."),
    Query("kind", "place", ["Where is the {kind}?", "Where does the {kind} sit?", "Where can I find the {kind}?"], "The {kind} is {place}."),
    Query("place", "kind", ["Which animal is {place}?", "What animal sits {place}?", "Which animal can I find {place}?"], "The animal {place} is the {kind}."),
    Query("kind", "food", ["What does the {kind} in the text like?", "Which food does the {kind} in the text like?"], "The {kind} likes {food}."),
    Query("food", "kind", ["Which animal in the text likes {food}?", "Which animal in the text eats {food}?"], "The animal that likes {food} is the {kind}."),
]
# fmt: on
TWO_STEPS = {query.name for query in QUERIES if "name" not in (query.given, query.wanted)} - {
    "thing to color",
    "color to thing",
}

UNTOLD = [
    "Who has the {other_thing}?",
    "What does {other_name} have?",
    "Where is {other_name}?",
    "Who is {other_place}?",
    "What color is the {other_thing}?",
    "How old is {N}?",
    "What is the name of the {other_kind}?",
    "Who is the brother of {N}?",
    "What does {N} dream about?",
    "Why is {N} there?",
    "What is the last name of {N}?",
    "Does {N} have a sister?",
    "How tall is {N}?",
    "What did {N} do yesterday?",
]


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


def _ask_about_all(writer: Writer, text: Text, person: Person) -> tuple[str, str, str]:
    """Questions about the text as a whole, and those answered by yes or no."""
    names = [p.name for p in text.people]
    number = ["no", "one", "two", "three", "four", "five"][len(names)]
    options = [
        ("how many", ["How many names are in the text?", "How many are they?"], f"There are {number} names."),
        ("all names", ["Which names are in the text?", "Who is in the text?"], f"The names are {listed(names)}."),
    ]
    if "thing" in text.told:
        options += [_yes_or_no(writer, text, person, "Does {N} have the {thing}?", "{N} has the {thing}")] * 2
    if "place" in text.told:
        options += [_yes_or_no(writer, text, person, "Is {N} {place}?", "{N} is {place}")] * 2
    family, wordings, answer = writer.choice(options)
    return family, writer.choice(wordings), answer


def _yes_or_no(writer: Writer, text: Text, person: Person, question: str, fact: str) -> tuple[str, list[str], str]:
    true = writer.chance(0.5)
    other = person if true else writer.choice([p for p in text.people if p is not person])
    asked = writer.write(question, other.values | {"N": person.name})
    return "yes or no", [asked], ("Yes, " if true else "No, ") + writer.write(fact, person.values) + "."


def ask_untold(writer: Writer, text: Text, known_words: Collection[str]) -> tuple[str, str, str]:
    """A question that the text does not answer. known_words: all names, kinds and things of the conversation."""
    used_places = {person.values["place"] for person in text.people}
    values = writer.choice(text.people).values | {
        "other_name": writer.choice([n for n in tables.GIRL_NAMES + tables.BOY_NAMES if n not in known_words]),
        "other_thing": writer.choice([n for n in tables.THING_NAMES if n not in known_words]),
        "other_kind": writer.choice([n for n in tables.STORY_ANIMALS if n not in known_words]),
        "other_place": writer.choice([p for p in tables.PLACES.values() if p not in used_places]),
    }
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
