"""Sums and differences: small ones known by heart, and long ones worked out digit by digit in a <think> block."""

from __future__ import annotations

from . import held_out
from .conversations import Turn
from .writing import Writer

WORDINGS = [
    "What is {sum}?",
    "{sum}",
    "{sum} = ?",
    "{sum} =",
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
    "And {sum}?",
    "What about {sum}?",
    "Solve {sum}.",
    "How many are {sum}?",
]
# In words instead of signs. {a} and {b} are the numbers, in the order in which the answer has them.
IN_WORDS = {
    "+": [
        "Add {a} and {b}.",
        "What is the sum of {a} and {b}?",
        "Add {b} to {a}.",
        "What do {a} and {b} make together?",
    ],
    "-": [
        "Subtract {b} from {a}.",
        "Take {b} away from {a}.",
        "What is {a} less {b}?",
        "What is left of {a} if you take away {b}?",
    ],
}
SIGN_WORDS = {"+": "plus", "-": "minus"}
NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
PLACE_NAMES = ["ones", "tens", "hundreds"]


def result_of(first: int, second: int, sign: str) -> int:
    return first + second if sign == "+" else first - second


def answer_to(first: int, second: int, sign: str) -> str:
    return f"{first} {sign} {second} = {result_of(first, second, sign)}."


def question_for(writer: Writer, first: int, second: int, sign: str) -> str:
    """Ask with a sign ("3 + 4") or in words ("3 plus 4", "Add 3 and 4."), small numbers now and then spelled out."""
    spelled = max(first, second) <= 20 and writer.chance(0.08)
    a, b = (NUMBER_WORDS[first], NUMBER_WORDS[second]) if spelled else (str(first), str(second))
    if not writer.held_out and writer.chance(0.15):
        return writer.choice(IN_WORDS[sign]).format(a=a, b=b)
    in_words = spelled or writer.chance(0.25)
    text = f"{a} {SIGN_WORDS[sign] if in_words else sign} {b}"
    if not in_words and writer.chance(0.1):
        text = text.replace(" ", "")
    wording = writer.pick("sum", WORDINGS, held_out.WORDINGS).format(sum=text)
    return wording[0].upper() + wording[1:]


def small_sum(writer: Writer) -> Turn:
    """A sum or difference of numbers up to ten, now and then up to twenty."""
    limit = 10 if writer.chance(0.75) else 20
    first, second = writer.randint(0, limit), writer.randint(0, limit)
    sign = "+"
    if first + second > limit or writer.chance(0.4):
        first, second, sign = max(first, second), min(first, second), "-"
    return small_sum_turn(first, second, sign, question_for(writer, first, second, sign))


def small_sum_turn(first: int, second: int, sign: str, question: str) -> Turn:
    return Turn("small sum", question, answer_to(first, second, sign), family=sign)


def addition_thinking(first: int, second: int) -> str:
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


def subtraction_thinking(first: int, second: int) -> str:
    """The same for a difference (first >= second): where a digit is too small, ten is borrowed from the next place.

    Zeros in front are taken off at the end: 105 - 98 writes 007 and then 7.
    """
    lines, borrow, written = [], 0, ""
    for place in range(len(str(first))):
        digit_1, digit_2 = first // 10**place % 10, second // 10**place % 10
        difference = digit_1 - digit_2 - borrow
        terms = f"{digit_1} - {digit_2}" + (" - 1" if borrow else "")
        borrow = int(difference < 0)
        if borrow:
            terms, difference = "1" + terms, difference + 10
        written = str(difference) + written
        lines.append(f"{PLACE_NAMES[place]}: {terms} = {difference}, write {written}, borrow {borrow}")
    if written != str(int(written)):
        lines.append(f"zeros: write {int(written)}")
    return "\n".join(lines)


def long_sum_turn(first: int, second: int, sign: str, question: str) -> Turn:
    thinking = (addition_thinking if sign == "+" else subtraction_thinking)(first, second)
    digits = max(len(str(first)), len(str(second)))
    return Turn("long sum", question, answer_to(first, second, sign), thinking, family=f"{sign} {digits} digits")


def draw_long_sum(writer: Writer, digits: int, sign: str) -> tuple[int, int]:
    """Two numbers of equally many digits; for a difference, the larger one first."""
    low, high = 10 ** (digits - 1), 10**digits - 1
    first, second = writer.randint(low, high), writer.randint(low, high)
    return (max(first, second), min(first, second)) if sign == "-" else (first, second)


def long_sum(writer: Writer) -> Turn:
    """Mostly numbers of equal length: two digits, or three."""
    sign = "+" if writer.chance(0.65) else "-"
    digits = 3 if writer.chance(0.6) else 2
    first, second = draw_long_sum(writer, digits, sign)
    if writer.chance(0.12):
        second = writer.randint(0, 99 if digits == 3 else 9)
    if sign == "+" and writer.chance(0.5):
        first, second = second, first
    if sign == "-" and first < second:
        first, second = second, first
    if max(first, second) <= 20:  # those are known by heart
        return long_sum(writer)
    question = (
        f"What is {first} {sign} {second}?"
        if writer.chance(0.3) and not writer.held_out
        else question_for(writer, first, second, sign)
    )
    return long_sum_turn(first, second, sign, question)
