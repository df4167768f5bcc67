"""What an answer looks like, in OpenAI's form: pieces of text with the tokens they come from, whole or as a stream."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from llaisys_mini.engine.request import Token
from llaisys_mini.server.body import StreamOptions
from llaisys_mini.server.events import DONE, event
from llaisys_mini.server.problems import Refused
from llaisys_mini.server.stops import StopFilter
from llaisys_mini.text.tokenizer import TextStream, Tokenizer


@dataclass
class Piece:
    """Text that has become certain, and the tokens that were read for it."""

    text: str
    tokens: list[Token] = field(default_factory=list)


class Reader:
    """Turns tokens into text that ends before a stop string. stop: the one that was met."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str], shown: Iterable[str] = ()):
        self._stream = TextStream(tokenizer, shown=shown)
        self._filter = StopFilter(stops)
        self._unsaid: list[Token] = []

    @property
    def stop(self) -> str | None:
        return self._filter.found

    def feed(self, tokens: Sequence[Token]) -> Piece:
        """Take in new tokens; those after one that completes a stop string are not looked at."""
        text = ""
        for token in tokens:
            if self.stop is None:
                self._unsaid.append(token)
                text += self._filter.feed(self._stream.feed(token.id))
        return self._said(text)

    def finish(self) -> Piece:
        """What was held back, when no more tokens come."""
        return self._said(self._filter.feed(self._stream.finish()) + self._filter.finish())

    def _said(self, text: str) -> Piece:
        if not text:
            return Piece("")
        piece = Piece(text, self._unsaid)
        self._unsaid = []
        return piece


@dataclass
class Usage:
    """How many tokens a request took; shared: of its prompt, those that were not computed again."""

    prompt: int = 0
    written: int = 0
    shared: int = 0

    def told(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.written,
            "total_tokens": self.prompt + self.written,
            "prompt_tokens_details": {"cached_tokens": self.shared},
        }


class Envelope:
    """What every answer to one request has in common. kind: "chat.completion" or "text_completion"."""

    def __init__(self, kind: str, model: str):
        prefix = "chatcmpl" if kind.startswith("chat") else "cmpl"
        self.kind = kind
        self._common = {"id": f"{prefix}-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, choices: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
        return {**self._common, "object": self.kind, "choices": choices, "usage": usage.told()}

    def chunk(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        kind = self.kind + ".chunk" if self.kind.startswith("chat") else self.kind
        return {**self._common, "object": kind, "choices": choices, **more}


async def events_of(
    choices: AsyncIterator[dict[str, Any]],
    envelope: Envelope,
    options: StreamOptions | None,
    usage: Callable[[], Usage],
) -> AsyncIterator[bytes]:
    """The events of an answer: one for each piece of a choice, the usage if the options ask for it, and the mark of
    the end; or what is refused in between. usage: asked at the end, when all is counted."""
    with_usage = options is not None and options.include_usage
    more = {"usage": None} if with_usage else {}
    try:
        async for choice in choices:
            yield event(envelope.chunk([choice], **more))
    except Refused as problem:
        yield event(problem.body())
        return
    if with_usage:
        yield event(envelope.chunk([], usage=usage().told()))
    yield DONE


def chat_logprobs(tokens: Sequence[Token], tokenizer: Tokenizer) -> dict[str, Any]:
    """The probabilities of tokens as chat completions have them."""

    def told(token_id: int, logprob: float | None) -> dict[str, Any]:
        text = tokenizer.decode([token_id], skip_special_tokens=False)
        return {"token": text, "logprob": logprob, "bytes": list(tokenizer.bytes_of(token_id))}

    return {
        "content": [
            told(token.id, token.logprob) | {"top_logprobs": [told(*each) for each in token.likeliest]}
            for token in tokens
        ],
        "refusal": None,
    }


class CompletionLogprobs:
    """The probabilities of tokens as completions have them; counts where each token's text begins."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._offset = 0

    def told(self, tokens: Sequence[Token]) -> dict[str, Any]:
        texts = [self._text(token.id) for token in tokens]
        offsets = []
        for text in texts:
            offsets.append(self._offset)
            self._offset += len(text)
        return {
            "tokens": texts,
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [
                None if token.logprob is None else {self._text(each): value for each, value in token.likeliest}
                for token in tokens
            ],
            "text_offset": offsets,
        }

    def _text(self, token_id: int) -> str:
        return self._tokenizer.decode([token_id], skip_special_tokens=False)
