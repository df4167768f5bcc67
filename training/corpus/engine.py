"""The one conversation engine: a conversation is a list of turns, and after any kind of task any other can come.

The same code writes the training text and asks a model in the evaluation: there, `Conversation.told` is given what the
model really answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .conversations import Turn
from .state import Conversation
from .tasks import TASKS
from .writing import Writer, uncapitalized

PREFIXES = [
    "Now: ",
    "Next question: ",
    "One more question: ",
    "And now: ",
    "Okay. ",
    "Good. ",
    "Hello! ",
    "Mini, please: ",
    "I have a question. ",
    "Tell me: ",
]


# How often each kind of task comes, where it can.
WEIGHTS: dict[str, float] = {
    "greeting": 4,
    "introduction": 4,
    "name": 4,
    "own name": 4,
    "thanks": 3,
    "goodbye": 3,
    "refusal": 2,
    "remark": 2,
    "fact": 10,
    "unknown": 8,
    "unknown story": 2,
    "small sum": 8,
    "long sum": 7,
    "story": 11,
    "story question": 12,
    "earlier story question": 8,
    "untold": 3,
    "reading": 7,
    "text question": 8,
    "repeat": 4,
}


def next_turn(writer: Writer, conversation: Conversation, weights: Mapping[str, float] = WEIGHTS) -> Turn:
    """Draw a kind of task and write its turn. The turn is not yet part of the conversation: see `Conversation.told`."""
    weights = dict(weights)
    if not conversation.stories:  # asked for now and then, and the answer is that there was none
        weights["story question"] = 0.015 * sum(weights.values())
    if conversation.name is not None:
        weights["own name"] = weights.get("own name", 0) * 2
    asked = {turn.question for turn in conversation.turns}
    while True:
        task = writer.choices(list(weights), weights=list(weights.values()))[0]
        turn = TASKS[task](writer, conversation)
        if turn is None or (turn.question in asked and writer.chance(0.9)):
            continue
        return careless(writer, turn)


def careless(writer: Writer, turn: Turn) -> Turn:
    """Now and then a message begins with a few words more, or lacks its capital or its last mark."""
    question = turn.question
    if turn.task in ("fact", "unknown", "small sum", "long sum", "reading", "story") and writer.chance(0.05):
        question = writer.choice(PREFIXES) + question
    elif turn.task != "name" and writer.chance(0.05) and question.split()[0].rstrip("?,.") in LOWERED:
        question = uncapitalized(question)
    if turn.task != "repeat" and writer.chance(0.06):
        question = question.rstrip(".?!")
    return turn if question == turn.question else replace(turn, question=question)


LOWERED = set(
    "What Who Where When Why How Which Tell Please Can Do Does Did Is Are Write Say Calculate My Thank Add To On In".split()
)


def converse(
    writer: Writer, turns: int, weights: Mapping[str, float] = WEIGHTS, most_characters: int = 6800
) -> Conversation:
    """A conversation of so many turns, or fewer where it would grow longer than `most_characters`."""
    conversation = Conversation()
    length = 0
    while len(conversation.turns) < turns:
        turn = next_turn(writer, conversation, weights)
        length += len(turn.question) + len(turn.answer) + 30
        if length > most_characters and conversation.turns:
            break
        conversation.told(turn)
    return conversation
