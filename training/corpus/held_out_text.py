"""Stories that losses are measured on: as easy as training (another seed), or held out by template.

Of the second kind no sentence can come from a training template: the plots and the sentences that all stories share are
kept back. Only stories: of a conversation the model learns to write its own half, and has no opinion on the other one.
"""

from __future__ import annotations

from .conversations import END_OF_TEXT
from .stories import write_story
from .writing import Writer


def held_out_stories(seed: int, count: int, by_template: bool) -> list[str]:
    writer = Writer(seed, held_out=by_template)
    return [write_story(writer).text for _ in range(count)]


def held_out_text(seed: int, count: int, by_template: bool = False) -> str:
    """As one text, in the form of data/models/held_out.txt."""
    return f"\n{END_OF_TEXT}\n".join(held_out_stories(seed, count, by_template)) + "\n"
