"""Which works of a class share what few of the class have: one index of all pieces, no comparison of all pairs.

A piece weighs by its size and by how few have it; what all have weighs next to nothing. Pairs come from the lists of
those who share a piece, so the time grows with the size of the class, not with its square.

    Schleimer, Wilkerson, Aiken, "Winnowing: local algorithms for document fingerprinting", SIGMOD 2003 (MOSS)
    Spaerck Jones, "A statistical interpretation of term specificity", J. of Documentation 28, 1972 (the weight)
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_MOST_TOGETHER = 12
"""Of those who share a piece, up to so many are paired each with each; of more, each with the next in order."""
_COMMON = 0.1  # a piece of less weight than this makes no pairs


@dataclass(frozen=True)
class Alike:
    """Two works that share much. share: of what the shorter one holds, by weight; weight: of what both hold, in pieces
    of size one that only these two have; pieces: what both hold, without what most of the class holds too."""

    first: int
    second: int
    share: float
    weight: float
    pieces: tuple[bytes, ...]


def weights(works: Sequence[Mapping[bytes, int]], known: frozenset[bytes] = frozenset()) -> dict[bytes, float]:
    """How much each piece tells: 1 if at most two have it, and less the more of the class do, down to nearly 0.

    works: piece -> size, one for each student. known: pieces that the course's own answer holds: the task leads there,
    so they count half.
    """
    count = Counter(piece for work in works for piece in work)
    size = len(works) + 2  # two students alone are no class in which anything could be common

    def weight(piece: bytes, number: int) -> float:
        rarity = min(1.0, math.log(size / number) / math.log(size / 2))
        return rarity / 2 if piece in known else rarity

    return {piece: weight(piece, number) for piece, number in count.items()}


def alike(
    works: Sequence[Mapping[bytes, int]], least_share: float, least_weight: float, known: frozenset[bytes] = frozenset()
) -> list[Alike]:
    """The pairs of works that share at least `least_share` of the shorter one, and `least_weight` in all, those that
    share most first. Of a fraction of that weight more has to be shared, by the fraction's square. works, known: see
    weights."""
    weight = weights(works, known)
    holders: dict[bytes, list[int]] = defaultdict(list)
    for number, work in enumerate(works):
        for piece in work:
            holders[piece].append(number)
    shared: dict[tuple[int, int], float] = defaultdict(float)
    for piece, those in holders.items():
        if weight[piece] >= _COMMON:
            for pair in _pairs(those):
                shared[pair] += weight[piece] * works[pair[0]][piece]
    totals = [sum(weight[piece] * size for piece, size in work.items()) for work in works]
    found = []
    for (a, b), least in shared.items():
        # Of a pair from a long list not all is counted here; below, all is.
        if least < least_weight / 4:
            continue
        both = works[a].keys() & works[b].keys()
        total = sum(weight[piece] * works[a][piece] for piece in both)
        share = total / min(totals[a], totals[b])
        enough = min(1.0, total / least_weight) if least_weight else 1.0
        if share * enough**2 >= least_share:
            telling = tuple(piece for piece in works[a] if piece in both and weight[piece] >= _COMMON)
            found.append(Alike(a, b, share, total, telling))
    return sorted(found, key=lambda pair: (-pair.weight, pair.first, pair.second))


def _pairs(those: list[int]) -> Iterator[tuple[int, int]]:
    if len(those) <= _MOST_TOGETHER:
        yield from ((a, b) for place, a in enumerate(those) for b in those[place + 1 :])
    else:
        yield from pairwise(those)
