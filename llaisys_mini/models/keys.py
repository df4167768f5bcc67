"""The values of a JSON object, each fetched with its type and range checked: the file may come from anywhere.

Every error names the file, the key, what stands there, and what may stand there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llaisys_mini.errors import ConfigError

MAX_INT = 2**31 - 1


class Keys:
    """A JSON object whose values are fetched with their type and range checked. null counts as absent."""

    def __init__(self, values: Mapping[str, Any], where: str):
        if not isinstance(values, Mapping):
            raise ConfigError(f"{where}: must hold a JSON object, not {shown(values)}.")
        self.values = values
        self.where = where

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def get(self, key: str) -> Any:
        """The value as it is; None where the key is absent."""
        return self.values.get(key)

    def error(self, key: str, complaint: str) -> ConfigError:
        """What to raise about a key. complaint: a clause, such as "is 3, but must be even"."""
        return ConfigError(f"{self.where}: `{key}` {complaint}.")

    def integer(self, key: str, *, least: int = 1, most: int = MAX_INT, default: int | None = None) -> int:
        """An integer in least..most; `default` where the key is absent, or an error if there is none."""
        value = self._value(key, default, f"give an integer of at least {least}")
        if type(value) is not int or not least <= value <= most:
            raise self.error(key, f"is {shown(value)}, but must be an integer from {least} to {most}")
        return value

    def number(self, key: str, *, above: float = 0.0, default: float | None = None) -> float:
        """A finite number greater than `above`; `default` where the key is absent, or an error if there is none."""
        value = self._value(key, default, f"give a number above {above:g}")
        if not is_finite_number(value) or not value > above:
            raise self.error(key, f"is {shown(value)}, but must be a finite number above {above:g}")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false; `default` where the key is absent."""
        value = self._value(key, default, "")
        if type(value) is not bool:
            raise self.error(key, f"is {shown(value)}, but must be true or false")
        return value

    def token_ids(self, key: str, vocab_size: int) -> frozenset[int]:
        """One token id or a list of them, those outside the vocabulary left out; empty where the key is absent."""
        value = self.get(key)
        ids = [] if value is None else value if isinstance(value, list) else [value]
        for one in ids:
            if type(one) is not int:
                raise self.error(key, f"holds {shown(one)}, but token ids are whole numbers")
        return frozenset(one for one in ids if 0 <= one < vocab_size)

    def token_id(self, key: str, vocab_size: int) -> int | None:
        """One token id, or None where the key is absent or the id outside the vocabulary (often -1, for none)."""
        if isinstance(self.get(key), list):
            raise self.error(key, f"is {shown(self.get(key))}, but must be one token id")
        return next(iter(self.token_ids(key, vocab_size)), None)

    def _value(self, key: str, default: Any, remedy: str) -> Any:
        if key in self:
            return self.get(key)
        if default is None:
            raise self.error(key, f"is missing; {remedy}")
        return default


def is_finite_number(value: Any) -> bool:
    """Whether it is an int or float, and neither infinite nor NaN; a bool is no number."""
    # The comparison instead of math.isfinite: an integer too large for a float must not raise.
    return type(value) in (int, float) and abs(value) <= 1e308


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises ConfigError where it cannot be read or is not valid."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:
        raise ConfigError(f"{path} is not valid JSON ({problem}). Download it again or correct it.") from None
    except OSError as problem:
        raise ConfigError(f"{path} cannot be read: {problem.strerror}.") from None


def shown(value: Any) -> str:
    """A value for an error message, short whatever it is."""
    text = repr(value) if isinstance(value, (dict, list)) else json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."
