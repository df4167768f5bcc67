"""Is the answer to a turn right? The turn itself carries what is expected."""

from __future__ import annotations

from dataclasses import dataclass

from ..corpus.conversations import Turn
from ..corpus.story_check import StoryCheck, check_story
from .generating import Completion


@dataclass(frozen=True)
class Verdict:
    """problem: None where the answer is right. story: what was found out about a told story."""

    problem: str | None
    story: StoryCheck | None = None

    @property
    def right(self) -> bool:
        return self.problem is None


def judge(turn: Turn, completion: Completion) -> Verdict:
    """A story has to be as wished for and to hang together; any other answer has to be the expected one."""
    if turn.story is not None:
        check = check_story(completion.said, {slot: turn.story.values[slot] for slot in turn.wish})
        problem = "; ".join(dict.fromkeys(check.problems)) or None
        return Verdict(problem if completion.well_formed else problem or "it does not end by itself", check)
    if not completion.well_formed:
        return Verdict("it does not end by itself")
    return Verdict(None if completion.said == turn.answer else "another answer")
