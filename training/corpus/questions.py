"""Small questions with one right answer each, and short texts to read and answer from.

Every relation has wordings to learn from and, in `held_out`, wordings that never occur in training: the evaluation
asks in those, so that it measures understanding of the question and not memory of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import tables
from .conversations import Turn
from .writing import Writer, capitalized, with_article


@dataclass(frozen=True)
class Relation:
    name: str
    wordings: list[str]
    held_out: list[str]
    answer: str
    subjects: list[dict[str, str]] = field(repr=False)

    def turn(self, subject: dict[str, str], wording: str) -> Turn:
        return Turn(capitalized(wording.format_map(subject)), capitalized(self.answer.format_map(subject)))


def _animals(attribute: str) -> list[dict[str, str]]:
    return [
        {"k": animal.name, "a": with_article(animal.name), "s": animal.plural, "value": getattr(animal, attribute)}
        for animal in tables.ANIMALS
        if getattr(animal, attribute) is not None
    ]


def _pairs(text: str) -> list[dict[str, str]]:
    """'hot cold, big small' -> both directions of every pair."""
    pairs = [pair.split() for pair in text.split(",")]
    return [{"w": first, "value": second} for first, second in pairs] + [
        {"w": second, "value": first} for first, second in pairs
    ]


def _following(items: list[str]) -> list[dict[str, str]]:
    return [{"w": item, "value": items[(index + 1) % len(items)]} for index, item in enumerate(items)]


def _preceding(items: list[str]) -> list[dict[str, str]]:
    return [{"w": item, "value": items[index - 1]} for index, item in enumerate(items)]


OPPOSITES = (
    "hot cold, big small, happy sad, fast slow, old new, open closed, high low, wet dry, light heavy, day night, "
    "up down, left right, full empty, loud quiet, hard soft, clean dirty, early late, near far, thick thin, "
    "long short, strong weak, good bad, rich poor, brave afraid, first last, always never, yes no, push pull, "
    "win lose, inside outside, front back, begin end, sweet sour, tall tiny, wide narrow, asleep awake"
)
COLORED = {
    "grass": "green",
    "the sky": "blue",
    "snow": "white",
    "a banana": "yellow",
    "a tomato": "red",
    "coal": "black",
    "a carrot": "orange",
    "a lemon": "yellow",
    "the sun": "yellow",
    "a strawberry": "red",
    "a leaf": "green",
    "milk": "white",
    "chocolate": "brown",
    "a frog": "green",
    "an elephant": "gray",
    "a pumpkin": "orange",
    "a cucumber": "green",
    "a crow": "black",
    "the sea": "blue",
    "a cloud": "white",
    "salt": "white",
    "honey": "golden",
    "a plum": "purple",
    "mud": "brown",
    "a pig": "pink",
    "a cherry": "red",
    "a mouse": "gray",
    "a bear": "brown",
}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
NUMBERS = [str(number) for number in range(21)]

RELATIONS = [
    Relation(
        "legs",
        [
            "How many legs does {a} have?",
            "How many legs do {s} have?",
            "How many legs has {a}?",
            "What is the number of legs of {a}?",
            "Tell me how many legs {a} has.",
            "Count the legs of {a}.",
            "{a} has how many legs?",
            "Do you know how many legs {s} have?",
            "On how many legs does {a} walk?",
            "How many legs can you count on {a}?",
            "Please tell me how many legs {a} has.",
            "Legs of {a}?",
        ],
        ["Do you know how many legs {a} has?", "Tell me the number of legs of {a}.", "Tell me how many legs {s} have."],
        "{a} has {value} legs.",
        _animals("legs"),
    ),
    Relation(
        "sound",
        [
            "What sound does {a} make?",
            "What does {a} say?",
            "What noise does {a} make?",
            "What do {s} say?",
            "Which sound do {s} make?",
            "Tell me what {a} says.",
            "Make the sound of {a}.",
            "How does {a} sound?",
            "Can you make the noise of {a}?",
            "Do you know what {a} says?",
            "What is the sound of {a}?",
            "What sound do {s} make?",
        ],
        ["Tell me what sound {a} makes.", "What noise do {s} make?", "Can you make the sound of {a}?"],
        "{a} says {value}.",
        _animals("sound"),
    ),
    Relation(
        "home",
        [
            "Where does {a} live?",
            "Where do {s} live?",
            "What is the home of {a}?",
            "Where is the home of {a}?",
            "Tell me where {s} live.",
            "Where would you look for {a}?",
            "Where can I find {a}?",
            "In what place does {a} live?",
            "Do you know where {a} lives?",
            "Please tell me where {a} lives.",
            "Where would I find {s}?",
            "Where is {a} at home?",
        ],
        ["Tell me where {a} lives.", "Where can I find {s}?", "Do you know where {s} live?"],
        "{a} lives {value}.",
        _animals("home"),
    ),
    Relation(
        "food",
        [
            "What does {a} eat?",
            "What do {s} eat?",
            "What does {a} like to eat?",
            "What do {s} like to eat?",
            "What is the food of {a}?",
            "What would you feed {a}?",
            "Tell me what {s} eat.",
            "What should I feed {a}?",
            "Do you know what {a} eats?",
            "Please tell me what {a} likes to eat.",
            "What can I give {a} to eat?",
            "What food do {s} like?",
        ],
        ["Tell me what {a} eats.", "What should I feed {s}?", "What food does {a} like?"],
        "{a} eats {value}.",
        _animals("food"),
    ),
    Relation(
        "baby",
        [
            "What is a baby {k} called?",
            "What do you call a baby {k}?",
            "What is the name of a baby {k}?",
            "What is the baby of {a} called?",
            "What do we call the baby of {a}?",
            "What is a young {k} called?",
            "Tell me what a young {k} is called.",
            "What do people call a baby {k}?",
            "Do you know what a baby {k} is called?",
            "What name does a baby {k} have?",
            "How do you call a baby {k}?",
            "A baby {k} is called what?",
        ],
        ["What do you call the baby of {a}?", "Tell me what a baby {k} is called.", "What do we call a young {k}?"],
        "a baby {k} is called {value}.",
        _animals("baby"),
    ),
    Relation(
        "opposite",
        [
            "What is the opposite of {w}?",
            "Tell me the opposite of {w}.",
            "Which word means the opposite of {w}?",
            "What word is the opposite of {w}?",
            "The opposite of {w} is what?",
            "Give me the opposite of {w}.",
            "Please say the opposite of {w}.",
            "Can you tell me the opposite of {w}?",
            "The opposite of {w}?",
            "What is the opposite of the word {w}?",
            "Do you know which word is the opposite of {w}?",
            "Opposite of {w}?",
        ],
        [
            "Do you know the opposite of {w}?",
            "Which word is the opposite of {w}?",
            "Give me the opposite of the word {w}.",
        ],
        "the opposite of {w} is {value}.",
        _pairs(OPPOSITES),
    ),
    Relation(
        "color",
        [
            "What color is {w}?",
            "What color does {w} have?",
            "What is the color of {w}?",
            "Which color is {w}?",
            "Tell me the color of {w}.",
            "Tell me what color {w} is.",
            "Do you know what color {w} is?",
            "{w} has what color?",
            "In what color would you paint {w}?",
            "Name the color of {w}.",
            "Can you tell me what color {w} has?",
            "The color of {w}?",
        ],
        ["Which color does {w} have?", "Do you know the color of {w}?", "Can you tell me what color {w} is?"],
        "{w} is {value}.",
        [{"w": thing, "value": color} for thing, color in COLORED.items()],
    ),
]


def _order(name: str, items: list[str], what: str, which: str) -> list[Relation]:
    """What comes after and what comes before, for days, months and numbers."""
    relations = []
    for word, subjects in (("after", _following(items)), ("before", _preceding(items))):
        if name == "number":
            subjects = subjects[:-1] if word == "after" else subjects[1:]
        relations.append(
            Relation(
                f"{name} {word}",
                [
                    f"{which} {what} comes {word} {{w}}?",
                    f"What comes {word} {{w}}?",
                    f"What {what} is {word} {{w}}?",
                    f"Tell me the {what} {word} {{w}}.",
                    f"Which {what} is right {word} {{w}}?",
                    f"What is the {what} {word} {{w}}?",
                    f"Do you know which {what} comes {word} {{w}}?",
                    f"Which is the {what} {word} {{w}}?",
                    f"Tell me which {what} comes {word} {{w}}.",
                    f"The {what} {word} {{w}}?",
                    f"Name the {what} that comes {word} {{w}}.",
                ],
                [
                    f"Tell me what comes {word} {{w}}.",
                    f"Do you know which {what} is {word} {{w}}?",
                    f"Name the {what} {word} {{w}}.",
                ],
                f"{word} {{w}} comes {{value}}.",
                subjects,
            )
        )
    return relations


RELATIONS += (
    _order("day", DAYS, "day", "Which")
    + _order("month", MONTHS, "month", "Which")
    + _order("number", NUMBERS, "number", "Which")
)
TINY_RELATIONS_WEIGHT = {relation.name: max(len(relation.subjects), 20) for relation in RELATIONS}


def fact(writer: Writer) -> Turn:
    """Ask one fact in one of the wordings to learn from."""
    relation = writer.choices(RELATIONS, weights=list(TINY_RELATIONS_WEIGHT.values()))[0]
    return relation.turn(writer.choice(relation.subjects), writer.choice(relation.wordings))


# Reading: a short text that was never seen before, and a question that only the text can answer.


@dataclass(frozen=True)
class Reading:
    name: str
    wordings: list[str]
    held_out: list[str]
    answer: str


READINGS = [
    Reading(
        "color of the thing",
        [
            "What color is the {thing} of {N}?",
            "What color is the {thing}?",
            "Which color has the {thing} of {N}?",
            "What is the color of the {thing}?",
            "Tell me the color of the {thing}.",
            "Which color is the {thing}?",
        ],
        [
            "Tell me what color the {thing} is.",
            "What is the color of the {thing} of {N}?",
            "Which color has the {thing}?",
        ],
        "the {thing} is {color}.",
    ),
    Reading(
        "who has it",
        [
            "Who has the {thing}?",
            "Who has a {color} {thing}?",
            "Whose {thing} is {color}?",
            "Who is the one with the {thing}?",
            "Tell me who has the {thing}.",
            "Who owns the {thing}?",
            "Who has the {color} {thing}?",
        ],
        [
            "Who owns the {color} {thing}?",
            "Tell me who has the {color} {thing}.",
            "Who is the one with the {color} {thing}?",
        ],
        "it is {N} who has the {thing}.",
    ),
    Reading(
        "what is had",
        [
            "What does {N} have?",
            "What has {N}?",
            "Tell me what {N} has.",
            "What is it that {N} has?",
            "What thing does {N} have?",
            "What does {N} own?",
        ],
        ["What thing does {N} own?", "Tell me what {N} owns.", "What is it that {N} owns?"],
        "{N} has {a_color_thing}.",
    ),
    Reading(
        "where",
        [
            "Where is {N}?",
            "Where does {N} sit?",
            "Tell me where {N} is.",
            "Where can I find {N}?",
            "In what place is {N}?",
            "Where is {N} now?",
        ],
        ["Where can I find {N} now?", "Tell me where {N} sits.", "In what place does {N} sit?"],
        "{N} is {place}.",
    ),
    Reading(
        "who is where",
        [
            "Who is {place}?",
            "Who sits {place}?",
            "Tell me who is {place}.",
            "Who can I find {place}?",
            "Who is the one {place}?",
        ],
        ["Tell me who sits {place}.", "Who is it that sits {place}?"],
        "it is {N} who is {place}.",
    ),
]


def reading_people(writer: Writer) -> list[dict[str, str]]:
    """Two or three people who differ in everything that a question may ask for."""
    count = writer.choice([2, 2, 3])
    rare = tables.RARE_GIRL_NAMES + tables.RARE_BOY_NAMES
    common = tables.GIRL_NAMES + tables.BOY_NAMES
    names = writer.sample(common, count) if writer.random() < 0.8 else writer.sample(rare, count)
    columns = zip(
        names,
        writer.sample(tables.THING_NAMES, count),
        writer.sample(tables.COLORS, count),
        writer.sample(list(tables.PLACES.values()), count),
        strict=True,
    )
    return [
        {"N": name, "thing": thing, "color": color, "place": place, "a_color_thing": with_article(f"{color} {thing}")}
        for name, thing, color, place in columns
    ]


def reading_text(writer: Writer, people: list[dict[str, str]], about_places: bool) -> str:
    if about_places:
        sentences = [writer.write("{N} [is|sits] {place}.", person) for person in people]
    else:
        sentences = [writer.write("{N} has {a_color_thing}.", person) for person in people]
    return " ".join(sentences)


def reading_turns(
    writer: Writer, count: int, pick: Callable[[Reading], list[str]] | None = None, name: str | None = None
) -> list[Turn]:
    """One text and `count` questions about it. `pick` chooses the list of wordings (default: those to learn from)."""
    people = reading_people(writer)
    reading = next(r for r in READINGS if r.name == name) if name else writer.choice(READINGS)
    about_places = "where" in reading.name
    turns = []
    for index in range(count):
        if index:
            reading = writer.choice([r for r in READINGS if ("where" in r.name) == about_places])
        person = writer.choice(people)
        question = writer.choice(pick(reading) if pick else reading.wordings).format_map(person)
        if index == 0:
            question = reading_text(writer, people, about_places) + " " + question
        turns.append(Turn(question, capitalized(reading.answer.format_map(person))))
    return turns
