"""Everything that decides how operator calls are answered: which kernels, from where, and who watches the calls.

A Runtime does not change. One is in force in each context: `use_kernels` and `observe_calls` put a changed copy in
force, for a `with` block or from then on. Contexts are those of Python's contextvars, so threads and tasks with
different choices do not see each other; a new thread begins with the default.

    with Runtime(everywhere="reference").in_force():
        model.generate(ids)
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llaisys_mini.kernels.registry import Kernel


@dataclass(frozen=True, eq=False)
class Runtime:
    """everywhere: a kernel set for all operators, or None for the rule: the learner's kernel if it passed its check,
        else the course's, else the reference. per_operator: exceptions to it, a set or a kernel itself.
    student: the folder of the learner's kernels; None for the one that counts here (paths.student_folder).
    solutions: whether the course's kernels and answers may answer at all.
    keeps_compiled: whether compiled kernels are kept on disk for the next process.
    answers: "reference" has exercises that an answer builds upon answered by their references; None for the rule.
    observers, starters: functions called after and before every operator call, as `observe_calls` says.
    pauses: functions called where a computation may be left, as `at_pauses` says.
    answered: kernels that have answered so far: (operator, device) -> {storage of the weights: kernel set}.
    """

    everywhere: str | None = None
    per_operator: Mapping[str, str | Kernel] = field(default_factory=dict)
    student: Path | None = None
    solutions: bool = True
    keeps_compiled: bool = True
    answers: str | None = None
    observers: tuple[Callable, ...] = ()
    starters: tuple[Callable, ...] = ()
    pauses: tuple[Callable[[], None], ...] = ()
    answered: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    @contextmanager
    def in_force(self) -> Iterator["Runtime"]:
        """Within this context operator calls are answered as this Runtime says."""
        token = enter(self)
        try:
            yield self
        finally:
            leave(token)


class _Thread(threading.local):
    runtime = Runtime()


_of_thread = _Thread()
_within: ContextVar[Runtime | None] = ContextVar("runtime", default=None)


def current() -> Runtime:
    """The Runtime in force here."""
    return _within.get() or _of_thread.runtime


def enter(runtime: Runtime) -> Token:
    """Put a Runtime in force until `leave` is given what this returns."""
    return _within.set(runtime)


def leave(token: Token) -> None:
    """Undo `enter`."""
    _within.reset(token)


def from_now_on(**changes: Any) -> Callable[[], None]:
    """Change these fields of the Runtime in force in this thread for good; returns what undoes it.

    Kept with the thread, not with the context: the cells of a notebook run in one thread, and may each have a context
    of their own.
    """
    before, within = _of_thread.runtime, _within.get()
    _of_thread.runtime = replace(before, **changes)
    if within is not None:
        _within.set(replace(within, **changes))

    def undo() -> None:
        _of_thread.runtime = before
        _within.set(within)

    return undo


class observe_calls:
    """Within this context `observer(operator, arguments, results)` is called after every operator call, and after the
    observer of a context around it.

    arguments: as passed by the caller; results: list of the outputs. Used to trace, time or verify a whole model.
    before: called as `before(operator, arguments)` when the kernel of a call is chosen and about to run.
    """

    before: Callable | None = None

    def __init__(self, observer: Callable, before: Callable | None = None):
        self.observer = observer
        self.before = before

    def __enter__(self):
        runtime = current()
        starters = runtime.starters if self.before is None else (*runtime.starters, self.before)
        self._token = enter(replace(runtime, observers=(*runtime.observers, self.observer), starters=starters))
        return self

    def __exit__(self, *_):
        leave(self._token)


@contextmanager
def at_pauses(function: Callable[[], None]) -> Iterator[None]:
    """Within this context `function()` is called after every operator call, and after every step that is replayed as
    one: where a computation may be left by an exception, such as KeyboardInterrupt.

    Unlike an observer it asks nothing of the calls, so that steps may be replayed.
    """
    runtime = current()
    token = enter(replace(runtime, pauses=(*runtime.pauses, function)))
    try:
        yield
    finally:
        leave(token)


# ---- has anything changed since? -------------------------------------------------------------------------------------

changes = 0
"""How often kernels have changed: what was found out about them counts as long as this stays the same."""


def kernels_changed() -> None:
    """Have every call look up anew which kernel answers: called when a kernel's file or its verdict has changed."""
    global changes
    changes += 1
