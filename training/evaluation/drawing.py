"""What the abilities share: seeds, and turns to try."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..corpus.conversations import Turn
from ..corpus.state import Conversation
from ..corpus.writing import Writer
from .asking import Try

SEED = 20_000
Draw = Callable[[Writer, Conversation], Turn | None]


def held_out_writer(offset: int = 0) -> Writer:
    return Writer(SEED + offset, held_out=True)


def tries_of(turns: Sequence[Turn]) -> list[Try]:
    """Each turn on its own."""
    return [Try(turn) for turn in turns]


def draw_after(writer: Writer, state: Conversation, draw: Draw) -> Try:
    """Draw the turn to try after what has been said; a draw that makes no sense is repeated."""
    while True:
        turn = draw(writer, state)
        if turn is not None:
            return Try(turn, tuple(state.turns))
