"""Sums and differences as a task whose answers a program can verify, in the form that the shipped model was taught."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sum:
    """first and second are added (sign "+") or subtracted (sign "-")."""

    first: int
    second: int
    sign: str

    @property
    def question(self) -> str:
        """What the model is asked."""
        return f"What is {self.first} {self.sign} {self.second}?"

    @property
    def answer(self) -> str:
        """The one text that counts as right."""
        result = self.first + self.second if self.sign == "+" else self.first - self.second
        return f"{self.first} {self.sign} {self.second} = {result}."

    def reward(self, text: str) -> float:
        """The verifier: 1 for a text that says the answer, to the letter, after its thinking; else 0."""
        return float(text.rpartition("</think>")[2].strip() == self.answer)

    @property
    def is_held_out(self) -> bool:
        """Whether it is one of the fifth of all questions that only measure."""
        return (7 * self.first + self.second) % 5 == 0


def draw(rng: np.random.Generator, digits: tuple[int, int], sign: str, held_out: bool = False) -> Sum:
    """Two numbers of so many digits; for a difference the larger one first. held_out: of which questions."""
    while True:
        first, second = (int(rng.integers(10 ** (count - 1), 10**count)) for count in digits)
        found = Sum(max(first, second), min(first, second), sign) if sign == "-" else Sum(first, second, sign)
        if found.is_held_out == held_out:
            return found


def kind(digits: tuple[int, int], sign: str) -> str:
    """What such questions are called."""
    first, second = digits
    of = f"{first} digits" if first == second else f"{first} and {second} digit{'s' if second > 1 else ''}"
    return f"{'sums' if sign == '+' else 'differences'} of {of}"
