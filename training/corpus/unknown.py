"""What the model does not know, and says so: a wide family of questions, many of them with words made up on the spot.

Close to what it does know on purpose: the wordings of the facts, about animals it has never heard of. So it has to tell
them apart by what is asked, not by how.
"""

from __future__ import annotations

from collections.abc import Callable

from . import facts, held_out, tables
from .conversations import Turn
from .small_talk import OFFER
from .unknown_words import FILLERS, HELD_OUT_FILLERS
from .writing import Writer, capitalized, slots_of, with_article

UNKNOWN = f"I do not know that. I am a very small model. {OFFER}"
UNKNOWN_STORY = "I do not know a story about that. Shall I tell you another one?"
SEE = f"I see. {OFFER}"

FAMILIES: dict[str, list[str]] = {
    "countries": [
        "What is the capital of {country}?", "What is the largest city in {country}?", "Where is {country}?",
        "Which language do people speak in {country}?", "How many people live in {country}?", "What money do they use in {country}?",
        "Which countries border {country}?", "What is the highest mountain of {country}?", "What is the longest river in {country}?",
        "How big is {country}?", "Is {country} in Europe?", "What do people eat in {country}?", "Tell me about {country}.",
        "What is {country} known for?", "Capital of {country}?",
    ],
    "cities": [
        "How many people live in {city}?", "In which country is {city}?", "What can I see in {city}?", "How far is it from {city} to {city2}?",
        "Which river flows through {city}?", "How old is {city}?", "Who is the mayor of {city}?", "What is the weather in {city}?",
        "Tell me something about {city}.", "Where is {city}?",
    ],
    "politics": [
        "Who is the president of {country}?", "Who is the king of {country}?", "Who won the election in {country}?",
        "Which party rules {country}?", "What laws are there in {country}?", "Who was the first president of {country}?",
        "When did {country} become a state?", "Does {country} have an army?",
    ],
    "persons": [
        "Who was {person}?", "When was {person} born?", "Where did {person} live?", "What did {person} invent?", "How old is {person}?",
        "What is {person} famous for?", "When did {person} die?", "Tell me about {person}.", "Did you know {person}?",
        "Was {person} married?", "What did {person} say?", "Who is {person}?",
    ],
    "history": [
        "When was {event}?", "Who won {event}?", "In which year was {event}?", "Why did {event} happen?", "Where was {event}?",
        "What do you know about {event}?", "How long did {event} last?", "Explain {event}.", "What happened in {year}?",
        "What happened in the year {year}?", "Who ruled in {year}?",
    ],
    "books": [
        "Who wrote {book}?", "What is {book} about?", "How does {book} end?", "When was {book} written?", "Have you read {book}?",
        "Quote a line from {book}.", "How many pages has {book}?", "Who are the main persons in {book}?", "Who played in the film of {book}?",
    ],
    "science": [
        "What is {subject}?", "Explain {subject} to me.", "How does {subject} work?", "Who discovered {subject}?", "Why is {subject} important?",
        "Give me an example of {subject}.", "Define {subject}.", "Teach me about {subject}.", "What do scientists say about {subject}?",
        "How far away is {planet}?", "How hot is {planet}?", "Is there life on {planet}?", "How big is {planet}?",
        "What is {substance} made of?", "At what temperature does {substance} melt?", "What is the formula of {substance}?", "How heavy is {substance}?",
    ],
    "devices": [
        "How does {device} work?", "Who invented {device}?", "How do I repair {device}?", "What is inside {device}?",
        "When was {device} invented?", "How much power does {device} need?", "How fast is {device}?", "Which parts does {device} have?",
    ],
    "code": [
        "Write a program in {programming_language}.", "How do I {code_task} in {programming_language}?", "Write a function to {code_task}.",
        "What is {code_word}?", "Explain {code_word}.", "Why does my {programming_language} program crash?", "How do I {code_task}?",
        "Show me {programming_language} code.", "Is {programming_language} faster than {programming_language2}?", "Fix this code: x = {noun}(",
        "print({noun})", "What does import {noun} do?",
    ],
    "translation": [
        "Translate {word} into {tongue}.", "How do you say {word} in {tongue}?", "What does {foreign} mean?", "Say {word} in {tongue}.",
        "What is {foreign} in English?", "Do you speak {tongue}?", "Can you speak {tongue}?", "Translate this into {tongue}.", "What is {word} in {tongue}?",
    ],
    "words": [
        "What rhymes with {noun}?", "What is another word for {noun}?", "How do you spell {noun}?", "What is the plural of {noun}?",
        "Where does the word {noun} come from?", "How many letters has {noun}?", "Is {noun} a noun?", "What does the word {noun} mean?",
        "What does {letters} stand for?", "What does {letters} mean?",
    ],
    "cooking": [
        "How do I cook {dish}?", "Give me a recipe for {dish}.", "What do I need for {dish}?", "How long do I cook {dish}?",
        "How much salt goes into {dish}?", "What goes well with {dish}?", "Do you like {dish}?", "Who invented {dish}?", "How do you make {dish}?",
    ],
    "arithmetic": [
        "What is {n} times {m}?", "What is {n} * {m}?", "What is {n} / {m}?", "What is {n} divided by {m}?", "Multiply {n} by {m}.",
        "What is the square root of {n}?", "What is {n} percent of {large}?", "What is {large} + {large2}?", "Add {large} and {large2}.",
        "{n} x {m}", "{n} * {m} = ?", "Is {n} a prime number?", "What is half of {n}?", "What is {n} to the power of {m}?",
        "Divide {large} by {n}.", "What is {negative}?", "{negative} = ?", "How much is {n} times {m}?", "What is {large} - {large2}?", "What is the double of {large}?",
    ],
    "now and later": [
        "What time is it?", "What is the weather today?", "What will happen tomorrow?", "What is the date today?", "Will it rain tomorrow?",
        "Which day is it today?", "What year is it?", "What is in the news?", "Who will win the next election?", "Is it cold outside?",
        "Will I be rich?", "What will I dream tonight?", "How warm is it now?", "When does the bus come?", "Is the shop open now?",
    ],
    "opinions": [
        "What do you think about {topic}?", "Do you like {topic}?", "Is {topic} good or bad?", "Why do people like {topic}?",
        "Which is better, {topic} or {topic2}?", "Do you prefer {topic} or {topic2}?", "Do you hate {topic}?", "What is wrong with {topic}?",
        "What is the meaning of life?", "Are you happy?", "Do you dream?", "Do you have feelings?", "What is your opinion on {topic}?",
    ],
    "about the user": [
        "Where do I live?", "How old am I?", "What did I eat today?", "What is the name of my {relative}?", "Where are my {possession}?",
        "When is my birthday?", "What am I thinking?", "How old is my {relative}?", "What color are my {possession}?", "Where is my {relative}?",
        "Do you know my {relative}?", "What did I do yesterday?", "What is my phone number?", "Am I tall?",
    ],
    "other texts": [
        "Write {text_form}.", "Write {text_form} about {topic}.", "Tell me a joke.", "Sing a song.", "Make a joke about {topic}.",
        "Give me {text_form} about {noun}.", "Can you write {text_form}?", "Tell me a joke about {noun}.", "Draw a picture.", "Draw me {object}.",
    ],
    "shopping": [
        "How much does {product} cost?", "Where can I buy {product}?", "Is {product} expensive?", "Which {noun} should I buy?",
        "What is the price of {product}?", "Can you order {product} for me?", "Who sells {product}?", "Is {product} cheaper in {country}?",
    ],
    "how to": [
        "How do I {skill}?", "How can I {skill}?", "Teach me how to {skill}.", "What is the best way to {skill}?", "Can you {skill}?",
        "Is it hard to {skill}?", "Help me to {skill}.", "How long does it take to {skill}?", "Where can I learn to {skill}?",
    ],
    "measures": [
        "How heavy is {object}?", "How long is {object}?", "How high is {object}?", "How deep is {object}?", "How much does {object} weigh?",
        "How many kilos has {object}?", "What is the size of {object}?", "How wide is {object}?", "How fast is {object}?",
    ],
    "why": [
        "Why is the sky blue?", "Why do birds fly?", "Why is the sea salty?", "Why do we sleep?", "Why is there war?", "Why do leaves fall?",
        "Why is {noun} called {noun}?", "Why do people work?", "Why is it dark at night?", "Why does it rain?", "Why do cats purr?",
        "Why does ice float?", "Why do we have {topic}?", "Why is {subject} so hard?",
    ],
    "dates": [
        "When is {feast}?", "How many days are there until {feast}?", "Why do we celebrate {feast}?", "On which day is {feast}?",
        "What do people do on {feast}?", "How many days are in a year?", "When does spring begin?", "What is the date of {feast}?",
    ],
    "strangers": [
        "Who is {stranger}?", "What do you know about {stranger}?", "Where does {stranger} live?", "Is {stranger} a good doctor?",
        "What is the job of {stranger}?", "Has {stranger} called?", "Where is {stranger}?",
    ],
    "made-up words": [
        "What is {a_madeup}?", "What is {madeup}?", "Do you know what {a_madeup} is?", "Where can I find {a_madeup}?", "How does {a_madeup} work?",
        "Tell me about {madeup}.", "What does {madeup} mean?", "Who invented the {madeup}?", "Is {a_madeup} dangerous?", "Explain {madeup}.",
        "{madeup} {madeup2} {madeup3}", "{madeup}!", "{madeup} {madeup2}?", "Have you ever seen {a_madeup}?", "What is the capital of {Madeup}?",
        "Who was {Madeup}?", "Why is {Madeup} famous?",
    ],
}  # fmt: skip

STORY_WISHES = [
    "Tell me a story about {topic}.", "Write a story about {a_madeup}.", "Tell me a story about {a_animal} and {device}.",
    "Tell me a story about {a_animal}.", "Please tell me a story about {device}.", "I would like a story about {product}.",
    "Tell me a story about {figure}.", "Tell me a story about {figure} and {a_known_thing}.", "Write me a story about {figure}.",
    "Tell me a story about {a_known} and {device}.", "I want a story about {a_animal} and {a_known_thing}.",
    "Please tell me a story about {a_known} named {Madeup} and {device}.", "Tell me a story about {a_known} and {figure}.",
    "Tell me a story about {a_animal} named {Madeup}.", "Can you tell me a story about {subject}?", "Do you know a story about {event}?",
]  # fmt: skip

REMARKS = [
    "I am {feeling}.", "I like {noun2}.", "It is raining.", "The sun is shining.", "Today is my birthday.", "I had a long day.",
    "My {relative} is ill.", "I have a new {noun}.", "I do not like {topic}.", "I am from {city}.", "My {relative} lives in {city}.",
    "We had {dish} for lunch.", "I want to go to {country}.", "It is late.", "I lost my {possession}.", "I cannot sleep.",
    "I was at school today.", "My favorite color is {color}.", "I have two cats.", "You are funny.", "It is cold here.", "I am {number} years old.",
]  # fmt: skip
FEELINGS = "hungry tired happy sad bored sick busy cold angry alone late thirsty".split()


REAL_WORDS = {animal.name for animal in tables.ANIMALS} | {word for words in FILLERS.values() for word in words}


def made_up_word(writer: Writer) -> str:
    word = _any_syllables(writer)
    while word in REAL_WORDS:
        word = _any_syllables(writer)
    return word


def _any_syllables(writer: Writer) -> str:
    syllables = [
        writer.choice(tables.SYLLABLE_STARTS) + writer.choice("aeiou") for _ in range(writer.choice([1, 2, 2, 3]))
    ]
    return "".join(syllables) + writer.choice(["", "l", "m", "n", "r", "x", "ck", "sh", "p"])


def _made_up_slots(writer: Writer) -> dict[str, Callable[[], str]]:
    def word() -> str:
        return made_up_word(writer)

    def number(most: int) -> str:
        return str(writer.randint(2, most))

    return {
        "madeup": word,
        "madeup2": word,
        "madeup3": word,
        "Madeup": lambda: word().capitalize(),
        "a_madeup": lambda: with_article(word()),
        "stranger": lambda: f"{writer.choice(tables.RARE_GIRL_NAMES + tables.RARE_BOY_NAMES)} {word().capitalize()}",
        "letters": lambda: "".join(writer.sample("ABCDEFGHKLMNOPRSTUVW", 3)),
        "n": lambda: number(writer.choice([12, 100])),
        "m": lambda: number(12),
        "large": lambda: str(writer.randint(1000, writer.choice([9999, 99999]))),
        "large2": lambda: str(writer.randint(1000, 9999)),
        "negative": lambda: "{} - {}".format(*sorted(writer.sample(range(21), 2))),
        "a_known": lambda: with_article(writer.choice(tables.KINDS)),
        "a_known_thing": lambda: with_article(writer.choice(tables.THING_NAMES)),
        "year": lambda: str(writer.randint(1100, 2030)),
        "feeling": lambda: writer.choice(FEELINGS),
        "noun2": lambda: writer.choice(FILLERS["noun"]) + "s",
        "color": lambda: writer.choice(tables.COLORS),
        "number": lambda: number(90),
    }


def fill(writer: Writer, template: str) -> str:
    """Fill in a question with words of the table, of which every tenth is a made-up one."""
    made_up = _made_up_slots(writer)
    fillers = HELD_OUT_FILLERS if writer.held_out else FILLERS
    values = {}
    for slot in sorted(slots_of(template)):
        if slot in made_up:
            values[slot] = made_up[slot]()
        elif slot == "a_animal":
            values[slot] = with_article(writer.choice(fillers["animal"]))
        else:
            words = fillers[slot.rstrip("2")]
            values[slot] = writer.choice(words)
            if slot in ("country", "city", "person", "noun", "book") and writer.chance(0.15):
                values[slot] = made_up_word(writer) if slot == "noun" else made_up_word(writer).capitalize()
    return capitalized(writer.write(template, values))


def _plural(animal: str) -> str:
    irregular = {"goose": "geese", "salmon": "salmon", "jellyfish": "jellyfish"} | tables.PLURALS
    if animal in irregular:
        return irregular[animal]
    if animal.endswith("y") and animal[-2] not in "aeiou":
        return animal[:-1] + "ies"
    return animal + ("es" if animal.endswith(("s", "x", "ch", "sh", "o", "z")) else "s")


def _unknown_fact(writer: Writer) -> tuple[str, str]:
    """A question in the words of the known facts, about something that is not among them."""
    fillers = HELD_OUT_FILLERS if writer.held_out else FILLERS
    kind = writer.choice(["animal"] * 6 + ["gap", "opposite", "color", "order"])
    relations = {relation.name: relation for relation in facts.RELATIONS}
    if kind in ("animal", "gap"):
        name = writer.choice(["legs", "sound", "home", "food", "baby"])
        if kind == "gap":  # known animals without a known answer, such as the sound of a rabbit
            known = {subject["k"] for subject in relations[name].subjects}
            without = [animal.name for animal in tables.ANIMALS if animal.name not in known]
            animal = writer.choice(without or fillers["animal"])
        else:
            animal = made_up_word(writer) if writer.chance(0.4) else writer.choice(fillers["animal"])
        values = {"a": with_article(animal), "k": animal, "s": _plural(animal)}
    else:
        name = {"opposite": "opposite", "color": "color", "order": writer.choice(["day after", "month before"])}[kind]
        slot = {"opposite": "no_opposite", "color": "colorless", "order": "noun"}[kind]
        values = {"w": writer.choice(fillers[slot])}
        if kind == "opposite" and writer.chance(0.3):
            values["w"] = made_up_word(writer)
    wording = writer.pick(f"fact: {name}", relations[name].wordings, held_out.WORDINGS)
    return f"unknown {name.partition(' ')[0]}", capitalized(wording.format_map(values))


def unknown(writer: Writer) -> Turn:
    if writer.chance(0.25):
        family, question = _unknown_fact(writer)
    else:
        families = held_out.UNKNOWN_FAMILIES if writer.held_out else FAMILIES
        family = writer.choice(list(families))
        question = fill(writer, writer.choice(families[family]))
    return Turn("unknown", question, UNKNOWN, family=family)


def unknown_story(writer: Writer) -> Turn:
    """A story is wished for about something that no story tells of."""
    return Turn("unknown story", fill(writer, writer.choice(STORY_WISHES)), UNKNOWN_STORY)


def remark(writer: Writer) -> Turn:
    """Something is said that asks for nothing."""
    return Turn("remark", fill(writer, writer.choice(REMARKS)), SEE)
