"""Random conversations in which any task follows any other, with the model's own answers as history."""

from __future__ import annotations

from typing import Any

from ..corpus.conversations import Turn
from ..corpus.engine import next_turn
from ..corpus.state import Conversation
from ..corpus.writing import Writer
from .asking import WRONG_SHOWN, Ask, Evaluation, as_messages
from .generating import Completion
from .judging import judge

FIRST = "(beginning)"
SEED = 30_000


class _Talk:
    """One conversation while it is held."""

    def __init__(self, number: int, held_out: bool, sampled: bool) -> None:
        self.writer = Writer(SEED + number, held_out)
        self.seed = SEED + number
        self.sampled = sampled
        self.state = Conversation()
        self.history: list[tuple[str, str]] = []
        self.turns: list[tuple[tuple[str, str], bool]] = []  # (kind before, kind), right
        self.wrong: list[dict[str, Any]] = []

    def ask(self, left: int) -> Ask:
        """The next turn, after which `left` more are to come."""
        turn = next_turn(self.writer, self.state)
        messages = as_messages(self.history, turn.question)

        def then(answer: Completion) -> Ask | None:
            self._answered(turn, answer)
            return self.ask(left - 1) if left else None

        return Ask(turn, messages, self.seed + len(self.history), then, sampled=self.sampled)

    def _answered(self, turn: Turn, answer: Completion) -> None:
        verdict = judge(turn, answer)
        before = self.state.turns[-1].task if self.state.turns else FIRST
        self.turns.append(((before, turn.task), verdict.right))
        if not verdict.right:
            self.wrong.append(
                {
                    "before": [question[-80:] for question, _ in self.history],
                    "question": turn.question,
                    "expected": str(verdict.problem) if turn.story else turn.answer,
                    "answered": answer.said[:600],
                }
            )
        # What later turns ask about is the story that was really told.
        self.state.told(turn, verdict.story.story if verdict.story else None)
        self.history.append((turn.question, answer.said))


def random_conversations(
    evaluation: Evaluation,
    name: str,
    count: int = 500,
    turns: int = 6,
    demanded: float | None = None,
    held_out: bool = False,
    sampled: bool = False,
) -> None:
    """A conversation counts as right if all its turns are. Adds one line for conversations and one for turns."""
    talks = [_Talk(number, held_out, sampled) for number in range(count)]
    evaluation.run([talk.ask(turns - 1) for talk in talks])
    evaluation.add_shares(f"{name}: all turns right", [all(right for _, right in t.turns) for t in talks], demanded)
    everything = [turn for talk in talks for turn in talk.turns]
    pairs: dict[str, dict[str, str]] = {}
    for before, task in sorted({pair for pair, _ in everything}):
        pairs.setdefault(before, {})[task] = _share([right for pair, right in everything if pair == (before, task)])
    tasks = sorted({task for (_, task), _ in everything})
    evaluation.add_shares(
        f"{name}: single turns",
        [right for _, right in everything],
        by_kind={task: _share([right for (_, kind), right in everything if kind == task]) for task in tasks},
        by_kind_before_and_kind=pairs,
        wrong=[each for talk in talks for each in talk.wrong][: 3 * WRONG_SHOWN],
    )


def _share(verdicts: list[bool]) -> str:
    return f"{sum(verdicts)} of {len(verdicts)}"
