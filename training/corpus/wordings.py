"""One question in many wordings: as it is asked directly, and within the frames that any question fits into.

A model that has seen a question in six wordings learns those six. One that has seen it in sixty, most of them made of the
same few pieces, learns the pieces. What is held out for the evaluation is left out here, whatever pieces it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import held_out

FRAMES = [
    "Tell me {clause}.",
    "Please tell me {clause}.",
    "Can you tell me {clause}?",
    "Could you tell me {clause}?",
    "Do you know {clause}?",
    "Do you remember {clause}?",
    "Can you say {clause}?",
    "Say {clause}.",
    "I want to know {clause}.",
    "I would like to know {clause}.",
    "I forgot {clause}.",
    "Please say {clause}.",
]


def bare(wording: str) -> str:
    """What two wordings have in common that differ in capitals and marks only, or in whether the thing is there."""
    return wording.lower().replace("{other_", "{").strip(".?! ")


_KEPT_BACK = {bare(wording) for wordings in held_out.WORDINGS.values() for wording in wordings}


def phrasings(direct: Sequence[str], clauses: Sequence[str] = ()) -> list[str]:
    """All wordings of a question that are trained, direct ones as often as framed ones.

    direct: whole questions. clauses: the question within a sentence, as "where {N} is".
    """
    direct = _without_kept_back(direct)
    framed = _without_kept_back(frame.replace("{clause}", clause) for clause in clauses for frame in FRAMES)
    return direct * max(1, round(len(framed) / len(direct))) + framed


def _without_kept_back(wordings: Iterable[str]) -> list[str]:
    return [wording for wording in wordings if bare(wording) not in _KEPT_BACK]
