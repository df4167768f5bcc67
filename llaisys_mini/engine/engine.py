"""The engine: many texts are written at once, and each reads as if it were alone.

    engine = Engine(decoder)
    requests = [engine.add(ids) for ids in prompts]
    while engine.is_busy:
        for request in engine.step():              those that went on
            print(request.tokens[-1])

Each step is one forward pass over some rows of several texts (continuous batching): one row of each text that is being
written, and parts of new prompts. Texts with a common beginning share its keys and values. With the course's kernels a
row has the same bits in any company, so neither the order in which texts come, nor who else is there, nor speculation
changes a token.

Nothing here waits, sleeps or looks at a clock; the server does (server/).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from llaisys_mini import devices, dtypes
from llaisys_mini import operators as ops
from llaisys_mini.cache.paged import PAGE_SIZE, PagedCache
from llaisys_mini.cache.paged_pass import Rows
from llaisys_mini.cache.pool import PagesExhausted
from llaisys_mini.capture.replay import Replay
from llaisys_mini.engine.request import ChangeLogits, Request, check_ids
from llaisys_mini.engine.scheduler import Scheduler, Turn
from llaisys_mini.engine.speculation import Guesser
from llaisys_mini.errors import GenerationError
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.tensor import Tensor
from llaisys_mini.text.sampling import SamplingParams
from llaisys_mini.text.tokenizer import Tokenizer

MAX_ROWS = 256
"""Rows of a step: enough for a matrix product to be at its best, few enough that nobody waits long for a prompt."""

MAX_TEXTS = 64


@dataclass
class Counts:
    """What the engine has done so far. steps: forward passes; rows: of all of them; written: tokens that were chosen;
    guessed: tokens that speculation proposed, and right: how many of these were chosen."""

    steps: int = 0
    rows: int = 0
    written: int = 0
    guessed: int = 0
    right: int = 0


class Engine:
    """Writes many texts at once with one model.

    dtype: how keys and values are stored. pages: of the KV cache, of page_size positions; None for as many as
    one text needs that fills the model's context. max_rows: of a step. max_texts: in work at a time.
    last_step: of the last step each request, its rows, and the guessed tokens among them not counted.
    guesser: guesses tokens ahead, for speculative decoding; see speculation.py. tokenizer: for messages only.
    capture: whether steps may be recorded and replayed; see capture/replay.py.
    Raises GenerationError for sizes that leave no room for anything.
    """

    def __init__(
        self,
        decoder: Decoder,
        dtype=dtypes.float32,
        pages: int | None = None,
        page_size: int = PAGE_SIZE,
        max_rows: int = MAX_ROWS,
        max_texts: int = MAX_TEXTS,
        guesser: Guesser | None = None,
        tokenizer: Tokenizer | None = None,
        capture: bool = True,
    ):
        if max_rows < 1 or max_texts < 1:
            raise GenerationError(f"an engine of {max_rows} rows and {max_texts} texts does nothing: give at least one")
        c = decoder.config
        self.decoder = decoder
        self.cache = PagedCache(
            c.layers, c.kv_heads, c.head_dim, c.max_positions, dtype, decoder.device, pages, page_size
        )
        self.replay = Replay(decoder, self.cache, capture)
        self.scheduler = Scheduler(self.cache, max_rows, max_texts)
        self.counts = Counts()
        self.last_step: list[tuple[Request, int, int]] = []
        self.guesser = guesser
        self._added = 0
        self.tokenizer = tokenizer

    @property
    def is_busy(self) -> bool:
        """Whether a text is waiting or in work."""
        return bool(self.scheduler.running or self.scheduler.waiting)

    def add(
        self,
        ids: Sequence[int] | np.ndarray,
        params: SamplingParams | None = None,
        stop_ids: Collection[int] | None = None,
        logprobs: int | None = None,
        prompt_logprobs: bool = False,
        change_logits: ChangeLogits | None = None,
    ) -> Request:
        """Queue a text that begins with `ids`; see Request for the rest. stop_ids: None for the params' or the model's.

        Raises GenerationError for a prompt that is empty, outside the vocabulary, or too long to be ever answered.
        """
        ids = check_ids(ids, self.decoder.config.vocab_size, self.tokenizer)
        if params is None:
            params = SamplingParams.of_model(self.decoder.config)
        if stop_ids is None:
            stop_ids = self.decoder.config.stop_ids if params.stop_ids is None else params.stop_ids
        context, most = self.decoder.config.max_positions, self.cache.max_positions
        if len(ids) >= most:
            holds = "the model's context" if most == context else "the KV cache"
            raise GenerationError(f"the prompt has {len(ids)} tokens, but {holds} holds {most}: shorten the prompt")
        room = most - len(ids)
        if params.max_new_tokens is not None:
            room = min(room, params.max_new_tokens)
        request = Request(ids.tolist(), params, stop_ids, room, logprobs, prompt_logprobs, change_logits)
        self._added += 1
        request.number = self._added
        if not request.is_finished:
            self.scheduler.add(request)
        return request

    def abort(self, request: Request) -> None:
        """End a text now. Its pages are free at once. One that has ended stays as it is."""
        if not request.is_finished:
            request.stop_reason = "aborted"
            self._leave(request)

    def step(self) -> list[Request]:
        """One forward pass; returns the requests that have written, or ended. An empty list if nothing is to be done.

        What a kernel raises is passed on; no text has then changed.
        """
        turns = self.scheduler.next_step()
        if not turns:
            return []
        guesses, wanted = self._guesses(turns), [self._wanted(turn) for turn in turns]
        rows, ids = [], []
        for turn, guess, count in zip(turns, guesses, wanted, strict=True):
            stored = turn.request.stored
            ids += turn.request.text[stored.length : stored.length + turn.count] + guess
            rows.append(Rows(stored, turn.count + len(guess), count + len(guess)))
        greedy = all(turn.request.takes_the_largest_logit for turn in turns)
        logits, best = self.replay.forward(np.array(ids), rows, greedy)
        self.counts.steps += 1
        self.counts.rows += len(ids)
        self.last_step = [(t.request, t.count, len(guess)) for t, guess in zip(turns, guesses, strict=True)]
        likeliest = _likeliest(logits, best) if greedy and len(logits) else None
        return self._choose(turns, wanted, guesses, logits, likeliest)

    def _guesses(self, turns: Sequence[Turn]) -> list[list[int]]:
        """Guessed tokens that follow each turn, with pages for their rows; they use what is left of the step's rows."""
        guesses: list[list[int]] = [[] for _ in turns]
        if self.guesser is None:
            return guesses
        writing = [number for number, turn in enumerate(turns) if turn.request.missing == 1 and turn.request.left > 1]
        share = (self.scheduler.max_rows - sum(turn.count for turn in turns)) // max(1, len(writing))
        if not writing or share == 0:
            return guesses
        asked = [(turns[number].request, min(share, turns[number].request.left - 1)) for number in writing]
        for number, guess in zip(writing, self.guesser.guess(asked), strict=True):
            request = turns[number].request
            try:
                self.cache.reserve(request.stored, request.stored.length + 1 + len(guess))
                guesses[number] = guess
            except PagesExhausted:  # a guess is worth no page of others
                pass
        return guesses

    def _wanted(self, turn: Turn) -> int:
        """Of how many rows of a turn, the last ones, the logits are wanted."""
        request = turn.request
        if request.reads_prompt:
            return turn.count
        return 1 if turn.count == request.missing else 0

    def _choose(
        self,
        turns: Sequence[Turn],
        wanted: Sequence[int],
        guesses: Sequence[list[int]],
        logits: Tensor,
        best: list[tuple[int, float]] | None,
    ) -> list[Request]:
        """Let each request whose text was read to its end write on. logits: [sum of wanted and guessed, V]; best: of
        each row the largest one's place and value, if nothing else is needed."""
        table = logits.numpy() if best is None else None
        went_on, start = [], 0
        for turn, count, guess in zip(turns, wanted, guesses, strict=True):
            request, end = turn.request, start + count + len(guess)
            if request.reads_prompt and table is not None:
                request.read(request.stored.length - turn.count, table[start:end])
            if request.missing <= 0:  # else only a part of its prompt was read
                rows = range(end - len(guess) - 1, end)
                right = self._write(request, guess, rows, best, table)
                if guess:
                    self.cache.truncate(request.stored, request.stored.length - len(guess) + right)
                self.counts.guessed += len(guess)
                self.counts.right += right
                went_on.append(request)
            self.cache.publish(request.stored)
            if request.is_finished:
                self._leave(request)
            start = end
        return went_on

    def _write(
        self,
        request: Request,
        guess: list[int],
        rows: range,
        best: list[tuple[int, float]] | None,
        table: np.ndarray | None,
    ) -> int:
        """Choose tokens as if each came alone, as long as they are those that were guessed, and one more.

        Returns how many guesses were right. Since each token is chosen from its own logits with the request's own
        random numbers, a guess can save a pass but never change the text.
        """
        right = 0
        for row, guessed in zip(rows, [*guess, None], strict=True):
            before = len(request.tokens)
            if best is not None:
                request.take(*best[row])
            elif table is not None:
                request.choose(table[row])
            self.counts.written += len(request.tokens) - before
            if request.is_finished or request.text[-1] != guessed:
                break
            right += 1
        return right

    def _leave(self, request: Request) -> None:
        self.scheduler.remove(request)
        if self.guesser is not None:
            self.guesser.forget(request)


def _likeliest(logits: Tensor, best: tuple[np.ndarray, np.ndarray] | None) -> list[tuple[int, float]]:
    """For each row of logits [N, V] the id of the largest, and that logit; NaN if a NaN was found among them.

    best: what argmax said, if it was asked already.
    """
    index, value = best or [tensor.numpy() for tensor in ops.argmax(logits)]
    if logits.storage.device is devices.HOST:
        value = logits.numpy().max(axis=1)  # NaN if any logit is; argmax alone would silently pass over it
    # Elsewhere only the largest is looked at, since the logits stay on the device: it is NaN where all of them are.
    return list(zip(index.tolist(), value.tolist(), strict=True))
