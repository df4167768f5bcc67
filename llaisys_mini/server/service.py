"""From the body of a request to texts of the engine, and back to an answer or a stream of events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llaisys_mini.engine.generate import LanguageModel
from llaisys_mini.engine.request import ChangeLogits
from llaisys_mini.errors import GenerationError, TokenizerError
from llaisys_mini.server.answers import Piece, Reader, Usage
from llaisys_mini.server.body import ChatBody, Common, CompletionBody
from llaisys_mini.server.grammar import Grammar
from llaisys_mini.server.problems import Refused
from llaisys_mini.server.worker import Text, Worker
from llaisys_mini.text.sampling import SamplingParams
from llaisys_mini.text.thinking import opens_thoughts
from llaisys_mini.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Prompt:
    """ids of a prompt; opens_thoughts: whether the model goes on with its thoughts."""

    ids: list[int]
    opens_thoughts: bool = False


class Service:
    """What the routes answer with. name: of the model, as clients know it."""

    def __init__(self, model: LanguageModel, worker: Worker, name: str):
        if model.tokenizer is None:
            raise TokenizerError(f"{name} has no tokenizer.json, so it cannot be served: copy the model's there")
        self.model = model
        self.tokenizer: Tokenizer = model.tokenizer
        self.worker = worker
        self.name = name

    def require_model(self, body: Common) -> None:
        """Raise Refused if the body asks for another model."""
        if body.model != self.name:
            raise Refused(
                f"there is no model {body.model!r} here, but {self.name!r}", 404, code="model_not_found", param="model"
            )

    def chat_prompt(self, body: ChatBody) -> Prompt:
        """The conversation as the model reads it."""
        messages = [_plain(message, number) for number, message in enumerate(body.messages)]
        thinking = (body.chat_template_kwargs or {}).get("enable_thinking")
        offered = body.tools if body.tool_choice != "none" else None
        try:
            text = self.tokenizer.render_chat(messages, enable_thinking=thinking, tools=offered)
            return Prompt(self.tokenizer.encode(text, add_special_tokens=False), opens_thoughts(text))
        except TokenizerError as problem:
            raise Refused(str(problem), param="messages") from None

    def completion_prompts(self, body: CompletionBody) -> list[Prompt]:
        """The prompts, given as text or as token ids, one or several."""
        prompt: Any = body.prompt
        given = [prompt] if isinstance(prompt, str) or (prompt and isinstance(prompt[0], int)) else prompt
        try:
            prompts = [Prompt(self.tokenizer.encode(p) if isinstance(p, str) else p) for p in given]
        except TokenizerError as problem:
            raise Refused(str(problem), param="prompt") from None
        if not prompts or not all(prompt.ids for prompt in prompts):
            raise Refused("the prompt is empty: give at least one token", param="prompt")
        return prompts

    async def start(self, prompts: Sequence[Prompt], body: Any, **options: Any) -> list[Text]:
        """Begin the texts of a request: n for each prompt. If one is refused, none goes on."""
        params, vocab = self._params(body), self.model.config.vocab_size
        for prompt in prompts:
            self._require_room(prompt, body)
        texts: list[Text] = []
        try:
            for prompt in prompts:
                for number in range(body.n):
                    seed = None if params.seed is None else params.seed + number
                    texts.append(
                        await self.worker.submit(
                            prompt.ids,
                            params=replace(params, seed=seed),
                            logprobs=body.likeliest,
                            change_logits=self._changes(body, vocab, params.stop_ids or frozenset()),
                            **options,
                        )
                    )
        except BaseException:
            give_up(texts)
            raise
        return texts

    def _require_room(self, prompt: Prompt, body: Any) -> None:
        """That the prompt and the tokens that are asked for fit the context: fewer would be another request's answer.
        A prompt that leaves no room at all is refused by the engine."""
        room = self.worker.engine.cache.max_positions - len(prompt.ids)
        asked = body.asked_tokens
        if asked is not None and asked > room > 0:
            raise Refused(
                f"the prompt has {len(prompt.ids)} tokens, so there is room for {room} more, and {asked} are asked "
                "for: ask for fewer, or leave the number out",
                param="max_tokens",
            )

    def _params(self, body: Any) -> SamplingParams:
        stop_ids = self.model.config.stop_ids | self.tokenizer.end_ids
        if body.ignore_eos:
            stop_ids = frozenset()
        try:
            return SamplingParams.of_model(
                self.model.config, **body.sampling(), stop_ids=stop_ids, max_new_tokens=body.most_tokens
            )
        except GenerationError as problem:
            raise Refused(str(problem)) from None

    def _changes(self, body: Any, vocab_size: int, stop_ids: frozenset[int]) -> ChangeLogits | None:
        """What is done to the logits before a token is chosen, in the order of OpenAI's: penalties, bias, grammar."""
        changes: list[ChangeLogits] = []
        if body.frequency_penalty or body.presence_penalty:
            changes.append(_penalties(body.frequency_penalty, body.presence_penalty))
        if body.logit_bias:
            changes.append(_bias(body.logit_bias, vocab_size))
        schema = body.response_format.schema_of_answer if isinstance(body, ChatBody) else None
        if schema is not None:
            changes.append(Grammar(schema, self.tokenizer, vocab_size, stop_ids))
        if not changes:
            return None

        def change(logits: np.ndarray, written: list[int]) -> np.ndarray:
            for each in changes:
                logits = each(logits, written)
            return logits

        return change


def give_up(texts: Sequence[Text]) -> None:
    """Nobody reads these texts any more."""
    for text in texts:
        text.give_up()


def _penalties(frequency: float, presence: float) -> ChangeLogits:
    """logit - count * frequency - presence for every token that was written, as OpenAI defines it."""

    def change(logits: np.ndarray, written: list[int]) -> np.ndarray:
        ids, counts = np.unique(np.array(written, np.int64), return_counts=True)
        logits = logits.copy()
        logits[ids] -= (counts * frequency + presence).astype(np.float32)
        return logits

    return change


def _bias(given: dict[str, float], vocab_size: int) -> ChangeLogits:
    try:
        ids = np.array([int(token_id) for token_id in given])
    except ValueError:
        raise Refused("its keys must be token ids", param="logit_bias") from None
    if ids.min() < 0 or ids.max() >= vocab_size:
        raise Refused(f"token ids must lie in 0..{vocab_size - 1}", param="logit_bias")
    values = np.array(list(given.values()), np.float32)

    def change(logits: np.ndarray, written: list[int]) -> np.ndarray:
        logits = logits.copy()
        logits[ids] += values
        return logits

    return change


def _plain(message: dict[str, Any], number: int) -> dict[str, Any]:
    """A message whose content is one text. Raises Refused for a part that is none."""
    content = message.get("content")
    if content is None and message.get("role") == "assistant":
        content = ""  # it called tools
    if isinstance(content, list):
        for part in content:
            if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise Refused("this model reads text only", param=f"messages.{number}.content")
        content = "".join(part["text"] for part in content)
    return {**message, "content": content}


class Choice:
    """One text of an answer as it arrives. index: its place among the choices."""

    def __init__(self, index: int, text: Text, reader: Reader, usage: Usage):
        self.index = index
        self.text = text
        self.reader = reader
        self.usage = usage
        self.written = 0

    @property
    def finish_reason(self) -> str:
        if self.reader.stop is not None:
            return "stop"
        return {"stop": "stop", "length": "length"}.get(str(self.text.request.stop_reason), "stop")

    async def pieces(self) -> AsyncIterator[Piece]:
        """The text in pieces, until it ends or a stop string is met."""
        async for tokens in self.text:
            self.written += len(tokens)
            piece = self.reader.feed(tokens)
            if piece.text:
                yield piece
            if self.reader.stop is not None:
                self.text.give_up()
                break
        if self.reader.stop is None:
            piece = self.reader.finish()
            if piece.text:
                yield piece
        request = self.text.request
        self.usage.written += self.written
        self.usage.prompt = max(self.usage.prompt, request.prompt_length)
        self.usage.shared = max(self.usage.shared, request.shared)


async def merged(choices: Sequence[Choice]) -> AsyncIterator[tuple[Choice, Piece | None]]:
    """The pieces of all choices as they come, each with its choice; None for a choice that has ended."""
    news: asyncio.Queue[tuple[Choice, Piece | None] | Exception] = asyncio.Queue()

    async def follow(choice: Choice) -> None:
        try:
            async for piece in choice.pieces():
                news.put_nowait((choice, piece))
            news.put_nowait((choice, None))
        except Exception as problem:
            news.put_nowait(problem)

    tasks = [asyncio.create_task(follow(choice)) for choice in choices]
    try:
        left = len(choices)
        while left:
            item = await news.get()
            if isinstance(item, Exception):
                raise item
            left -= item[1] is None
            yield item
    finally:
        for task in tasks:
            task.cancel()
        give_up([choice.text for choice in choices])
