"""Many prompts at once: the next tokens of all running texts go through the decoder in one forward pass."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from llaisys_mini.cache.contiguous import ContiguousCache
from llaisys_mini.cache.several import SeveralTexts
from llaisys_mini.engine.generate import LanguageModel
from llaisys_mini.text.sampling import Sampler, SamplingParams

from ..corpus.conversations import THINK_END, THINK_START, TURN_START

AT_ONCE = 48
GREEDY = SamplingParams()


@dataclass(frozen=True)
class Completion:
    """text: what was written. ended: by a stop token, not by a limit. tokens: how many were written."""

    text: str
    ended: bool
    tokens: int

    @property
    def said(self) -> str:
        """What was said after the thinking."""
        return self.text.rpartition(THINK_END)[2].strip()

    @property
    def thought(self) -> str:
        return self.text.partition(THINK_END)[0].removeprefix(THINK_START).strip()

    @property
    def well_formed(self) -> bool:
        """It ends by itself and plays no other role."""
        return self.ended and TURN_START not in self.text and not re.search(r"^(user|system)$", self.text, re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A prompt to complete. then: takes the completion, and may give another job to go on with."""

    prompt: str
    params: SamplingParams
    then: Callable[[Completion], Job | None]


class _Running:
    """cache: of the same conversation's last turn; what its text shares with the prompt is not computed again."""

    def __init__(self, model: LanguageModel, job: Job, cache: ContiguousCache | None = None) -> None:
        assert model.tokenizer is not None
        prompt = model.tokenizer.encode(job.prompt)
        self.job = job
        self.cache = cache or model.cache()
        self.cache.truncate(min(self.cache.common_prefix(prompt), len(prompt) - 1))
        self.new = np.array(prompt[self.cache.length :])
        self.written: list[int] = []
        self.ended = False
        self.stop_ids = model.config.stop_ids
        self.sampler = Sampler(job.params)
        room = max(0, model.config.max_positions - len(prompt))
        self.left = room if job.params.max_new_tokens is None else min(room, job.params.max_new_tokens)

    def take(self, logits: np.ndarray) -> bool:
        """Choose the next token from its logits [V]. Returns whether the text goes on."""
        chosen = self.sampler(logits)
        if chosen in self.stop_ids:
            self.ended = True
            return False
        self.written.append(chosen)
        self.new = np.array([chosen])
        self.left -= 1
        return self.left > 0


def run(model: LanguageModel, jobs: Iterable[Job]) -> None:
    """Complete all jobs, and those that follow from them. A prompt that fills the context gets no answer."""
    assert model.tokenizer is not None
    waiting: deque[tuple[Job, ContiguousCache | None]] = deque((job, None) for job in jobs)
    running: list[_Running] = []
    while waiting or running:
        finished = []
        while waiting and len(running) < AT_ONCE:
            text = _Running(model, *waiting.popleft())
            (running if text.left > 0 else finished).append(text)
        if running:
            cache = SeveralTexts([text.cache for text in running], [len(text.new) for text in running])
            ids = np.concatenate([text.new for text in running])
            logits = model.decoder.forward(ids, cache, last_only=True).numpy()
            goes_on = [text.take(row) for text, row in zip(running, logits, strict=True)]
            finished += [text for text, on in zip(running, goes_on, strict=True) if not on]
            running = [text for text, on in zip(running, goes_on, strict=True) if on]
        for text in finished:
            written = Completion(model.tokenizer.decode(text.written), text.ended, len(text.written))
            following = text.job.then(written)
            if following is not None:
                waiting.appendleft((following, text.cache))  # first, so that few caches are kept


def complete(
    model: LanguageModel, prompts: Sequence[str], params: Sequence[SamplingParams] | SamplingParams = GREEDY
) -> list[Completion]:
    """Complete every prompt. params: one for all, or one each."""
    each = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
    found: dict[int, Completion] = {}

    def keep(number: int) -> Callable[[Completion], None]:
        return lambda completion: found.__setitem__(number, completion)

    run(model, [Job(prompt, own, keep(n)) for n, (prompt, own) in enumerate(zip(prompts, each, strict=True))])
    return [found[number] for number in range(len(prompts))]
