"""Facts known by heart: about animals, opposites, colors, days, months and numbers. Each question has one right answer.

Wordings that never occur in training stand in `held_out.py`: the evaluation asks in those, so that it measures
understanding of the question and not memory of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import held_out, tables
from .conversations import Turn
from .tables import COLORED, DAYS, MONTHS, OPPOSITES
from .writing import Writer, capitalized, with_article


@dataclass(frozen=True)
class Relation:
    name: str
    wordings: list[str]
    answer: str
    subjects: list[dict[str, str]] = field(repr=False)
    wanted: str = "value"  # the slot that the question asks for

    def turn(self, subject: dict[str, str], wording: str) -> Turn:
        question, answer = (capitalized(text.format_map(subject)) for text in (wording, self.answer))
        return Turn("fact", question, answer, family=self.name)


def _animals(attribute: str) -> list[dict[str, str]]:
    return [
        {"k": animal.name, "a": with_article(animal.name), "s": animal.plural, "value": getattr(animal, attribute)}
        for animal in tables.ANIMALS
        if getattr(animal, attribute) is not None
    ]


def _only_of(attribute: str) -> list[dict[str, str]]:
    """Animals that the attribute tells from all others: no two say "meow", but several have a cub."""
    values = [getattr(animal, attribute) for animal in tables.ANIMALS]
    return [
        {"a": with_article(animal.name), "k": animal.name, "value": getattr(animal, attribute)}
        for animal in tables.ANIMALS
        if getattr(animal, attribute) is not None and values.count(getattr(animal, attribute)) == 1
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


NUMBERS = [str(number) for number in range(101)]

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
        "a baby {k} is called {value}.",
        _animals("baby"),
    ),
    Relation(
        "who says",
        [
            "Which animal says {value}?",
            "Who says {value}?",
            "What animal says {value}?",
            "What says {value}?",
            "Tell me which animal says {value}.",
            "Which animal makes the sound {value}?",
            "Do you know who says {value}?",
            "{value}! Who says that?",
        ],
        "{a} says {value}.",
        _only_of("sound"),
        wanted="a",
    ),
    Relation(
        "whose baby",
        [
            "What is {value}?",
            "What kind of animal is {value}?",
            "{value} is the baby of what animal?",
            "Whose baby is {value}?",
            "Which animal has {value} as its baby?",
            "Tell me what {value} is.",
            "Do you know what {value} is?",
            "Of which animal is {value} the baby?",
        ],
        "{value} is a baby {k}.",
        _only_of("baby"),
        wanted="a",
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
# The small ones come often enough, and a hundred numbers are no harder than forty animals.
WEIGHTS = [min(max(len(relation.subjects), 20), 40) for relation in RELATIONS]


def fact(writer: Writer) -> Turn:
    relation = writer.choices(RELATIONS, weights=WEIGHTS)[0]
    wording = writer.pick(f"fact: {relation.name}", relation.wordings, held_out.WORDINGS)
    return relation.turn(writer.choice(relation.subjects), wording)
