"""What has been said in a conversation, as far as later turns need it: the user's name, stories told, the last text."""

from __future__ import annotations

from dataclasses import dataclass, field

from .conversations import Turn
from .stories import Story
from .texts import Text


@dataclass
class Conversation:
    """What has been said so far. text: the last one that the user gave: people and what they have, or what they did."""

    name: str | None = None
    stories: list[Story] = field(default_factory=list)
    text: Text | Story | None = None
    text_is_last: bool = False  # whether it came after the last story
    turns: list[Turn] = field(default_factory=list)

    @property
    def last_answer(self) -> str:
        return self.turns[-1].answer if self.turns else ""

    def words(self) -> set[str]:
        """Names, kinds and things of everything told so far, the user's name included."""
        found: set[str] = set()
        for source in self.stories:
            found |= source.words
        return found | (self.text.words if self.text else set()) | ({self.name} if self.name else set())

    def words_after(self, index: int) -> set[str]:
        """Those of all that came after story `index`."""
        found: set[str] = set()
        for story in self.stories[index + 1 :]:
            found |= story.words
        if self.text and (self.text_is_last or index < len(self.stories) - 1):
            found |= self.text.words
        return found

    def told(self, turn: Turn, story: Story | None = None) -> None:
        """Add a turn. story: what the model has really told, in the place of the turn's own story."""
        self.turns.append(turn)
        if turn.story is not None:
            self.stories.append(story or turn.story)
            self.text_is_last = False
        if turn.given is not None:
            self.text, self.text_is_last = turn.given, True
        if turn.name is not None:
            self.name = turn.name
