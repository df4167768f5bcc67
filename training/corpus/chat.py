"""Conversations: asking for a story, asking about the story just told, and a little small talk."""

from __future__ import annotations

from . import tables
from .conversations import Turn
from .questions import fact
from .stories import Character, Story
from .sums import small_sum
from .writing import Writer

INTRODUCTION = "I am Mini, a very small language model. I can tell stories, answer easy questions and add numbers."
UNKNOWN = "I do not know that. I am a very small model. Shall I tell you a story?"

STORY_STARTS = [
    "Tell me a story",
    "Please tell me a story",
    "Tell a story",
    "I would like a story",
    "Can you tell me a story",
    "Write a story",
    "Please write a story",
    "Could you tell me a story",
    "I want to hear a story",
    "Write me a story",
]


def story_request(writer: Writer, story: Story, wish: str | None = None) -> str:
    """A request that names some of what is in the story: nothing, the hero, the thing, or both."""
    start = writer.choice(STORY_STARTS)
    mark = "?" if start.startswith(("Can", "Could")) else "."
    hero, thing = story.hero, f"a {story.thing}" if story.thing[0] not in "aeiou" else f"an {story.thing}"
    if writer.random() < 0.3:
        thing = f"{'an' if story.color[0] in 'aeiou' else 'a'} {story.color} {story.thing}"
    a_kind = f"{'an' if hero.kind[0] in 'aeiou' else 'a'} {hero.kind}"
    named = f"{a_kind} {writer.choice(['named', 'named', 'called'])} {hero.name}"
    wish = (
        wish
        or writer.choices(
            ["nothing", "kind", "named", "thing", "kind and thing", "named and thing", "name"],
            weights=[2, 2, 3, 2, 2, 6, 1],
        )[0]
    )
    if wish == "nothing":
        return start + mark
    joint = writer.choice(["and", "and", "with"])
    about = {
        "kind": a_kind,
        "named": named,
        "thing": thing,
        "kind and thing": f"{a_kind} {joint} {thing}",
        "named and thing": f"{named} {joint} {thing}",
        "name": hero.name,
    }[wish]
    return f"{start} about {about}{mark}"


def another_request(writer: Writer, story: Story) -> str:
    if writer.random() < 0.5:
        return writer.choice(
            [
                "Tell me another story.",
                "Another story, please.",
                "Please tell me another one.",
                "One more story, please.",
            ]
        )
    return story_request(writer, story).replace("a story", "another story", 1)


FOLLOW_UPS = {
    "color": (
        ["What color was the {thing}?", "What was the color of the {thing}?", "Which color did the {thing} have?"],
        "The {thing} was {color}.",
    ),
    "who was the hero": (["Who was {H}?", "What kind of animal was {H}?", "What was {H}?"], "{H} was {a_kind}."),
    "who was the friend": (["Who was {F}?", "What kind of animal was {F}?", "What was {F}?"], "{F} was {a_fkind}."),
    "name of the hero": (
        ["What was the name of the {kind}?", "What was the {kind} called?"],
        "The {kind} was called {H}.",
    ),
    "name of the friend": (
        ["What was the name of the {fkind}?", "What was the {fkind} called?"],
        "The {fkind} was called {F}.",
    ),
    "thing": (
        ["What was the story about?", "What is the story about?", "Who was in the story?"],
        "The story is about {H} the {kind}, {F} the {fkind} and {a_color_thing}.",
    ),
    "helper": (
        ["Who helped {H}?", "Who was it that helped {H}?", "Who was the friend of {H}?"],
        "It was {F} the {fkind} who helped {H}.",
    ),
}
PLOTS_WITH_A_HELPER = {"lost", "broken", "search", "noise", "wind", "show"}


def _slots(hero: Character, friend: Character, story: Story) -> dict[str, str]:
    def article(word: str) -> str:
        return ("an " if word[0] in "aeiou" else "a ") + word

    return dict(
        H=hero.name,
        F=friend.name,
        kind=hero.kind,
        fkind=friend.kind,
        a_kind=article(hero.kind),
        a_fkind=article(friend.kind),
        thing=story.thing,
        color=story.color,
        a_color_thing=article(f"{story.color} {story.thing}"),
    )


def follow_up(writer: Writer, story: Story) -> Turn:
    """One question about the story just told."""
    names = [name for name in FOLLOW_UPS if name != "helper" or story.plot in PLOTS_WITH_A_HELPER]
    hero, friend = story.hero, story.friend
    name = writer.choice(names + ["color"] + (["helper"] * 2 if "helper" in names else []))
    if story.plot == "rescue" and writer.random() < 0.3:
        name, hero, friend = "helper", friend, hero  # here it is the hero who helps
    questions, answer = FOLLOW_UPS[name]
    questions = [
        q
        for q in questions
        if "animal" not in q or ("girl" not in answer and (hero if "{H}" in q else friend).kind not in ("girl", "boy"))
    ]
    if name == "helper":
        questions = questions[:2] if story.plot == "rescue" else questions
    slots = _slots(hero, friend, story)
    return Turn(writer.choice(questions).format_map(slots), answer.format_map(slots))


GREETINGS = [
    "Hello!",
    "Hi!",
    "Hello",
    "Hi",
    "Good morning!",
    "Good evening!",
    "Hey!",
    "Hello there!",
    "Hi there!",
    "Hello Mini!",
    "Hi Mini!",
    "Hello, how are you?",
]
WHO = [
    "Who are you?",
    "What is your name?",
    "What are you?",
    "Tell me about yourself.",
    "Introduce yourself.",
    "Please introduce yourself.",
    "What can you do?",
    "What are you called?",
    "Are you a language model?",
    "What are you good at?",
    "How can you help me?",
    "Hello, who are you?",
    "Hi, who are you?",
    "Hi! What can you do?",
    "Tell me who you are.",
    "Hello! Please introduce yourself.",
]
WITH_NAME = [
    "Hi, I am {N}.",
    "Hello, I am {N}.",
    "My name is {N}.",
    "Hello! My name is {N}.",
    "Hi! I am {N}.",
    "I am {N}.",
    "Hello, my name is {N}.",
    "Hi, my name is {N}.",
]
THANKS = [
    "Thank you!",
    "Thanks!",
    "Thank you.",
    "Thank you very much!",
    "That was nice.",
    "Good job!",
    "That was a good story.",
    "Well done!",
]
GOODBYES = ["Goodbye!", "Bye!", "Good night!", "See you!", "Bye bye!", "Goodbye, Mini!", "See you tomorrow!"]
UNKNOWN_QUESTIONS = [
    "What is the capital of {x}?",
    "Who is the president of {x}?",
    "Who wrote {y}?",
    "How far away is {x}?",
    "When was {x} built?",
    "How do I cook {y}?",
    "What is the weather today?",
    "What will happen tomorrow?",
    "Write a program in Python.",
    "What is {z}?",
    "Explain {z} to me.",
    "How does {z} work?",
    "Who invented {z}?",
    "Translate this into German.",
    "What is 7 times 8?",
    "What is 12 / 4?",
    "What is the meaning of life?",
    "What time is it?",
    "Write a poem.",
    "Tell me a joke.",
    "How old is {x}?",
    "What is the largest city in {x}?",
]
UNKNOWN_FILLERS = {
    "x": [
        "France",
        "Italy",
        "China",
        "Japan",
        "Spain",
        "Germany",
        "America",
        "Egypt",
        "London",
        "Paris",
        "Rome",
        "Brazil",
        "the moon",
        "the tower",
    ],
    "y": ["Hamlet", "this book", "Faust", "the Bible", "pasta", "rice", "a good novel", "the letter"],
    "z": [
        "electricity",
        "gravity",
        "a computer",
        "the internet",
        "physics",
        "quantum mechanics",
        "a neural network",
        "democracy",
        "a transformer",
        "attention",
        "machine learning",
        "money",
        "the telephone",
        "a car",
    ],
}


def any_name(writer: Writer) -> str:
    if writer.random() < 0.5:
        return writer.choice(tables.GIRL_NAMES + tables.BOY_NAMES)
    return writer.choice(tables.RARE_GIRL_NAMES + tables.RARE_BOY_NAMES)


def greeting(writer: Writer) -> Turn:
    question = writer.choice(GREETINGS)
    if "how are you" in question:
        return Turn(question, "Hello! I am very well. Shall I tell you a story?")
    return Turn(question, "Hello! Shall I tell you a story?")


def introduction(writer: Writer) -> Turn:
    return Turn(writer.choice(WHO), INTRODUCTION)


def named_greeting(name: str, writer: Writer) -> Turn:
    return Turn(writer.choice(WITH_NAME).format(N=name), f"Hello, {name}! Nice to meet you. I am Mini.")


def asks_own_name(name: str, writer: Writer) -> Turn:
    return Turn(
        writer.choice(["What is my name?", "Do you know my name?", "Who am I?", "Do you remember my name?"]),
        f"Your name is {name}.",
    )


def thanks(writer: Writer) -> Turn:
    return Turn(writer.choice(THANKS), "You are welcome!")


def goodbye(writer: Writer) -> Turn:
    return Turn(writer.choice(GOODBYES), "Goodbye! Come back soon.")


def unknown(writer: Writer) -> Turn:
    template = writer.choice(UNKNOWN_QUESTIONS)
    return Turn(template.format_map({key: writer.choice(values) for key, values in UNKNOWN_FILLERS.items()}), UNKNOWN)


def small_talk(writer: Writer) -> list[Turn]:
    """One to five turns. Every kind of turn also occurs as the first and as the last one."""
    turns: list[Turn] = []
    name = None
    for _ in range(writer.choice([1, 1, 2, 3, 4, 5])):
        kind = writer.choice(
            ["greeting", "introduction", "name", "thanks", "goodbye", "unknown", "fact", "sum"]
            + (["own name"] * 4 if name else [])
        )
        if kind == "greeting":
            turns.append(greeting(writer))
        elif kind == "introduction":
            turns.append(introduction(writer))
        elif kind == "name":
            name = name or any_name(writer)
            turns.append(named_greeting(name, writer))
        elif kind == "own name" and name is not None:
            turns.append(asks_own_name(name, writer))
        elif kind == "thanks":
            turns.append(thanks(writer))
        elif kind == "goodbye":
            turns.append(goodbye(writer))
        elif kind == "unknown":
            turns.append(unknown(writer))
        elif kind == "fact":
            turns.append(fact(writer))
        else:
            turns.append(small_sum(writer))
    return turns
