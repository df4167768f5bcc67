"""From logits to the next token: the rules by which it is drawn.

The rules and their order are those of the transformers library:

    repetition penalty -> temperature -> top_k -> top_p -> min_p -> draw

Every rule after the temperature only strikes tokens out, and the survivors share the probability among them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from llaisys_mini.errors import GenerationError

_FIRST_GUESS = 1024  # how many of the likeliest tokens top_p sorts at first; nearly always more than it keeps


class _Config(Protocol):
    """What is read of a ModelConfig."""

    @property
    def generation(self) -> Mapping[str, Any]: ...

    @property
    def stop_ids(self) -> frozenset[int]: ...


@dataclass(frozen=True)
class SamplingParams:
    """How a text is continued: which tokens may come next, and when it ends.

    temperature: logits are divided by it; 0 always takes the likeliest token (greedy), 1 leaves them as they are.
    top_k: keep the k likeliest tokens and those tied with the last of them; 0 keeps all.
    top_p: keep the fewest likeliest tokens that together have at least this probability (arXiv 1904.09751).
    min_p: keep tokens at least this fraction as likely as the likeliest (arXiv 2407.01082).
    repetition_penalty: tokens of the text so far have positive logits divided and negative ones multiplied by it
        (CTRL, arXiv 1909.05858); above 1 discourages repetition, 1 leaves it alone.
    seed: the same seed gives the same choices; None gives others each time.
    max_new_tokens: how many at most; None for as many as the context holds.
    stop_ids: token ids that end the text; None for the model's own.
    Raises GenerationError for a value out of its range.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_new_tokens: int | None = None
    stop_ids: frozenset[int] | None = None

    def __post_init__(self):
        checked = {
            "temperature": _number("temperature", self.temperature, 0.0),
            "top_k": _integer("top_k", self.top_k),
            "top_p": _number("top_p", self.top_p, 0.0, 1.0, may_equal_least=False),
            "min_p": _number("min_p", self.min_p, 0.0, 1.0),
            "repetition_penalty": _number("repetition_penalty", self.repetition_penalty, 0.0, may_equal_least=False),
            "seed": None if self.seed is None else _integer("seed", self.seed),
            "max_new_tokens": None if self.max_new_tokens is None else _integer("max_new_tokens", self.max_new_tokens),
            "stop_ids": None if self.stop_ids is None else frozenset(_integer("a stop id", i) for i in self.stop_ids),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # plain Python numbers, whatever was given

    @classmethod
    def of_model(cls, config: _Config, **given: Any) -> "SamplingParams":
        """The model's own values from its generation_config.json, and `given` in their place; None is not given.

        config: a ModelConfig. A model that does not ask for sampling (`do_sample`) is greedy.
        """
        own: dict[str, Any] = {name: value for name, value in config.generation.items() if name != "do_sample"}
        own["temperature"] = own.get("temperature", 1.0) if config.generation.get("do_sample") else 0.0
        own["stop_ids"] = config.stop_ids
        return cls(**own).with_given(**given)

    def with_given(self, **given: Any) -> "SamplingParams":
        """These values with `given` in their place; None is not given."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    @property
    def is_greedy(self) -> bool:
        """Whether the choice is deterministic."""
        return self.temperature == 0.0

    @property
    def takes_the_largest_logit(self) -> bool:
        """Whether the next token is the argmax of the logits as they are, whatever the text so far."""
        return self.is_greedy and self.repetition_penalty == 1.0


class Sampler:
    """Chooses the next token. One sampler serves one text at a time: its random numbers go on from draw to draw."""

    def __init__(self, params: SamplingParams | None = None, **values: Any):
        """params: the rules; or give single values of SamplingParams by name. Raises GenerationError."""
        self.params = replace(params or SamplingParams(), **values)
        self._random = np.random.default_rng(self.params.seed)

    @property
    def is_greedy(self) -> bool:
        """Whether the choice is deterministic."""
        return self.params.is_greedy

    def __call__(self, logits: np.ndarray, previous_ids: Sequence[int] = ()) -> int:
        """The next token's id.

        logits: floats [V]; previous_ids: the text so far, prompt included; read only if there is a repetition penalty.
        Raises GenerationError where the logits hold NaN or leave no token possible.
        """
        if self.is_greedy:
            return self._likeliest(logits, previous_ids)
        ids, probabilities = self._survivors(logits, previous_ids)
        cumulative = np.cumsum(probabilities)
        drawn = np.searchsorted(cumulative, self._random.random() * cumulative[-1], side="right")
        return int(ids[min(drawn, len(ids) - 1)])

    def probabilities(self, logits: np.ndarray, previous_ids: Sequence[int] = ()) -> np.ndarray:
        """The distribution that the next token is drawn from: float64 [V], 0 for all that the rules strike out."""
        distribution = np.zeros(len(logits))
        if self.is_greedy:
            distribution[self._likeliest(logits, previous_ids)] = 1.0
        else:
            ids, probabilities = self._survivors(logits, previous_ids)
            distribution[ids] = probabilities
        return distribution

    def _likeliest(self, logits: np.ndarray, previous_ids: Sequence[int]) -> int:
        """The token with the largest logit; of equal ones the lowest id."""
        logits = self._penalised(logits, previous_ids)
        best = int(np.argmax(logits))  # argmax takes the first of equals, and NaN before any number
        require_possible(logits[best])
        return best

    def _survivors(self, logits: np.ndarray, previous_ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Ids that no rule strikes out, ascending, and their probabilities (float64, sum 1)."""
        logits = self._penalised(logits, previous_ids)
        largest = np.max(logits)  # NaN if any logit is
        require_possible(largest)
        ids = np.arange(len(logits))
        if 0 < self.params.top_k < len(logits):
            last_kept = -np.partition(-logits, self.params.top_k - 1)[self.params.top_k - 1]
            ids = np.flatnonzero(logits >= last_kept)
        # Softmax with the largest exponent at 0: nothing overflows, however low the temperature.
        with np.errstate(over="ignore"):  # a difference over a tiny temperature may become -inf: probability 0
            weights = np.exp((logits[ids].astype(np.float64) - largest) / self.params.temperature)
        if self.params.top_p < 1.0:
            kept = _nucleus(weights, self.params.top_p)
            ids, weights = ids[kept], weights[kept]
        if self.params.min_p > 0.0:
            kept = weights >= self.params.min_p  # the likeliest token has weight 1
            ids, weights = ids[kept], weights[kept]
        return ids, weights / weights.sum()

    def _penalised(self, logits: np.ndarray, previous_ids: Sequence[int]) -> np.ndarray:
        logits = np.asarray(logits)
        if logits.ndim != 1 or logits.size == 0:
            raise GenerationError(f"Sampling needs one row of logits [V], not an array of shape {logits.shape}.")
        if self.params.repetition_penalty == 1.0:
            return logits
        seen = np.unique(np.asarray(previous_ids, dtype=np.int64))
        seen = seen[(seen >= 0) & (seen < len(logits))]
        logits = logits.astype(np.float64)
        values = logits[seen]
        logits[seen] = np.where(
            values < 0, values * self.params.repetition_penalty, values / self.params.repetition_penalty
        )
        return logits


def _nucleus(weights: np.ndarray, top_p: float) -> np.ndarray:
    """Indices, ascending, of the fewest largest weights whose share of the sum reaches `top_p`; ties: lowest index.

    Sorting 150,000 weights takes longer than a small model's whole forward pass, and a handful usually suffice: so the
    largest are picked out without sorting the rest, and only where they do not reach `top_p` more are looked at.
    """
    wanted = top_p * weights.sum()
    size = min(_FIRST_GUESS, len(weights))
    while True:
        if size < len(weights):
            smallest = -np.partition(-weights, size - 1)[size - 1]
            candidates = np.flatnonzero(weights >= smallest)
        else:
            candidates = np.arange(len(weights))
        order = candidates[np.argsort(-weights[candidates], kind="stable")]
        before = np.cumsum(weights[order]) - weights[order]  # weight of all that are likelier
        if len(order) == len(weights) or before[-1] >= wanted:
            break
        size *= 8
    kept = before < wanted
    kept[0] = True
    return np.sort(order[kept])


def require_possible(largest: float) -> None:
    """Raise GenerationError unless the largest logit is a finite number: NaN and +inf come from a broken kernel."""
    if not np.isfinite(largest):
        what = "NaN" if np.isnan(largest) else "+inf" if largest > 0 else "nothing but -inf"
        raise GenerationError(f"The logits hold {what}, so no token can be chosen; check the kernels behind them.")


def _number(name: str, value: Any, least: float, most: float = math.inf, *, may_equal_least: bool = True) -> float:
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    in_range = is_number and math.isfinite(value) and least <= value <= most and (may_equal_least or value > least)
    if not in_range:
        lower = f"at least {least:g}" if may_equal_least else f"above {least:g}"
        upper = "" if most == math.inf else f" and at most {most:g}"
        raise GenerationError(f"{name} is {value!r}, but must be a number {lower}{upper}.")
    return float(value)


def _integer(name: str, value: Any) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 0:
        raise GenerationError(f"{name} is {value!r}, but must be an integer of at least 0.")
    return int(value)
