"""Many prompts at once, with the engine."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from llaisys_mini.engine.generate import LanguageModel
from llaisys_mini.engine.request import Request
from llaisys_mini.errors import GenerationError
from llaisys_mini.text.sampling import SamplingParams

from ..corpus.conversations import THINK_END, THINK_START, TURN_START

AT_ONCE = 48
MOST_ROWS = 1024  # of a step
PAGES = 40  # for each text that is being written, and what earlier turns have left
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


UNANSWERED = Completion("", False, 0)
"""What comes of a prompt that leaves no room for an answer."""


@dataclass(frozen=True)
class Job:
    """A prompt to complete. then: takes the completion, and may give another job to go on with."""

    prompt: str
    params: SamplingParams
    then: Callable[[Completion], Job | None]


def run(model: LanguageModel, jobs: Iterable[Job]) -> None:
    """Complete all jobs, and those that follow from them. A prompt that fills the context gets no answer."""
    assert model.tokenizer is not None
    tokenizer = model.tokenizer
    engine = model.engine(max_texts=AT_ONCE, max_rows=MOST_ROWS, pages=AT_ONCE * PAGES)
    waiting, running = deque(jobs), dict[Request, Job]()

    def ended(job: Job, completion: Completion) -> None:
        following = job.then(completion)
        if following is not None:
            waiting.appendleft(following)  # first, while the pages of its conversation are still there

    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            job = waiting.popleft()
            try:
                request = engine.add(tokenizer.encode(job.prompt), job.params)
            except GenerationError:
                ended(job, UNANSWERED)
                continue
            if request.is_finished:
                ended(job, UNANSWERED)
            else:
                running[request] = job
        for request in engine.step():
            if request.error is not None:
                raise request.error
            if request.is_finished:
                text = tokenizer.decode(request.written)
                ended(running.pop(request), Completion(text, request.stop_reason == "stop", len(request.tokens)))


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
