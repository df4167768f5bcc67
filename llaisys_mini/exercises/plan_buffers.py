"""plan_buffers: arrays that are not needed at the same time share memory."""

from llaisys_mini.exercise import exercise


@exercise
def plan_buffers(lives):
    """A place in one block of memory for each array of a step.

    lives: for each array (born, dies, size): the numbers of the call that computes it and of the last call that reads
    it, and its bytes. Two arrays live at the same time if their spans have a call in common: a call may not write over
    what it reads.

    Returns for each array the number of its first byte. Arrays that live at the same time must not overlap, and the
    whole block must be no larger than what this rule gives: the largest arrays choose first (of equal ones the earlier
    in the list), each the lowest place that is free while it lives.
    Source: Pisarchyk and Lee 2020 (arXiv:2001.03288), greedy by size.
    """
    places = [0] * len(lives)
    placed = []
    for number in sorted(range(len(lives)), key=lambda n: -lives[n][2]):
        born, dies, size = lives[number]
        place = 0
        for other in sorted(placed, key=lambda n: places[n]):
            other_born, other_dies, other_size = lives[other]
            meet = born <= other_dies and other_born <= dies
            if meet and places[other] < place + size and place < places[other] + other_size:
                place = places[other] + other_size
        places[number] = place
        placed.append(number)
    return places


def block(lives, places):
    """Bytes of the whole block."""
    return max((place + size for place, (_, _, size) in zip(places, lives, strict=True)), default=0)


@plan_buffers.judged_by
def problem(result, lives):
    if not isinstance(result, (list, tuple)) or len(result) != len(lives):
        return f"a list of {len(lives)} numbers is asked for, one for each array"
    if not all(isinstance(place, int) and not isinstance(place, bool) and place >= 0 for place in result):
        return "a place is a whole number of bytes from the beginning of the block: 0 or more"
    for one, (born, dies, size) in enumerate(lives):
        for other in range(one):
            other_born, other_dies, other_size = lives[other]
            meet = born <= other_dies and other_born <= dies
            if meet and result[other] < result[one] + size and result[one] < result[other] + other_size:
                touch = (
                    ", since one call reads the one and writes the other"
                    if born == other_dies or dies == other_born
                    else ""
                )
                return (
                    f"arrays {other} and {one} live at the same time{touch}, and overlap: "
                    f"bytes {result[other]} to {result[other] + other_size} and {result[one]} to {result[one] + size}"
                )
    needed, allowed = block(lives, result), block(lives, plan_buffers.reference(lives))
    if needed > allowed:
        apart = sum(size for _, _, size in lives)
        if needed == apart and len(lives) > 1:
            return f"nothing is shared: all arrays side by side take {apart} bytes, and {allowed} are enough"
        return (
            f"the block has {needed} bytes, and {allowed} are enough: "
            "do the largest choose first, and each the lowest gap that is large enough?"
        )
    return None


@plan_buffers.cases
def cases(rng):
    yield "one array", dict(lives=[(0, 3, 64)])
    yield "one after the other", dict(lives=[(0, 1, 64), (2, 3, 64), (4, 5, 32)])
    yield "all at once", dict(lives=[(0, 5, 64), (1, 5, 32), (2, 5, 16)])
    yield "a chain: each call reads what the one before it made", dict(lives=[(n, n + 1, 64) for n in range(8)])
    yield "a large one after two small ones", dict(lives=[(0, 1, 32), (0, 1, 32), (2, 3, 64)])
    yield "the largest comes last", dict(lives=[(0, 4, 16), (1, 2, 32), (4, 5, 128), (2, 3, 64)])
    yield "a gap that is large enough", dict(lives=[(0, 9, 64), (0, 3, 128), (0, 9, 32), (4, 6, 96), (7, 9, 16)])
    yield "of one size", dict(lives=[(n, n + 2, 64) for n in range(6)])
    yield "no arrays", dict(lives=[])
    drawn = []
    for number in range(40):
        drawn.append((number, number + int(rng.integers(1, 9)), 16 * int(rng.integers(1, 30))))
    yield "forty arrays", dict(lives=drawn)


@plan_buffers.mistake("every array has a place of its own, side by side")
def side_by_side(lives):
    return [sum(size for _, _, size in lives[:number]) for number in range(len(lives))]


@plan_buffers.mistake("two arrays whose spans only touch share a place: the call that reads the one writes the other")
def touching(lives):
    return plan_buffers.reference([(born, max(born, dies - 1), size) for born, dies, size in lives])


@plan_buffers.mistake("everything lies at byte 0")
def at_zero(lives):
    return [0] * len(lives)


@plan_buffers.mistake(
    "the arrays choose in the order in which they are born, and the block becomes larger than it has to be"
)
def in_order(lives):
    order = sorted(range(len(lives)), key=lambda n: lives[n][0])
    places = [0] * len(lives)
    for count, number in enumerate(order):
        born, dies, size = lives[number]
        place = 0
        for other in sorted(order[:count], key=lambda n: places[n]):
            other_born, other_dies, other_size = lives[other]
            meet = born <= other_dies and other_born <= dies
            if meet and places[other] < place + size and place < places[other] + other_size:
                place = places[other] + other_size
        places[number] = place
    return places
