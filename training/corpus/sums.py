"""Sums and differences: small ones known by heart, and long additions worked out digit by digit in a <think> block."""

from __future__ import annotations

from .conversations import Turn
from .writing import Writer

SMALL_WORDINGS = [
    "What is {sum}?",
    "{sum}",
    "{sum} = ?",
    "How much is {sum}?",
    "Please calculate {sum}.",
    "Tell me what {sum} is.",
    "What do you get for {sum}?",
    "Can you work out {sum}?",
    "Do you know what {sum} is?",
    "Calculate {sum}.",
    "Please work out {sum}.",
    "{sum}?",
    "What is the result of {sum}?",
]
HELD_OUT_SMALL_WORDINGS = [
    "Can you calculate {sum}?",
    "Please tell me what {sum} is.",
    "Do you know how much {sum} is?",
    "What does {sum} give?",
]

PLACE_NAMES = ["ones", "tens", "hundreds"]


def small_sum(writer: Writer) -> Turn:
    """A sum or difference of numbers up to ten, now and then up to twenty."""
    limit = 10 if writer.random() < 0.8 else 20
    first, second = writer.randint(0, limit), writer.randint(0, limit)
    if first + second > limit or (writer.random() < 0.5 and first >= second):
        first, second = max(first, second), min(first, second)
        return small_sum_turn(first, second, "-", writer.choice(SMALL_WORDINGS))
    return small_sum_turn(first, second, "+", writer.choice(SMALL_WORDINGS))


def small_sum_turn(first: int, second: int, sign: str, wording: str) -> Turn:
    result = first + second if sign == "+" else first - second
    return Turn(wording.format(sum=f"{first} {sign} {second}"), f"{first} {sign} {second} = {result}.")


def long_addition_thinking(first: int, second: int) -> str:
    """Write the addition as it is done on paper, from the ones to the left."""
    lines, carry, written = [], 0, ""
    places = max(len(str(first)), len(str(second)))
    for place in range(places):
        digit_1, digit_2 = first // 10**place % 10, second // 10**place % 10
        total = digit_1 + digit_2 + carry
        terms = f"{digit_1} + {digit_2}" + (" + 1" if carry else "")
        written = str(total % 10) + written
        carry = total // 10
        lines.append(f"{PLACE_NAMES[place]}: {terms} = {total}, write {written}, carry {carry}")
    if carry:
        lines.append(f"carry: write 1{written}")
    return "\n".join(lines)


def long_addition_turn(first: int, second: int, wording: str) -> Turn:
    return Turn(
        wording.format(sum=f"{first} + {second}"),
        f"{first} + {second} = {first + second}.",
        long_addition_thinking(first, second),
    )


def long_addition(writer: Writer) -> Turn:
    """Mostly numbers of equal length: two digits, or three."""
    digits = 3 if writer.random() < 0.6 else 2
    first, second = (
        writer.randint(10 ** (digits - 1), 10**digits - 1),
        writer.randint(10 ** (digits - 1), 10**digits - 1),
    )
    if writer.random() < 0.1:
        second = writer.randint(10, 99)
    if writer.random() < 0.5:
        first, second = second, first
    wording = writer.choice(SMALL_WORDINGS) if writer.random() < 0.5 else "What is {sum}?"
    return long_addition_turn(first, second, wording)
