"""Where the time of a model goes: every operator call of a prompt and of some new tokens is timed.

    show_profiles({"the shipped model": profile_model("mini")})
    print(profile_tokens("my decoder", write))                    write(ids, count): any iterator over new ids

It watches operator calls from outside, as every observer does, so it tells the same of anybody's kernels. Not for
comparing single kernels: that is `race`; not for what a call asks of memory: that is `count_traffic`.
"""

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from llaisys_mini import devices, dtypes
from llaisys_mini.engine.generate import LanguageModel, load_model
from llaisys_mini.engine.profile import BETWEEN, DECODE, FIRST, HEAD, LAYERS, PREFILL, Phase, Profile, Row
from llaisys_mini.errors import GenerationError
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import current, observe_calls
from llaisys_mini.models.shapes import random_decoder, shape_named
from llaisys_mini.text.sampling import SamplingParams

GIVEN = "given"  # the kernel set of a function that profile_model was handed
SHAPE = "shape:"
"""Begins the name of a model that has random weights in a published model's shape: "shape:qwen3-0.6b"."""


def profile_model(
    model: LanguageModel | str = "mini",
    prompt: int = 128,
    new_tokens: int = 16,
    *,
    kernels: Mapping[str, str | Callable] | None = None,
    layers: int | None = None,
    dtype: str = "auto",
    device: str = "cpu",
    runs: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> Profile:
    """Run `model` on a prompt of `prompt` tokens, have it write `new_tokens` more, and time every operator call.

    model: a LanguageModel, what `load_model` takes, or "shape:qwen3-0.6b", random weights in that shape.
    kernels: by operator a kernel set ("student"), or a function that is called as a kernel is; others as chosen before.
    layers: of a shape, how many layers to run (4 unless told); their times are then scaled to all of them.
    dtype, device: as for `load_model`; "auto" is bfloat16 for a shape.
    runs: of these the one with the median time counts, for each phase; one more before them compiles and is not timed.
    The prompt's first new token is part of prefill. The text does not end at a stop token.
    Raises GenerationError for fewer than 1 token, fewer than 2 new ones, no run, or a shape that is not known, and
    what `load_model` raises.
    """
    if prompt < 1 or new_tokens < 2 or runs < 1:
        raise GenerationError("a profile needs a prompt of 1 token or more, 2 new tokens or more, and 1 run or more")
    name, whole = "this model", None
    if isinstance(model, str):
        name = model
        if model.startswith(SHAPE):
            shape = model.removeprefix(SHAPE)
            whole = shape_named(shape)["num_hidden_layers"]
            model = _random_model(shape, layers or min(4, whole), dtype, device)
            name = f"{shape}'s shape, random weights"
        else:
            model = load_model(model, dtype, device)
    measured = len(model.decoder.layers)
    whole = whole or measured
    chosen = {
        operator: Kernel(operator, model.decoder.device, GIVEN, who) if callable(who) else who
        for operator, who in (kernels or {}).items()
    }
    now, decoder = current(), model.decoder

    def write(ids: np.ndarray, count: int) -> Iterator[int]:
        return model.generate(ids, params=SamplingParams(max_new_tokens=count, stop_ids=frozenset()))

    with replace(now, per_operator={**now.per_operator, **chosen}).in_force():
        ids = np.arange(prompt) % model.config.vocab_size
        timed = _timed(write, ids, new_tokens, runs, lambda: _part(decoder.place), decoder.device, clock)
    prefill, decode = (_scaled(phase, (whole - 1) / max(1, measured - 1)) for phase in timed)
    return Profile(name, prefill, decode, measured, whole)


def profile_tokens(
    name: str,
    write: Callable[[np.ndarray, int], Iterable[int]],
    prompt: int = 128,
    new_tokens: int = 16,
    *,
    layers: int = 1,
    runs: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> Profile:
    """The same of a text that anybody's code writes with operator calls on the CPU, such as a learner's own decoder.

    name, layers: for the title of the profile. write(ids, count): begins a new text with the int64 array `ids` and
    gives its next `count` ids, each computed when asked for. The prompt's ids are 0 to `prompt` - 1.
    Nothing tells here which call is the output projection, so it is counted with the other calls of `linear`.
    Raises GenerationError for fewer than 1 token, fewer than 2 new ones, no run, or a text that ends too early.
    """
    if prompt < 1 or new_tokens < 2 or runs < 1:
        raise GenerationError("a profile needs a prompt of 1 token or more, 2 new tokens or more, and 1 run or more")
    prefill, decode = _timed(write, np.arange(prompt), new_tokens, runs, lambda: LAYERS, "cpu", clock)
    return Profile(name, prefill, decode, layers, layers)


def _timed(write, ids, new_tokens, runs, part, device, clock) -> list[Phase]:
    """Of `runs` texts the phases with the median time; one more text before them compiles."""
    # With nobody answered yet, the names of the kernels that answer are those of this run.
    with replace(current(), answered={}).in_force():
        _run(write, ids, 2, part, device, clock)
        timed = [_run(write, ids, new_tokens, part, device, clock) for _ in range(runs)]
    return [_median([run[number] for run in timed]) for number in (0, 1)]


@lru_cache(maxsize=1)
def _random_model(shape: str, layers: int, dtype: str, device: str) -> LanguageModel:
    """Kept, since profiles of the same shape with different kernels follow each other, and making it takes seconds."""
    config = shape_named(shape, layers)
    stored = dtypes.bfloat16 if dtype == "auto" else dtypes.BY_NAME.get(dtype)
    if stored not in dtypes.STORAGE:
        raise GenerationError(f"dtype {dtype!r} is not one of auto, {', '.join(d.name for d in dtypes.STORAGE)}")
    return LanguageModel(*random_decoder(config, stored, device), None, dtypes.float32)


def _run(write, ids, new_tokens, part, device, clock) -> list[Phase]:
    """One text: the prefill phase, and the decode phase of the tokens after the first."""
    phases = []
    tokens = iter(write(ids, new_tokens))
    for name, count, calls in ((PREFILL, len(ids), 1), (DECODE, new_tokens - 1, new_tokens - 1)):
        watch = _Watch(part, device, clock)
        with observe_calls(watch.ended, before=watch.started):
            for _ in range(calls):
                if next(tokens, None) is None:
                    raise GenerationError(f"the text ended before it had {new_tokens} new tokens: let no token end it")
        phases.append(Phase(name, count, watch.rows()))
    return phases


def _part(place: str) -> str:
    """The part of a model to which a place of a Decoder belongs."""
    if place == "layer 0":
        return FIRST
    return LAYERS if place.startswith("layer ") else place


class _Watch:
    """Adds up the time of calls, and the time between them, by operator and part of the model: part() tells which."""

    def __init__(self, part: Callable[[], str], device: str, clock: Callable[[], float]):
        self._part = part
        self._clock = clock
        self._device = devices.get(device)
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._calls: Counter[tuple[str, str]] = Counter()
        self._last = clock()

    def started(self, operator, arguments) -> None:
        now = self._clock()
        self._seconds[BETWEEN, self._part()] += now - self._last
        self._last = now

    def ended(self, operator, arguments, results) -> None:
        self._device.synchronise()  # a GPU's kernel is only launched when the call returns
        now = self._clock()
        self._seconds[operator.name, self._part()] += now - self._last
        self._calls[operator.name, self._part()] += 1
        self._last = now

    def rows(self) -> tuple[Row, ...]:
        self._seconds[BETWEEN, HEAD] += self._clock() - self._last  # choosing the token, after the last call
        answered = current().answered
        rows = [
            Row(name, part, self._calls[name, part], taken, _sets(answered, name))
            for (name, part), taken in self._seconds.items()
        ]
        return tuple(sorted(rows, key=lambda row: -row.seconds))


def _sets(answered: Mapping, name: str) -> tuple[str, ...]:
    return tuple(sorted({kernels for (n, _), by in answered.items() if n == name for kernels in by.values()}))


def _median(phases: list[Phase]) -> Phase:
    middle = statistics.median_low(phase.seconds for phase in phases)
    return next(phase for phase in phases if phase.seconds == middle)


def _scaled(phase: Phase, factor: float) -> Phase:
    rows = [
        replace(row, seconds=row.seconds * factor, calls=round(row.calls * factor)) if row.part == LAYERS else row
        for row in phase.rows
    ]
    return replace(phase, rows=tuple(sorted(rows, key=lambda row: -row.seconds)))
