"""replay: when a step of the engine is recorded, replayed, or computed call by call.

A text is begun call by call: nobody waits for a compiler. After a few steps of one kind one is recorded, and as soon as
its function is compiled the steps of that kind are replayed. Their logits are those of the operator calls to the bit.

Only steps in which every row's logits are wanted are recorded: texts being written, with guessed tokens or without.
Prompts are read call by call; there the kernels take nearly all the time.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.cache.paged import PagedCache, PagedPass, Rows
from llaisys_mini.kernels import runtime as runtimes
from llaisys_mini.kernels.runtime import Runtime, current, observe_calls
from llaisys_mini.kernels.sets import REFERENCE
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.tensor import Tensor, contiguous_strides

PATIENCE = 2
"""Steps of a kind that are computed call by call before one is recorded."""

MOST_ROWS = 64
"""Of a recorded step. Above, the calls cost next to nothing beside what they compute."""

MOST_KINDS = 256
"""Kinds of steps that are kept: by the number of rows, of texts, and the pages of the longest."""


class Replay:
    """The forward passes of one engine over its cache.

    enabled: whether any pass may be replayed.
    replayed: how many passes were replayed so far. given_up: why none is any more; None while they may be.
    """

    def __init__(self, decoder: Decoder, cache: PagedCache, enabled: bool = True):
        self.decoder = decoder
        self.cache = cache
        self.replayed = 0
        self.given_up: str | None = None
        self._may_capture = enabled and decoder.device == "cpu"
        if not enabled:
            self.given_up = "it was not asked for"
        elif decoder.device != "cpu":
            self.given_up = f"steps on {decoder.device} are not captured"
        self._workspace: Any = None
        self._seen: Counter = Counter()  # steps by kind
        self._captured: dict = {}  # kind -> CapturedStep
        self._kernels: tuple | None = None  # which kernels were chosen when they were captured
        self._layers: list | None = None  # where the cache lay

    def forward(self, ids: np.ndarray, rows: Sequence[Rows], greedy: bool) -> tuple[Tensor, np.ndarray | None]:
        """Logits float32 [N, V] as Decoder.forward gives them with `last_only`; with `greedy` also the place of the
        largest in each row, int64 [N], or None where argmax was not asked yet. The texts have grown by their rows.

        Raises what Decoder.forward raises.
        """
        runtime = current()
        watched = runtime.observers or runtime.starters or runtime.everywhere == REFERENCE  # references are Python
        if self._may_capture:
            self._forget_outdated(runtime)
        if self.given_up is None and not watched and len(ids) <= MOST_ROWS and _all_wanted(rows):
            step = PagedPass(self.cache, rows, by_operators=True)
            step.begin(ids)
            table = step.arrays.get("table")
            kind = (len(ids), len(rows), greedy, None if table is None else table.shape[1])
            if kind in self._captured:
                outputs = self._replay(self._captured[kind], step)
                if outputs is not None:
                    return _as_tensor(outputs[0]), outputs[1] if greedy else None
            elif self._seen[kind] >= PATIENCE:
                return self._record(kind, step, ids)
            self._seen[kind] += 1
        return self.decoder.forward(ids, PagedPass(self.cache, rows), last_only=True), None

    def wait(self) -> None:
        """Until what was recorded is compiled: for measurements and tests."""
        for captured in self._captured.values():
            captured.wait()

    def _forget_outdated(self, runtime: Runtime) -> None:
        """A captured step counts as long as the same kernels are chosen, and reads the cache where it lies."""
        kernels = (runtime.answered, runtimes.changes)
        if self._kernels is None or kernels[0] is not self._kernels[0] or kernels[1] != self._kernels[1]:
            self._kernels = kernels
            self._captured.clear()
            self.given_up = None  # it may have been for a kernel that is another one now
        if self.cache.layers is not self._layers:  # the cache has grown
            self._layers = self.cache.layers
            memory = self.cache.memory()
            for captured in self._captured.values():
                captured.move(memory)

    def _record(self, kind: tuple, step: PagedPass, ids: np.ndarray) -> tuple[Tensor, np.ndarray | None]:
        """Compute this step by operators, and capture it."""
        from llaisys_mini.capture.captured import CapturedStep, Workspace  # imports Numba
        from llaisys_mini.capture.record import CannotCapture, Recorder

        self._workspace = self._workspace or Workspace()
        recorder = Recorder(step.inputs(), self.cache.memory())
        with observe_calls(recorder):
            logits = self.decoder.forward(ids, step, last_only=True)
            best = ops.argmax(logits) if kind[2] else ()
        results = [logits.numpy(), *(tensor.numpy() for tensor in best)]
        try:
            self._captured[kind] = CapturedStep(recorder.graph(*results), len(ids), self._workspace)
            if len(self._captured) > MOST_KINDS:
                del self._captured[next(iter(self._captured))]  # the oldest
        except CannotCapture as problem:
            self._give_up(str(problem), aloud=problem.kernel_set == "student")
        except MemoryError:
            self._give_up("there is no memory left for it")
        except Exception as problem:  # no thread can be started, say: the step itself is computed already
            self._give_up(f"{type(problem).__name__}: {problem}")
        return logits, results[1] if best else None

    def _replay(self, captured, step: PagedPass) -> list[np.ndarray] | None:
        """Its outputs; None if it cannot be replayed, and then nothing has changed."""
        try:
            one = step.one or range(0)
            if not captured.is_ready:
                return None
            if not captured.fits(len(one)):
                self._captured = {kind: step for kind, step in self._captured.items() if step is not captured}
                return None
            outputs = captured.run(step.inputs(), self.cache.allocated, one.start, len(one))
            for pause in current().pauses:
                pause()
        except Exception as problem:  # whatever a kernel raises: the same step, call by call, says whose it is
            self._give_up(f"{type(problem).__name__}: {problem}")
            return None
        step.commit()
        self.replayed += 1
        return outputs

    def _give_up(self, reason: str, aloud: bool = True) -> None:
        self.given_up = reason
        self._captured.clear()
        if aloud:
            print(f"each token is computed call by call, since its step cannot be replayed: {reason}", file=sys.stderr)


def _all_wanted(rows: Sequence[Rows]) -> bool:
    return all(part.wanted == part.count for part in rows)


def _as_tensor(array: np.ndarray) -> Tensor:
    return Tensor.over(array, contiguous_strides(array.shape))
