"""A text that the engine writes on: its ids, how the next one is chosen, and why it ended."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from llaisys_mini.cache.paged import PagedText
from llaisys_mini.errors import GenerationError
from llaisys_mini.text.sampling import Sampler, SamplingParams, require_possible
from llaisys_mini.text.tokenizer import Tokenizer

ChangeLogits = Callable[[np.ndarray, list[int]], np.ndarray]
"""function(logits float32 [V], ids written so far) -> logits [V]: what a grammar or a bias does to them."""


def check_ids(ids: Sequence[int] | np.ndarray, vocab_size: int, tokenizer: Tokenizer | None = None) -> np.ndarray:
    """The ids as int64 [T]. Raises GenerationError for none, or ids outside 0..vocab_size - 1."""
    ids = np.asarray(ids)
    if ids.size == 0:
        raise GenerationError("the prompt is empty: give at least one token")
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise GenerationError(f"ids must be a sequence of token ids, not {ids.dtype} of shape {ids.shape}")
    if ids.min() < 0 or ids.max() >= vocab_size:
        token = tokenizer.token(ids.max()) if tokenizer is not None else None
        raise GenerationError(
            f"token ids must lie in 0..{vocab_size - 1}, but run from {ids.min()} to {ids.max()}"
            + (f": the model has no embedding for the tokenizer's token {token!r:.80}" if token else "")
        )
    return ids.astype(np.int64)


@dataclass(frozen=True)
class Token:
    """One token of a text: its id, the logarithm of the probability that the model gave it, and the likeliest tokens
    in its place with theirs. By the logits as they are, before temperature and all other rules."""

    id: int
    logprob: float | None = None
    likeliest: tuple[tuple[int, float], ...] = ()


class Request:
    """What one text asks of the engine, and how far it is.

    ids: the prompt, at least one id. params: how the next token is chosen and when the text ends.
    stop_ids: the tokens that end it, which are not part of it. room: how many tokens may be written.
    logprobs: how many of the likeliest tokens are told with each token that is written; None for no probabilities.
    prompt_logprobs: whether the tokens of the prompt get theirs too.
    change_logits: see ChangeLogits.

    text: prompt and what was written. tokens: what was written. prompt_tokens: the prompt, where it was asked for.
    stop_reason: None while the text goes on, then why it ended: "stop" by a stop token, "length" by `room`, "aborted",
    or "error", with the `error`. stop_id: the stop token that ended it.
    left: how many tokens may still be written. stored: what the cache holds of the text.
    shared: how many leading ids were taken over from other texts. preemptions: how often it had to make room.
    """

    def __init__(
        self,
        ids: list[int],
        params: SamplingParams,
        stop_ids: Collection[int],
        room: int,
        logprobs: int | None = None,
        prompt_logprobs: bool = False,
        change_logits: ChangeLogits | None = None,
    ):
        self.params = params
        self.stop_ids = stop_ids
        self.text: list[int] = list(ids)
        self.prompt_length = len(ids)
        self.tokens: list[Token] = []
        self.prompt_tokens: list[Token] = [Token(ids[0])] if prompt_logprobs else []
        self.logprobs = logprobs
        self.prompt_logprobs = prompt_logprobs
        self.stop_reason: str | None = None
        self.stop_id: int | None = None
        self.error: GenerationError | None = None
        self.shared = 0
        self.preemptions = 0
        self.stored = PagedText()
        self.number = 0  # the engine counts its requests
        self.left = room
        self._sampler = Sampler(params)
        self._change_logits = change_logits
        if room == 0 and not prompt_logprobs:
            self.stop_reason = "length"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will be written."""
        return self.stop_reason is not None

    @property
    def missing(self) -> int:
        """How many ids of the text the model has not read yet; 1 for a text that is being written."""
        return len(self.text) - self.stored.length

    @property
    def reads_prompt(self) -> bool:
        """Whether probabilities of the prompt are still to be found, so that each of its ids has to be computed."""
        return self.prompt_logprobs and len(self.prompt_tokens) < self.prompt_length

    @property
    def takes_the_largest_logit(self) -> bool:
        """Whether the next token is the argmax of the logits, and nothing else is asked of them."""
        return (
            self.params.takes_the_largest_logit
            and self.logprobs is None
            and not self.prompt_logprobs
            and self._change_logits is None
        )

    def choose(self, logits: np.ndarray) -> None:
        """Write the next token, given its logits [V]. Where none can be chosen, the text ends with an error."""
        if self.left == 0:
            self.stop_reason = "length"
            return
        try:
            changed = logits if self._change_logits is None else self._change_logits(logits, self.written)
            chosen = self._sampler(changed, self.text)
        except GenerationError as problem:
            self.stop_reason, self.error = "error", problem
        else:
            self._write(self._token(chosen, logits))

    def take(self, chosen: int, logit: float) -> None:
        """Write this token, which has the largest logit. If that is no number, the text ends with an error."""
        try:
            require_possible(logit)
        except GenerationError as problem:
            self.stop_reason, self.error = "error", problem
        else:
            self._write(Token(chosen))

    def _write(self, token: Token) -> None:
        if token.id in self.stop_ids:
            self.stop_reason, self.stop_id = "stop", token.id
            return
        self.text.append(token.id)
        self.tokens.append(token)
        self.left -= 1
        if self.left == 0:
            self.stop_reason = "length"

    def read(self, first: int, logits: np.ndarray) -> None:
        """Note the probabilities of the ids of the prompt behind number `first`, by the logits [R, V] from there on."""
        for number, row in enumerate(logits, first + 1):
            if len(self.prompt_tokens) <= number < self.prompt_length:
                self.prompt_tokens.append(self._token(self.text[number], row))

    @property
    def written(self) -> list[int]:
        """The ids that were written."""
        return self.text[self.prompt_length :]

    def _token(self, chosen: int, logits: np.ndarray) -> Token:
        if self.logprobs is None:
            return Token(chosen)
        shifted = logits.astype(np.float64) - logits.max()
        logs = shifted - np.log(np.exp(shifted).sum())
        best = np.argsort(-logs, kind="stable")[: self.logprobs]
        return Token(chosen, float(logs[chosen]), tuple((int(i), float(logs[i])) for i in best))
