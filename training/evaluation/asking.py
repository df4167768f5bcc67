"""Asks a model turns and keeps the verdicts, one line of the table for each ability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llaisys_mini.engine.generate import LanguageModel
from llaisys_mini.text.sampling import SamplingParams

from ..corpus.conversations import Turn
from .generating import GREEDY, Completion, complete
from .judging import Verdict, judge

Message = dict[str, str]
MOST_TOKENS = {"story": 700}
MOST_TOKENS_ELSE = 250
WRONG_SHOWN = 8


@dataclass
class Result:
    """One line of the table: how many of how many were right, and what share was demanded."""

    name: str
    right: int
    total: int
    demanded: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return self.right / self.total if self.total else 0.0

    @property
    def passed(self) -> bool:
        return self.demanded is None or self.share >= self.demanded


def as_messages(history: Sequence[tuple[str, str]], question: str) -> list[Message]:
    """history: questions with their answers."""
    messages = []
    for asked, answered in history:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return [*messages, {"role": "user", "content": question}]


@dataclass(frozen=True)
class Try:
    """One turn to ask, with the turns before it, which have got their right answers."""

    turn: Turn
    before: tuple[Turn, ...] = ()

    @property
    def messages(self) -> list[Message]:
        return as_messages([(turn.question, turn.answer) for turn in self.before], self.turn.question)


class Evaluation:
    """A model under test. `results` has a line for each ability tried so far."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.sampling = SamplingParams.of_model(model.config)
        self.results: list[Result] = []
        self.answers = self.well_formed = 0

    def say(
        self, turns: Sequence[Turn], messages: Sequence[list[Message]], thinking: bool = True, sampled: bool = False
    ) -> list[Completion]:
        """Answer each conversation. Stories are drawn as the shipped settings say, all else is greedy, unless
        `sampled`. The seed of an answer is its number."""
        assert self.model.tokenizer is not None
        prompts = [self.model.tokenizer.render_chat(m, enable_thinking=thinking) for m in messages]
        params = []
        for seed, turn in enumerate(turns):
            is_story = turn.story is not None
            limit = MOST_TOKENS["story"] if is_story else MOST_TOKENS_ELSE
            own = replace(self.sampling, seed=seed) if is_story or sampled else GREEDY
            params.append(replace(own, max_new_tokens=limit))
        completions = complete(self.model, prompts, params)
        self.answers += len(completions)
        self.well_formed += sum(completion.well_formed for completion in completions)
        return completions

    def ask(
        self, name: str, tries: Sequence[Try], demanded: float | None = None, thinking: bool = True
    ) -> tuple[list[Completion], list[Verdict]]:
        """Ask each try and add the line to the table."""
        turns = [each.turn for each in tries]
        completions = self.say(turns, [each.messages for each in tries], thinking)
        verdicts = [judge(turn, completion) for turn, completion in zip(turns, completions, strict=True)]
        families = [turn.family for turn in turns]
        wrong = [
            {
                "before": [turn.question[-60:] for turn in each.before],
                "question": each.turn.question,
                "expected": str(verdict.problem) if each.turn.story else each.turn.answer,
                "answered": completion.said[:600],
            }
            for each, completion, verdict in zip(tries, completions, verdicts, strict=True)
            if not verdict.right
        ]
        self.add(name, verdicts, demanded, families=families, wrong=wrong)
        return completions, verdicts

    def add(
        self,
        name: str,
        verdicts: Sequence[Verdict],
        demanded: float | None = None,
        families: Sequence[str] = (),
        wrong: Sequence[dict[str, Any]] = (),
        **details: Any,
    ) -> None:
        if len(set(families)) > 1:
            right_of, all_of = Counter(), Counter(families)
            for family, verdict in zip(families, verdicts, strict=True):
                right_of[family] += verdict.right
            details["by_family"] = {family: f"{right_of[family]} of {all_of[family]}" for family in sorted(all_of)}
        if wrong:
            details["wrong"] = list(wrong)[:WRONG_SHOWN]
        self.results.append(Result(name, sum(v.right for v in verdicts), len(verdicts), demanded, details))

    def add_shares(self, name: str, verdicts: Sequence[bool], demanded: float | None = None, **details: Any) -> None:
        """A line that comes from other checks than `judge`."""
        self.results.append(Result(name, sum(verdicts), len(verdicts), demanded, details))
