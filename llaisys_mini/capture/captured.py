"""captured: a recorded step, compiled, with its memory laid out."""

import atexit
import contextlib
import hashlib
import os
import sys
import threading
from collections.abc import Mapping
from types import ModuleType
from typing import ClassVar

import numpy as np
from numba import int64, intp, njit, typeof, types

from llaisys_mini import paths
from llaisys_mini.capture import native
from llaisys_mini.capture.emit import SIZES, Source, emit
from llaisys_mini.capture.graph import INPUT, STATE, Graph
from llaisys_mini.capture.passes.dead_code import dead_code
from llaisys_mini.capture.passes.fold_constants import fold_constants
from llaisys_mini.capture.passes.plan_buffers import ALIGNMENT, plan_buffers
from llaisys_mini.capture.record import Operand
from llaisys_mini.kernels import compiled


class Workspace:
    """Memory for what steps compute on the way. Steps share it, since one runs at a time."""

    def __init__(self) -> None:
        self._block = np.empty(0, np.uint8)

    def block(self, nbytes: int) -> np.ndarray:
        """An array of at least so many bytes. Whoever was given a smaller one before keeps that."""
        if nbytes > self._block.nbytes:
            self._block = np.empty(max(nbytes, 2 * self._block.nbytes), np.uint8)  # doubling: the smaller ones are few
        return self._block


class CapturedStep:
    """A graph that was recorded with so many rows, ready to run once `is_ready`.

    The function is compiled in a thread of its own, or comes from disk. Steps with other numbers of rows, and models of
    the same form, share it.
    """

    def __init__(self, graph: Graph, rows: int, workspace: Workspace):
        self.graph = graph = dead_code(fold_constants(graph))
        self.rows = rows
        source = emit(graph, rows)
        self._inputs = source.inputs
        self._function = _Function.of(source, graph)
        plan = plan_buffers(graph, frozenset(graph.outputs))
        self._workspace = workspace.block(plan.nbytes + ALIGNMENT)
        start = -(-native.first_byte(self._workspace) // ALIGNMENT) * ALIGNMENT
        self._table = np.zeros((len(graph.calls), 1 + max(len(call.how.arguments) for call in graph.calls)), np.int64)
        self._state: list[tuple[int, int, str]] = []
        for line, call in enumerate(graph.calls):
            self._table[line, 0] = call.how.address
            for column, argument in enumerate(call.how.arguments, 1):
                if isinstance(argument, Operand):
                    place = plan.offsets.get(argument.value)
                    self._table[line, column] = argument.address if place is None else start + place
                    if argument.value.kind == STATE:
                        self._state.append((line, column, argument.value.name))
        rules = {call.operator: call.how.answers_for for call in graph.calls if call.how.answers_for}
        self._length_rules = list(rules.values())
        self._fits: dict[int, bool] = {}
        for value in graph.computed:
            value.array = None  # what came out while recording; the step has its own memory

    @property
    def is_ready(self) -> bool:
        """Whether it is compiled. Raises what went wrong in compiling it."""
        return self._function.is_ready

    def wait(self) -> None:
        """Until it is compiled."""
        self._function.wait()

    def fits(self, length: int) -> bool:
        """Whether the recorded kernels are those that are chosen for a text of about so many positions: it is asked
        once for each power of two, since all kernels of the course give the same bits."""
        about = 1 << max(0, length.bit_length() - 1)
        if about not in self._fits:
            self._fits[about] = all(answers(about) for answers in self._length_rules)
        return self._fits[about]

    def move(self, memory: Mapping[str, np.ndarray]) -> None:
        """State lies elsewhere from now on: by name, its new arrays."""
        for line, column, name in self._state:
            self._table[line, column] = native.first_byte(memory[name])

    def run(
        self, inputs: Mapping[str, np.ndarray], pages: int = 0, start: int = 0, length: int = 0
    ) -> list[np.ndarray]:
        """The step's outputs. inputs: by name, each of as many rows as were recorded. pages: of the cache;
        start, length: where the only text lies, if there is only one.

        What a kernel raises goes on to the caller.
        """
        results = [np.empty(value.shape, value.dtype) for value in self.graph.outputs]
        given = [inputs[name] for name in self._inputs]
        self._function.compiled(self.rows, pages, start, length, *given, *results, self._table)
        return results


class _Function:
    """The compiled function of a source; one for all steps with the same."""

    _known: ClassVar[dict[tuple, "_Function"]] = {}

    def __init__(self, source: Source, signature: tuple):
        makers = {name: native.array_over(kind) for name, kind in source.kinds.items()}
        kinds = "".join(f"# {name}: {kind}\n" for name, kind in sorted(source.kinds.items()))
        text = f"# A captured step, written by llaisys_mini.capture.\n{kinds}\n{source.text}"
        name = f"llaisys_mini_step_{hashlib.sha256(text.encode()).hexdigest()[:24]}"
        module = sys.modules[name] = ModuleType(name)  # Numba imports it by name when it takes the function from disk
        vars(module).update(run=native.run, **makers)
        file = compiled.generated_file(f"{name}.py", text) or f"<{name}>"
        exec(compile(text, str(file), "exec"), vars(module))
        with compiled.made_beside(paths.PACKAGE / "capture"):
            self.compiled = njit(cache=True)(vars(module)["step"])
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._compile, args=(signature,), daemon=True)  # see _end
        self._thread.start()

    @classmethod
    def of(cls, source: Source, graph: Graph) -> "_Function":
        """The function of this source, for arrays of the kinds that the graph was recorded with."""
        arrays = {value.name: value.array for call in graph.calls for value in call.reads if value.kind == INPUT}
        outputs = [typeof(value.array) for value in graph.outputs]
        signature = (*[intp] * len(SIZES), *(typeof(arrays[name]) for name in source.inputs), *outputs, int64[:, ::1])
        key = (source.text, *sorted(source.kinds.items()), signature)
        if key not in cls._known:
            cls._known[key] = cls(source, signature)
        return cls._known[key]

    @property
    def is_ready(self) -> bool:
        if self._problem is not None:
            raise self._problem
        return not self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join()

    def _compile(self, signature: tuple[types.Type, ...]) -> None:
        try:
            self.compiled.compile(signature)
        except Exception as problem:  # whatever Numba raises; told where the step is used
            self._problem = problem


@atexit.register
def _end() -> None:
    """Wait for the compiler, which would crash in a process that ends; but whoever presses Ctrl-C does not wait."""
    try:
        for function in list(_Function._known.values()):
            function.wait()
    except KeyboardInterrupt:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(130)
