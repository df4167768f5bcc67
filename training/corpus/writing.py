"""The tiny template language in which the texts are written, and the random writer that fills it in.

"[big|small]" picks one of several wordings (they may be nested), "{hero}" inserts a value, "{Hero}" the same value with
a capital letter. Nothing else: what a story says stays readable in the file that says it. The same templates can be
turned into regular expressions, so that what was written by a template (or by a model) can be read back.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Slot(NamedTuple):
    name: str


class Choice(NamedTuple):
    options: tuple[tuple[Part, ...], ...]


Part = str | Slot | Choice
Parts = tuple[Part, ...]

_TOKEN = re.compile(r"[\[\]|]|\{\w+\}|[^\[\]|{}]+")


@cache
def parse(template: str) -> Parts:
    """The parts of a template. A "|" outside of brackets is an ordinary character."""
    stack: list[list[list[Part]]] = [[[]]]  # of every open bracket: its options so far, each a list of parts
    for token in _TOKEN.findall(template):
        if token == "[":
            stack.append([[]])
        elif token == "]":
            options = stack.pop()
            stack[-1][-1].append(Choice(tuple(tuple(option) for option in options)))
        elif token == "|" and len(stack) > 1:
            stack[-1].append([])
        elif token.startswith("{"):
            stack[-1][-1].append(Slot(token[1:-1]))
        else:
            stack[-1][-1].append(token)
    (options,) = stack
    return tuple(options[0])


def slots_of(template: str) -> frozenset[str]:
    """Names of the slots that are filled whichever options are picked, and of all others too."""
    return frozenset(_slots(parse(template)))


def _slots(parts: Parts) -> list[str]:
    found: list[str] = []
    for part in parts:
        if isinstance(part, Slot):
            found.append(part.name)
        elif isinstance(part, Choice):
            for option in part.options:
                found += _slots(option)
    return found


def uncapitalized(name: str) -> str:
    return name[:1].lower() + name[1:]


def with_article(words: str) -> str:
    """'orange kite' -> 'an orange kite'. But for "unicorn", the words of the tables follow the rule of the first letter."""
    return ("an " if words[0].lower() in "aeiou" and not words.startswith("uni") else "a ") + words


def capitalized(sentence: str) -> str:
    """Upper-case the first letter, also behind an opening quotation mark."""
    start = 1 if sentence.startswith('"') else 0
    return sentence[:start] + sentence[start : start + 1].upper() + sentence[start + 1 :]


def listed(words: Sequence[str]) -> str:
    """'a, b and c'"""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def sentences(text: str) -> list[str]:
    """Split a text at '.', '!' and '?' (with a closing quotation mark behind it, if there is one)."""
    return re.findall(r'\S.*?[.!?]"?(?=\s|$)', text, re.DOTALL)


class Writer(random.Random):
    """A seeded source of randomness that can also fill in templates.

    held_out: write with the wordings and plots that are kept back from training, wherever there are some.
    practises: draw what is hard more often than a user would ask it, as the training text does.
    """

    def __init__(self, seed: int, held_out: bool = False, practises: bool = False) -> None:
        super().__init__(seed)
        self.held_out, self.practises = held_out, practises

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def write(self, template: str, values: Mapping[str, str] | None = None) -> str:
        """Fill in one template. Values may themselves hold choices and slots."""
        return self._fill(parse(template), values or {})

    def _fill(self, parts: Parts, values: Mapping[str, str]) -> str:
        pieces = []
        for part in parts:
            if isinstance(part, str):
                pieces.append(part)
            elif isinstance(part, Choice):
                pieces.append(self._fill(self.choice(part.options), values))
            else:
                value = values.get(part.name)
                if value is None:
                    value = capitalized(values[uncapitalized(part.name)])
                pieces.append(self._fill(parse(value), values) if "{" in value or "[" in value else value)
        return "".join(pieces)

    def pick(self, family: str, wordings: Sequence[T], held_out: Mapping[str, Sequence[T]]) -> T:
        """One of the wordings; or, when this writer holds back from training, one of `held_out[family]`."""
        if self.held_out and family in held_out:
            return self.choice(held_out[family])
        return self.choice(wordings)
