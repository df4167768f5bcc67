"""Random conversations in which any task follows any other, with the model's own answers as history."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..corpus.engine import next_turn
from ..corpus.state import Conversation
from ..corpus.writing import Writer
from .asking import WRONG_SHOWN, Evaluation, as_messages
from .judging import judge

FIRST = "(beginning)"
SEED = 30_000


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
    writers = [Writer(SEED + number, held_out) for number in range(count)]
    states = [Conversation() for _ in range(count)]
    history: list[list[tuple[str, str]]] = [[] for _ in range(count)]
    flawless = [True] * count
    right_of, all_of = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    wrong: list[dict[str, Any]] = []
    for _ in range(turns):
        asked = [next_turn(writer, state) for writer, state in zip(writers, states, strict=True)]
        messages = [as_messages(past, turn.question) for past, turn in zip(history, asked, strict=True)]
        answers = evaluation.say(asked, messages, sampled=sampled)
        for number, (turn, answer) in enumerate(zip(asked, answers, strict=True)):
            verdict = judge(turn, answer)
            state = states[number]
            pair = (state.turns[-1].task if state.turns else FIRST, turn.task)
            all_of[pair] += 1
            right_of[pair] += verdict.right
            if not verdict.right:
                flawless[number] = False
                wrong.append(
                    {
                        "before": [question[-80:] for question, _ in history[number]],
                        "question": turn.question,
                        "expected": str(verdict.problem) if turn.story else turn.answer,
                        "answered": answer.said[:600],
                    }
                )
            # What later turns ask about is the story that was really told.
            state.told(turn, verdict.story.story if verdict.story else None)
            history[number].append((turn.question, answer.said))
    evaluation.add_shares(f"{name}: all turns right", flawless, demanded)
    by_task, of_task = Counter[str](), Counter[str]()
    for pair in all_of:
        by_task[pair[1]] += right_of[pair]
        of_task[pair[1]] += all_of[pair]
    verdicts = [True] * sum(right_of.values()) + [False] * (sum(all_of.values()) - sum(right_of.values()))
    pairs: dict[str, dict[str, str]] = {}
    for before, task in sorted(all_of):
        pairs.setdefault(before, {})[task] = f"{right_of[before, task]} of {all_of[before, task]}"
    evaluation.add_shares(
        f"{name}: single turns",
        verdicts,
        by_kind={task: f"{by_task[task]} of {of_task[task]}" for task in sorted(of_task)},
        by_kind_before_and_kind=pairs,
        wrong=wrong[: 3 * WRONG_SHOWN],
    )
