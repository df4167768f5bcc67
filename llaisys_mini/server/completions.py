"""/v1/completions: prompts that are continued, with echo and probabilities as evaluation harnesses need them."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from llaisys_mini.engine.request import Token
from llaisys_mini.server.answers import CompletionLogprobs, Envelope, Reader, Usage, events_of
from llaisys_mini.server.body import CompletionBody
from llaisys_mini.server.service import Choice, Prompt, Service, merged
from llaisys_mini.server.worker import Text


class CompletionAnswer:
    """The answer to one request, whose texts have begun: `body.n` for each prompt, prompt after prompt."""

    def __init__(self, service: Service, body: CompletionBody, prompts: Sequence[Prompt], texts: list[Text]):
        self._service, self._body, self._prompts = service, body, prompts
        self._envelope = Envelope("text_completion", service.name)
        self._usages = [Usage() for _ in prompts]
        self._choices = [
            Choice(index, text, Reader(service.tokenizer, body.stops), self._usages[index // body.n])
            for index, text in enumerate(texts)
        ]

    async def whole(self) -> dict[str, Any]:
        """The answer as one object."""
        texts = ["" for _ in self._choices]
        tokens: list[list[Token]] = [[] for _ in self._choices]
        async for choice, piece in merged(self._choices):
            if piece is not None:
                texts[choice.index] += piece.text
                tokens[choice.index] += piece.tokens
        choices = []
        for choice, text, written in zip(self._choices, texts, tokens, strict=True):
            told = None
            if self._body.logprobs is not None:
                read = choice.text.request.prompt_tokens if self._body.echo else []
                told = CompletionLogprobs(self._service.tokenizer).told([*read, *written])
            choices.append(self._choice(choice, self._echo(choice) + text, told, choice.finish_reason))
        return self._envelope.whole(choices, self._usage)

    def events(self) -> AsyncIterator[bytes]:
        """The answer as a stream of events."""
        return events_of(self._pieces(), self._envelope, self._body.stream_options, lambda: self._usage)

    async def _pieces(self) -> AsyncIterator[dict[str, Any]]:
        told = [CompletionLogprobs(self._service.tokenizer) for _ in self._choices]
        begun: set[int] = set()
        async for choice, piece in merged(self._choices):
            text, tokens = ("", []) if piece is None else (piece.text, list(piece.tokens))
            if choice.index not in begun:
                begun.add(choice.index)
                if self._body.echo:
                    text, tokens = self._echo(choice) + text, [*choice.text.request.prompt_tokens, *tokens]
            logprobs = told[choice.index].told(tokens) if self._body.logprobs is not None and tokens else None
            reason = choice.finish_reason if piece is None else None
            yield self._choice(choice, text, logprobs, reason)

    @property
    def _usage(self) -> Usage:
        return Usage(*(sum(getattr(usage, name) for usage in self._usages) for name in ("prompt", "written", "shared")))

    def _echo(self, choice: Choice) -> str:
        if not self._body.echo:
            return ""
        prompt = self._prompts[choice.index // self._body.n]
        return self._service.tokenizer.decode(prompt.ids, skip_special_tokens=False)

    def _choice(self, choice: Choice, text: str, logprobs: Any, reason: str | None) -> dict[str, Any]:
        return {"index": choice.index, "text": text, "logprobs": logprobs, "finish_reason": reason}
