"""/v1/chat/completions: the choices as messages, whole or as deltas."""

from collections.abc import AsyncIterator
from typing import Any

from llaisys_mini.engine.request import Token
from llaisys_mini.server import tools
from llaisys_mini.server.answers import Envelope, Reader, Usage, chat_logprobs, events_of
from llaisys_mini.server.body import ChatBody
from llaisys_mini.server.service import Choice, Prompt, Service, merged
from llaisys_mini.server.worker import Text
from llaisys_mini.text.thinking import TAGS, ThinkingView


class ChatAnswer:
    """The answer to one request, whose texts have begun."""

    def __init__(self, service: Service, body: ChatBody, prompt: Prompt, texts: list[Text]):
        self._service, self._body, self._prompt = service, body, prompt
        self._envelope, self._usage = Envelope("chat.completion", service.name), Usage()
        shown = TAGS if not body.tools else (*TAGS, tools.OPEN, tools.CLOSE)
        self._choices = [
            Choice(index, text, Reader(service.tokenizer, body.stops, shown), self._usage)
            for index, text in enumerate(texts)
        ]

    async def whole(self) -> dict[str, Any]:
        """The answer as one object."""
        views = [ThinkingView(self._prompt.opens_thoughts) for _ in self._choices]
        tokens: list[list[Token]] = [[] for _ in self._choices]
        async for choice, piece in merged(self._choices):
            if piece is not None:
                views[choice.index].feed(piece.text)
                tokens[choice.index] += piece.tokens
        choices = []
        for choice, view, read in zip(self._choices, views, tokens, strict=True):
            message: dict[str, Any] = {"refusal": None, **view.message()}
            reason = choice.finish_reason
            if self._body.tools:
                said, calls = tools.calls_in(message["content"])
                if calls:
                    message, reason = {**message, "content": said or None, "tool_calls": calls}, "tool_calls"
            choices.append(self._choice(choice, {"message": message}, read, reason))
        return self._envelope.whole(choices, self._usage)

    def events(self) -> AsyncIterator[bytes]:
        """The answer as a stream of events."""
        return events_of(self._deltas(), self._envelope, self._body.stream_options, lambda: self._usage)

    async def _deltas(self) -> AsyncIterator[dict[str, Any]]:
        views = [ThinkingView(self._prompt.opens_thoughts) for _ in self._choices]
        calls = [tools.CallFilter() if self._body.tools else None for _ in self._choices]
        for choice in self._choices:
            yield self._delta(choice, {"role": "assistant", "content": ""})
        async for choice, piece in merged(self._choices):
            view, held = views[choice.index], calls[choice.index]
            shown = view.finish() if piece is None else view.feed(piece.text)
            tokens = [] if piece is None else piece.tokens
            for text, is_thought in shown:
                if held is not None and not is_thought:
                    text = held.feed(text)
                if text:
                    yield self._delta(choice, {"reasoning_content" if is_thought else "content": text}, tokens)
                    tokens = []
            if piece is None:
                reason = choice.finish_reason
                if held is not None:
                    rest, called = held.finish()
                    if rest:
                        yield self._delta(choice, {"content": rest})
                    if called:
                        reason = "tool_calls"
                        numbered = [{"index": number, **call} for number, call in enumerate(called)]
                        yield self._delta(choice, {"tool_calls": numbered})
                yield self._delta(choice, {}, reason=reason)

    def _delta(self, choice: Choice, delta: dict, tokens: Any = (), reason: str | None = None) -> dict[str, Any]:
        return self._choice(choice, {"delta": delta}, tokens, reason)

    def _choice(self, choice: Choice, what: dict, tokens: Any, reason: str | None) -> dict[str, Any]:
        told = chat_logprobs(tokens, self._service.tokenizer) if self._body.logprobs and tokens else None
        return {"index": choice.index, **what, "logprobs": told, "finish_reason": reason}
