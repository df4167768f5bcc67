"""Small talk: greetings, names, thanks, and what the model says of itself."""

from __future__ import annotations

from . import held_out
from .conversations import Turn
from .stories import pick_name
from .wordings import phrasings
from .writing import Writer

INTRODUCTION = "I am Mini, a very small language model. I can tell stories, answer easy questions and add numbers."
OFFER = "Shall I tell you a story?"
GREETING = f"Hello! {OFFER}"
NO_NAME_YET = "You have not told me your name yet."

GREETINGS = [
    "Hello!", "Hi!", "Hello", "Hi", "Good morning!", "Good evening!", "Hey!", "Hello there!", "Hi there!", "Hello Mini!",
    "Hi Mini!", "Good afternoon!", "Hello, Mini.", "Hey there!", "hello", "hi", "Hello again!", "Good day!",
]  # fmt: skip
HOW_ARE_YOU = [
    "Hello, how are you?",
    "How are you?",
    "How are you today?",
    "Hi! How are you?",
    "Are you well?",
    "How do you do?",
]
WHO_ARE_YOU = [
    "Who are you?", "What is your name?", "What are you?", "Tell me about yourself.", "Introduce yourself.",
    "Please introduce yourself.", "What can you do?", "What are you called?", "Are you a language model?",
    "What are you good at?", "How can you help me?", "Hello, who are you?", "Hi, who are you?", "Hi! What can you do?",
    "Tell me who you are.", "Hello! Please introduce yourself.", "Are you Mini?", "What do you do?", "Do you have a name?",
    "Are you a person?", "What kind of model are you?", "who are you", "What else can you do?",
]  # fmt: skip
MY_NAME_IS = [
    "Hi, I am {N}.", "Hello, I am {N}.", "My name is {N}.", "Hello! My name is {N}.", "Hi! I am {N}.", "I am {N}.",
    "Hello, my name is {N}.", "Hi, my name is {N}.", "You can call me {N}.", "By the way, my name is {N}.", "I am called {N}.",
    "Call me {N}, please.", "This is {N}.", "By the way, I am {N}.", "{N} is my name.", "Hello Mini, I am {N}.",
]  # fmt: skip
WHAT_IS_MY_NAME = phrasings([
        "What is my name?", "Do you know my name?", "Who am I?", "Do you remember my name?", "Say my name.", "Tell me my name.",
        "Can you tell me my name?", "What am I called?", "Do you still know my name?", "And what is my name?", "What name did I give you?",
        "Which name do I have?", "How am I called?", "What did I say my name was?", "My name is what?", "Which name is mine?",
    ],
    ["what my name is", "what I am called", "who I am", "how I am called", "which name I gave you"],
)  # fmt: skip
THANKS = [
    "Thank you!", "Thanks!", "Thank you.", "Thank you very much!", "That was nice.", "Good job!", "Well done!", "Great!",
    "Thanks a lot!", "Very good!", "You are good at this.", "That is right.", "Nice!", "Thank you, Mini!", "Wonderful!", "thanks",
]  # fmt: skip
STORY_PRAISE = ["That was a good story.", "I liked the story.", "What a nice story!", "That was a lovely story!"]
GOODBYES = [
    "Goodbye!", "Bye!", "Good night!", "See you!", "Bye bye!", "Goodbye, Mini!", "See you tomorrow!", "I have to go now.",
    "See you later!", "Bye, Mini!", "That is all for today.", "bye", "I must go now. Goodbye!", "See you soon!",
]  # fmt: skip
REFUSALS = ["No, thank you.", "No.", "Not now.", "No, thanks.", "Later, perhaps.", "No, not now."]


def greeting(writer: Writer) -> Turn:
    if writer.chance(0.25):
        return Turn("greeting", writer.choice(HOW_ARE_YOU), f"I am very well, thank you. {OFFER}", family="how are you")
    return Turn("greeting", writer.choice(GREETINGS), GREETING, family="hello")


def introduction(writer: Writer) -> Turn:
    return Turn("introduction", writer.pick("who are you", WHO_ARE_YOU, held_out.WORDINGS), INTRODUCTION)


def any_name(writer: Writer) -> str:
    return pick_name(writer, writer.chance(0.5), rare=0.5)


def named_greeting(writer: Writer, name: str) -> Turn:
    wording = writer.pick("my name is", MY_NAME_IS, held_out.WORDINGS)
    answer = f"Hello, {name}! Nice to meet you. I am Mini."
    return Turn("name", wording.replace("{N}", name), answer, name=name)


def asks_own_name(writer: Writer, name: str | None) -> Turn:
    """What the user is called: only the conversation can tell."""
    question = writer.pick("what is my name", WHAT_IS_MY_NAME, held_out.WORDINGS)
    if name is None:
        return Turn("own name", question, NO_NAME_YET, family="not told")
    return Turn("own name", question, f"Your name is {name}.", family="told")


def thanks(writer: Writer, after_story: bool = False) -> Turn:
    return Turn(
        "thanks", writer.choice(STORY_PRAISE if after_story and writer.chance(0.4) else THANKS), "You are welcome!"
    )


def goodbye(writer: Writer) -> Turn:
    return Turn("goodbye", writer.choice(GOODBYES), "Goodbye! Come back soon.")


def refusal(writer: Writer) -> Turn:
    """The answer to an offered story when none is wanted."""
    return Turn("refusal", writer.choice(REFUSALS), "All right. You can ask me something else.")
