"""Many prompts at once: the next tokens of all running texts go through the decoder in one forward pass."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


class _Running:
    def __init__(self, model: LanguageModel, prompt: list[int], params: SamplingParams) -> None:
        self.cache = model.cache()
        self.new = np.array(prompt)
        self.written: list[int] = []
        self.ended = False
        self.stop_ids = model.config.stop_ids
        self.sampler = Sampler(params)
        room = model.config.max_positions - len(prompt)
        self.left = room if params.max_new_tokens is None else min(room, params.max_new_tokens)

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


def complete(
    model: LanguageModel, prompts: Sequence[str], params: Sequence[SamplingParams] | SamplingParams = GREEDY
) -> list[Completion]:
    """Complete every prompt; params: one for all, or one each. A prompt that fills the context gets no answer."""
    assert model.tokenizer is not None
    each = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
    texts = [_Running(model, model.tokenizer.encode(prompt), own) for prompt, own in zip(prompts, each, strict=True)]
    waiting = deque(text for text in texts if text.left > 0)
    running: list[_Running] = []
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            running.append(waiting.popleft())
        cache = SeveralTexts([text.cache for text in running], [len(text.new) for text in running])
        logits = model.decoder.forward(np.concatenate([text.new for text in running]), cache, last_only=True).numpy()
        going_on = []
        for text, row in zip(running, logits, strict=True):
            if text.take(row):
                going_on.append(text)
            else:
                text.cache = model.cache()  # its memory is free for others
        running = going_on
    return [Completion(model.tokenizer.decode(text.written), text.ended, len(text.written)) for text in texts]
