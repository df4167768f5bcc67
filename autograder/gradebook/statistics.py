"""How a class did: mean and spread of each lab, and the share of the points of each question that was reached."""

import statistics
from dataclasses import dataclass

from autograder.judge.submission import FAILED, UNREADABLE, Verdict


@dataclass(frozen=True)
class Spread:
    """Of the points of one lab. count: submissions whose points are all decided; the others are not in the numbers."""

    lab: str
    maximum: float
    count: int
    undecided: int
    mean: float
    deviation: float
    lowest: float
    median: float
    highest: float


@dataclass(frozen=True)
class Question:
    """name: of the cell; share: of its points that was reached, on average, over `count` submissions; full: how many of
    them got all; deviation: of the points."""

    lab: str
    name: str
    maximum: float
    count: int
    share: float
    deviation: float
    full: int


def spreads(verdicts: list[Verdict]) -> list[Spread]:
    """One for each lab, in order. What could not be read counts as undecided: it says nothing of the class."""
    found = []
    for lab, mine in _by_lab(verdicts).items():
        decided = [v for v in mine if v.state not in (UNREADABLE, FAILED) and not v.open_points]
        points = [v.points for v in decided] or [0.0]
        found.append(
            Spread(
                lab,
                max(v.maximum for v in mine),
                len(decided),
                len(mine) - len(decided),
                statistics.fmean(points),
                statistics.pstdev(points),
                min(points),
                statistics.median(points),
                max(points),
            )
        )
    return found


def questions(verdicts: list[Verdict]) -> list[Question]:
    """One for each question of each lab, in the order of the lab."""
    found = []
    for lab, mine in _by_lab(verdicts).items():
        readable = [v for v in mine if v.state not in (UNREADABLE, FAILED)]
        for name in dict.fromkeys(name for v in readable for name in v.parts):
            parts = [v.parts[name] for v in readable if name in v.parts]
            decided = [part for part in parts if part.points is not None]
            points = [part.points or 0.0 for part in decided] or [0.0]
            most = max(part.maximum for part in parts)
            full = sum(part.points == part.maximum for part in decided)
            share = statistics.fmean(points) / most if most else 0.0
            found.append(Question(lab, name, most, len(decided), share, statistics.pstdev(points), full))
    return found


def _by_lab(verdicts: list[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for verdict in sorted(verdicts, key=lambda v: v.lab):
        found.setdefault(verdict.lab, []).append(verdict)
    return found
