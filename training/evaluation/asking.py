"""Asks a model turns and keeps the verdicts, one line of the table for each ability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llaisys_mini.engine.generate import LanguageModel
from llaisys_mini.text.sampling import SamplingParams

from ..corpus.conversations import Turn
from .generating import GREEDY, Completion, Job, run
from .judging import Verdict, judge

Message = dict[str, str]
MOST_TOKENS_OF_A_STORY = 700
MOST_TOKENS = 250
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


@dataclass(frozen=True)
class Ask:
    """One turn that a model is to answer. then: takes the answer, and may give the next turn of the conversation.

    seed: of what is drawn. thinking: as enable_thinking of the chat template. sampled: draw, whatever the turn is.
    """

    turn: Turn
    messages: list[Message]
    seed: int
    then: Callable[[Completion], Ask | None]
    thinking: bool = True
    sampled: bool = False


class Evaluation:
    """A model under test. `results` has a line for each ability tried so far."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.sampling = SamplingParams.of_model(model.config)
        self.results: list[Result] = []
        self.answers = self.well_formed = 0

    def run(self, asks: Iterable[Ask]) -> None:
        """Have all of them answered, and those that follow from the answers."""
        run(self.model, [self._job(ask) for ask in asks])

    def _job(self, ask: Ask) -> Job:
        """Stories are drawn as the shipped settings say; all else is greedy, unless `sampled`."""
        assert self.model.tokenizer is not None
        prompt = self.model.tokenizer.render_chat(ask.messages, enable_thinking=ask.thinking)
        is_story = ask.turn.story is not None
        own = replace(self.sampling, seed=ask.seed) if is_story or ask.sampled else GREEDY

        def then(completion: Completion) -> Job | None:
            self.answers += 1
            self.well_formed += completion.well_formed
            following = ask.then(completion)
            return following and self._job(following)

        return Job(prompt, replace(own, max_new_tokens=MOST_TOKENS_OF_A_STORY if is_story else MOST_TOKENS), then)

    def ask(
        self, name: str, tries: Sequence[Try], demanded: float | None = None, thinking: bool = True
    ) -> tuple[list[Completion], list[Verdict]]:
        """Ask each try and add the line to the table."""
        turns = [each.turn for each in tries]
        found: dict[int, Completion] = {}

        def keep(number: int) -> Callable[[Completion], None]:
            return lambda completion: found.__setitem__(number, completion)

        self.run([Ask(t.turn, t.messages, n, keep(n), thinking=thinking) for n, t in enumerate(tries)])
        completions = [found[number] for number in range(len(tries))]
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
