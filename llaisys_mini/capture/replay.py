"""replay: when a step of the engine is recorded, replayed, or computed call by call.

A text is begun call by call: nobody waits for a compiler. After a few steps of one kind one is recorded, and as soon as
its function is compiled the steps of that kind are replayed. On a GPU its launches are recorded instead, as one graph.
The logits are those of the operator calls to the bit.

Only steps in which every row's logits are wanted are recorded: texts being written, with guessed tokens or without.
Prompts are read call by call; there the kernels take nearly all the time.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from llaisys_mini import devices
from llaisys_mini import operators as ops
from llaisys_mini.cache.paged import PagedCache
from llaisys_mini.cache.paged_pass import PagedPass, Rows
from llaisys_mini.capture.device_step import DeviceStep
from llaisys_mini.devices import HOST
from llaisys_mini.errors import UserError
from llaisys_mini.kernels import runtime as runtimes
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.kernels.runtime import Runtime, current, observe_calls
from llaisys_mini.kernels.sets import REFERENCE, STUDENT
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.tensor import Tensor, contiguous_strides

PATIENCE = 2
"""Steps of a kind that are computed call by call before one is recorded."""

MOST_ROWS = 64
"""Of a recorded step. Above, the calls cost next to nothing beside what they compute."""

MOST_KINDS = 256
"""Kinds of steps that are kept: by the number of rows, of texts, and the pages of the longest."""

MOST_RECORDINGS = 64
"""The same off the host, where each kind has memory of its own."""


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
        self._on_host = decoder.device == HOST.name
        records = self._on_host or devices.get(decoder.device).records
        self._records_elsewhere = records and not self._on_host
        self._may_capture = enabled and records
        self._by_table = False
        if not enabled:
            self.given_up = "it was not asked for"
        elif not records:
            self.given_up = f"steps on {decoder.device} are not captured"
        self._workspace: Any = None
        self._seen: Counter = Counter()  # steps by kind
        self._captured: dict = {}  # kind -> CapturedStep
        self._kernels: tuple | None = None  # which kernels were chosen when they were captured
        self._layers: list | None = None  # where the cache lay

    def forward(
        self, ids: np.ndarray, rows: Sequence[Rows], greedy: bool
    ) -> tuple[Tensor, tuple[np.ndarray, np.ndarray] | None]:
        """Logits float32 [N, V] as Decoder.forward gives them with `last_only`; with `greedy` also what argmax says of
        them, index int64 [N] and value float32 [N], or None where it was not asked yet. The texts have grown by their
        rows. Off the host logits may count only until the next pass.

        Raises what Decoder.forward raises.
        """
        runtime = current()
        watched = runtime.observers or runtime.starters or runtime.everywhere == REFERENCE  # references are Python
        self._forget_outdated(runtime)
        may_repeat = len(ids) <= MOST_ROWS and _all_wanted(rows)
        by_table = self._by_table and may_repeat
        if self.given_up is None and not watched and may_repeat:
            step = PagedPass(self.cache, rows, by_operators=True, by_table=by_table)
            step.describe(ids)
            kind = (len(ids), len(rows), greedy, step.table_width)
            if kind in self._captured:
                outputs = self._replay(self._captured[kind], step)
                if outputs is not None:
                    return outputs[0], outputs[1:] if greedy else None
            elif self._seen[kind] >= PATIENCE:
                return self._record(kind, step, ids)
            self._seen[kind] += 1
        return self.decoder.forward(ids, PagedPass(self.cache, rows, by_table=by_table), last_only=True), None

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
            if self._may_capture:
                self.given_up = None  # it may have been for a kernel that is another one now
            if self._records_elsewhere:
                self._choose_way()
        if self.cache.layers is not self._layers:  # the cache has grown
            self._layers = self.cache.layers
            if not self._on_host:
                self._captured.clear()
                return
            memory = self.cache.memory() if self._captured else {}
            for captured in self._captured.values():
                captured.move(memory)

    def _choose_way(self) -> None:
        """On a device that records, a step of texts that are written reads its keys through the table of pages, however
        many texts there are: how attention over a text is launched changes with its length, which no recording can. But
        who wrote attention and not paged_attention wants to see it answer.
        """
        window = any(block.attention.window for block in self.decoder.layers)
        names = "sliding_attention" if window else "attention", "paged_attention"
        device, storage = devices.get(self.decoder.device).kernels, self.cache.dtype.name
        alone, paged = (answering_kernel(name, device, storage).kernel_set == STUDENT for name in names)
        self._by_table = paged or not alone
        if self._may_capture and not self._by_table:
            self._give_up(f"on {self.decoder.device} it needs paged_attention (lab 16) from those who wrote {names[0]}")

    def _record(
        self, kind: tuple, step: PagedPass, ids: np.ndarray
    ) -> tuple[Tensor, tuple[np.ndarray, np.ndarray] | None]:
        """Compute this step by operators, and capture it."""
        inputs = step.inputs()
        recorder: Any = None
        if self._on_host:
            from llaisys_mini.capture.record import Recorder  # imports Numba

            recorder = Recorder(inputs, self.cache.memory())
        with observe_calls(recorder) if recorder else nullcontext():
            logits = self.decoder.forward(ids, step, last_only=True)
            best = ops.argmax(logits) if kind[2] else ()
        results = tuple(tensor.numpy() for tensor in best)
        try:
            if recorder:
                self._captured[kind] = self._compiled(recorder, len(ids), (logits.numpy(), *results))
            else:
                self._captured[kind] = DeviceStep(self.decoder, self.cache, inputs, kind[2])
            if len(self._captured) > (MOST_KINDS if self._on_host else MOST_RECORDINGS):
                del self._captured[next(iter(self._captured))]  # the oldest
        except MemoryError:
            self._give_up("there is no memory left for it")
        except Exception as problem:  # a kernel in the way; no thread can be started: the step is computed already
            self._give_up(_told(problem), aloud=getattr(problem, "kernel_set", STUDENT) == STUDENT)
        return logits, results or None

    def _compiled(self, recorder: Any, rows: int, results: tuple[np.ndarray, ...]) -> Any:
        from llaisys_mini.capture.captured import CapturedStep, Workspace

        self._workspace = self._workspace or Workspace()
        return CapturedStep(recorder.graph(*results), rows, self._workspace)

    def _replay(self, captured: Any, step: PagedPass) -> tuple | None:
        """Its outputs, as `forward` gives them; None if it cannot be replayed, and then nothing has changed."""
        try:
            if self._on_host:
                outputs = self._run(captured, step)
            else:
                logits, *best = captured.run(step.inputs())
                outputs = (logits, *(tensor.numpy() for tensor in best))
            if outputs is None:
                return None
            for pause in current().pauses:
                pause()
        except Exception as problem:  # whatever a kernel raises: the same step, call by call, says whose it is
            self._give_up(_told(problem))
            return None
        step.commit()
        self.replayed += 1
        return outputs

    def _run(self, captured: Any, step: PagedPass) -> tuple | None:
        """`_replay` on the host."""
        one = step.one or range(0)
        if not captured.is_ready:
            return None
        if not captured.fits(len(one)):
            self._captured = {kind: step for kind, step in self._captured.items() if step is not captured}
            return None
        logits, *best = captured.run(step.inputs(), self.cache.allocated, one.start, len(one))
        return (_as_tensor(logits), *best)

    def _give_up(self, reason: str, aloud: bool = True) -> None:
        self.given_up = reason
        self._captured.clear()
        if aloud:
            print(f"each token is computed call by call, since its step cannot be replayed: {reason}", file=sys.stderr)


def _told(problem: Exception) -> str:
    """Why a step cannot be replayed, in words that end a sentence."""
    if isinstance(problem, UserError) or hasattr(problem, "kernel_set"):
        return str(problem)
    return f"{type(problem).__name__}: {problem}"


def _all_wanted(rows: Sequence[Rows]) -> bool:
    return all(part.wanted == part.count for part in rows)


def _as_tensor(array: np.ndarray) -> Tensor:
    return Tensor.over(array, contiguous_strides(array.shape))
