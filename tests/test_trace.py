"""The log of a trace exercise: what is kept, and how the first event that differs is told."""

import numpy as np
import pytest

from llaisys_mini.checks.exercises import first_difference
from llaisys_mini.trace import MOST_EVENTS, Log, call_methods, first_event_that_differs, plain


def told(got, expected):
    return first_event_that_differs(got, expected, lambda g, e: first_difference(g, e, 1e-4))


LOG = [("take()", 0), ("take()", 1), ("share([0])", None), ("release([0])", None), ("take()", 2)]


def test_logs_that_agree():
    assert told(list(LOG), LOG) is None
    assert told([list(entry) for entry in LOG], tuple(LOG)) is None  # as a message brings them


def test_the_first_event_that_differs_is_told_with_those_before_it():
    got = [*LOG[:4], ("take()", 0), ("take()", 7)]
    assert told(got, LOG) == (
        "event 5: take()\n    got      0\n    expected 2\n  before it, all right: ...\n"
        "    take() -> 1\n    share([0])\n    release([0])"
    )


@pytest.mark.parametrize(
    ("got", "sentence"),
    [
        (LOG[:2], "event 3: expected share([0])\n    got      nothing: it ended here"),
        ([*LOG, ("take()", 3)], "event 6: got      take() -> 3\n    expected nothing more"),
        ([*LOG[:1], ("a pass", [1])], "event 2: got      a pass -> [1]\n    expected take() -> 1"),
        ([("take()", "0")], "event 1: take()\n    got      '0'\n    expected 0"),
        ("take()", "the log is of another form"),
        ([("take()",)], "the log is of another form"),
        ([(0, 0)], "the log is of another form"),
        (None, "the log is of another form"),
    ],
)
def test_logs_that_differ_otherwise(got, sentence):
    assert told(got, LOG).startswith(sentence)


def test_arrays_are_told_by_their_first_difference():
    assert "value" not in told([("x", np.array([1.0, 2.0]))], [("x", np.array([1.0, 3.0]))]).splitlines()[0]
    assert "1 of 2 wrong, the first at [1]: got 2, expected 3" in told(
        [("x", np.array([1.0, 2.0]))], [("x", np.array([1.0, 3.0]))]
    )


def test_what_an_answer_changes_later_is_not_changed_in_the_log():
    log, pages = Log(), [1, 2]
    log.ask("find()", lambda: pages)
    pages.append(3)
    assert log.entries == [("find()", [1, 2])]


def test_only_plain_values_are_kept():
    class Odd(dict):
        def __repr__(self):
            return "x" * 1000

    assert plain((1, [True, None], {"a": np.float32(2)})) == (1, [True, None], {"a": 2})
    assert plain(b"ab") == "b'ab'" and plain({1}) == "{1}" and plain(np.array(["a"])) == "array(['a'], dtype='<U1')"
    assert plain(Odd(a=1)) == {"a": 1} and type(plain(Odd())) is dict
    assert len(plain(type("Long", (), {"__repr__": Odd.__repr__})())) == 200


def test_an_answer_without_end_is_stopped():
    log = Log()
    with pytest.raises(RuntimeError, match=f"after {MOST_EVENTS} events there is no end"):
        while True:
            log.note("again")


def test_an_exception_says_at_which_event_it_was_raised():
    class Pool:
        def __init__(self, pages):
            self.pages = pages

        def take(self):
            return self.pages.pop()

    log = Log()
    with pytest.raises(IndexError) as caught:
        call_methods(Pool, log, [("take",), ("take",)], pages=[4])
    assert log.entries == [("a new object([4])", None), ("take()", 4)]
    assert caught.value.__notes__ == ["at event 3, take()"]
