"""The log of an exercise in which an answer is used again and again: what was asked at each event, and what came back.

The harness of such an exercise (Exercise.trace) keeps the log. Nothing that an answer counts or remembers itself is
looked at, so a learner may store things in any way.

A log is a list of (asked, got): a text, and plain values. Plain is what the judge's messages can carry.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Entry = tuple[str, Any]

MOST_EVENTS = 5_000
"""An answer that never comes to an end is stopped after so many."""

_SHOWN_BEFORE = 3  # events that are told before the first that differs


class Log:
    """What happened so far. entries: a list of (asked, got)."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def note(self, asked: str, got: Any = None) -> None:
        """Something happened. got: copied, since an answer may change its own lists later.

        Raises RuntimeError after MOST_EVENTS events.
        """
        if len(self.entries) >= MOST_EVENTS:
            raise RuntimeError(f"after {MOST_EVENTS} events there is no end")
        self.entries.append((asked, plain(got)))

    def ask(self, asked: str, function: Callable, *arguments: Any) -> Any:
        """Call a part of the answer and note what it returns. An exception says at which event it was raised."""
        try:
            got = function(*arguments)
        except Exception as problem:
            problem.add_note(f"at event {len(self.entries) + 1}, {asked}")
            raise
        self.note(asked, got)
        return got


def plain(value: Any) -> Any:
    """A copy made of None, truth values, numbers, texts, arrays, lists, tuples and dicts. All else becomes a text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return value.copy() if value.dtype.kind in "biuf" else repr(value)[:_MOST_TEXT]
    if isinstance(value, dict):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else list(map(plain, value))
    return repr(value)[:_MOST_TEXT]


_MOST_TEXT = 200  # characters of what stands for a value that is not plain


def call_methods(answer: Callable, log: Log, events: Sequence[Sequence], **made_with: Any) -> None:
    """The harness of a class: makes one object, and calls its methods in turn. events: (method, argument, ...)."""
    made = log.ask(call_text("a new object", list(made_with.values())), lambda: [answer(**made_with)])[0]
    log.entries[-1] = (log.entries[-1][0], None)  # what the object looks like is the learner's affair
    for method, *arguments in events:
        log.ask(call_text(method, arguments), getattr(made, method), *arguments)


def call_text(name: str, arguments: Sequence) -> str:
    """A call as it is written in Python."""
    return f"{name}({', '.join(map(repr, arguments))})"


def first_event_that_differs(
    got: Any, expected: Sequence[Entry], difference: Callable[[Any, Any], str | None]
) -> str | None:
    """The first event of two logs that differs, in words of several lines; None if they agree.

    difference(got, expected): in words how two results differ, or None. got may be anything: it comes from a process
    that ran a learner's code.
    """
    if not isinstance(got, (list, tuple)) or not all(_is_entry(entry) for entry in got):
        return "the log is of another form than asked for"
    for number, (asked, want) in enumerate(expected):
        if number == len(got):
            return _told(expected, number, f"expected {asked}{_result(want)}", "got      nothing: it ended here")
        happened, have = got[number]
        if happened != asked:
            lines = f"got      {happened}{_result(have)}", f"expected {asked}{_result(want)}"
            return _told(expected, number, *lines)
        if difference(have, want):
            place = difference(have, want) if isinstance(want, np.ndarray) else None
            lines = f"got      {_short(have)}", f"expected {_short(want)}"
            return _told(expected, number, asked, *([place] if place else lines))
    if len(got) > len(expected):
        happened, have = got[len(expected)]
        return _told(expected, len(expected), f"got      {happened}{_result(have)}", "expected nothing more")
    return None


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, (list, tuple)) and len(entry) == 2 and isinstance(entry[0], str)


def _told(log: Sequence[Entry], number: int, *lines: str) -> str:
    """What went wrong at an event, and the events right before it, which were as they should be."""
    before = log[max(0, number - _SHOWN_BEFORE) : number]
    told = [f"event {number + 1}: {lines[0]}", *(f"    {line}" for line in lines[1:])]
    if before:
        told.append("  before it, all right:" + (" ..." if number > _SHOWN_BEFORE else ""))
        told += [f"    {asked}{_result(got)}" for asked, got in before]
    return "\n".join(told)


def _result(got: Any) -> str:
    return "" if got is None else f" -> {_short(got)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "..."
