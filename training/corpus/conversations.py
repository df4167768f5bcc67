"""What a training document is: a piece of plain text, or a conversation in Qwen3's chat layout.

A document is a list of (text, learn) segments. The model learns to say only the segments with learn=True: what the
assistant says, and plain stories. What the user says is read, never imitated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stories import Story
    from .texts import Text

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
THINK_START, THINK_END = "<think>", "</think>"

Document = list[tuple[str, bool]]


@dataclass(frozen=True)
class Turn:
    """One question and its answer.

    task: what kind of turn it is ("fact", "story", ...). family: which question of that kind.
    thinking: what is worked out first; None where nothing has to be.
    story: the story that this answer tells; wish: its slots that the question asked for. A story may be told in many
    ways, so it is checked by these. Every other answer has to be given exactly.
    given: the short text that the question brings along. name: what the user says to be called.
    """

    task: str
    question: str
    answer: str
    thinking: str | None = None
    family: str = ""
    story: Story | None = None
    wish: tuple[str, ...] = ()
    given: Text | Story | None = None
    name: str | None = None


def plain_document(text: str) -> Document:
    return [(text, True), (END_OF_TEXT, True)]


def chat_document(
    turns: Sequence[Turn], may_think: bool = True, system: str | None = None, learn_stories: bool = True
) -> Document:
    """Lay out a conversation exactly as the chat template prints it.

    Only the last turn shows its <think> block, as in Qwen3's template. `may_think=False` lays out the last turn as
    `enable_thinking=False` does: with an empty block that the program wrote, so that the model need not learn it.
    `learn_stories=False` has the stories read only: they are a hundred times as long as an answer about them.
    """
    document: Document = []
    if system is not None:
        document.append((f"{TURN_START}system\n{system}{TURN_END}\n", False))
    for index, turn in enumerate(turns):
        learned = learn_stories or turn.story is None
        document.append((f"{TURN_START}user\n{turn.question}{TURN_END}\n{TURN_START}assistant\n", False))
        if index == len(turns) - 1:
            thinking = (turn.thinking or "") if may_think else ""
            document.append((f"{THINK_START}\n{thinking}\n{THINK_END}\n\n", may_think))
            document.append((turn.answer + TURN_END, learned))
        else:
            # An earlier turn has no <think> block, but the model always has to begin with one. So the first word of
            # an earlier answer is not learned: it would contradict that. Nor is anything of an answer that was worked
            # out in a block which is gone now: the model is not to learn such sums by heart.
            first, space, rest = turn.answer.partition(" ")
            document.append((first, False))
            document.append((space + rest + TURN_END, learned and turn.thinking is None))
            document.append(("\n", False))
    return document
