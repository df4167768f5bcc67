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
        return f"What is {self.first} {self.sign} {self.second}?"

    @property
    def answer(self) -> str:
        result = self.first + self.second if self.sign == "+" else self.first - self.second
        return f"{self.first} {self.sign} {self.second} = {result}."

    def reward(self, text: str) -> float:
        """The verifier: 1 for a text that says the answer, to the letter, after its thinking; else 0."""
        return float(text.rpartition("</think>")[2].strip() == self.answer)


def draw(rng: np.random.Generator, digits: int, sign: str) -> Sum:
    """Two numbers of so many digits each; for a difference the larger one first."""
    first, second = (int(number) for number in rng.integers(10 ** (digits - 1), 10**digits, size=2))
    return Sum(max(first, second), min(first, second), sign) if sign == "-" else Sum(first, second, sign)
