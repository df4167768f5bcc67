"""From a conversation to token ids that leave room for an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llaisys_mini.text.thinking import opens_thoughts
from llaisys_mini.text.tokenizer import Tokenizer

FULLEST = 0.75
"""Share of the context that a conversation may fill; the rest is for the answer."""

Message = Mapping[str, Any]
"""{"role": "user", "content": "some text"}; roles are "system", "user" and "assistant"."""


@dataclass(frozen=True)
class Prompt:
    """messages: those that were kept; ids: of the whole text that the model is to continue; forgotten: how many
    messages were left out; opens_thoughts: whether that text ends with `<think>`, see text/thinking.py."""

    messages: list[Message]
    ids: list[int]
    forgotten: int
    opens_thoughts: bool


def fit(messages: Sequence[Message], tokenizer: Tokenizer, max_positions: int, think: bool | None = None) -> Prompt:
    """The latest messages that leave a quarter of the context of `max_positions` tokens for the answer.

    A system message at the beginning stays. What is forgotten goes in whole turns: a user's message with its answer.
    The last turn stays even if it is too long; generation then says so.
    think: whether the model shall think before it answers, if it can; None leaves it to the model.
    Raises TokenizerError for a malformed message, or if the tokenizer has no chat template.
    """
    kept = list(messages)
    while True:
        text = tokenizer.render_chat(kept, enable_thinking=think)
        ids = tokenizer.encode(text, add_special_tokens=False)
        shorter = _without_first_turn(kept)
        if len(ids) <= FULLEST * max_positions or shorter is None:
            return Prompt(kept, ids, len(messages) - len(kept), opens_thoughts(text))
        kept = shorter


def _without_first_turn(messages: list[Message]) -> list[Message] | None:
    """The messages without the first turn; None if there is only one."""
    first = 1 if messages and messages[0].get("role") == "system" else 0
    later = [i for i in range(first + 1, len(messages)) if messages[i].get("role") == "user"]
    return [*messages[:first], *messages[later[0] :]] if later else None
