"""What a worker may say to the judge: the form of each message, checked before anything looks at it.

A worker runs students' code, so its messages may be written by them. channel.py sees to it that a message is made of
plain values; here each is compared with the forms that worker/child.py sends. Whatever has other keys, other types or
other sizes raises ChannelError, and the submission is reported. Results of exercises may be any value: they are
compared by code that expects anything.

A new kind of message is one more entry of `forms`.
"""

import dataclasses
from collections.abc import Callable
from functools import cache

import numpy as np

from autograder.channel import ChannelError
from autograder.plain import plain

MOST_CASES = 10_000
_MOST_TEXT = 4_000  # characters
_MOST_ITEMS = 50_000  # of a list of texts or findings

Form = Callable[[object], object]
"""Returns the value, with its texts made plain and cut to length; raises ChannelError for any other form."""


def _refuse(what: str):
    raise ChannelError(f"a message with {what}")


def _text(value) -> str:
    return plain(value, _MOST_TEXT) if isinstance(value, str) else _refuse("a text that is none")


def _count(most: float = 2**62) -> Form:
    def check(value):
        return value if type(value) is int and 0 <= value <= most else _refuse("a number out of range")

    return check


def _flag(value) -> bool:
    return value if type(value) is bool else _refuse("a yes or no that is neither")


def _error(value) -> list[str]:
    """Kind and text of an exception."""
    return _texts(value) if isinstance(value, list) and len(value) == 2 else _refuse("an exception of unknown form")


def _texts(value) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) > _MOST_ITEMS:
        _refuse("a list that is none, or too long")
    return [_text(entry) for entry in value]


def _list_of(form: Form) -> Form:
    def check(value):
        if not isinstance(value, (list, tuple)) or len(value) > _MOST_ITEMS:
            _refuse("a list that is none, or too long")
        return [form(entry) for entry in value]

    return check


def _finding(value) -> list:
    """Kind, kernel, line, message and text of the line, as worker/gpu.py sends them."""
    if not isinstance(value, (list, tuple)) or len(value) != 5 or type(value[2]) is not int:
        _refuse("a finding of unknown form")
    kind, kernel, line, message, source = value
    return [_text(kind), _text(kernel), _count(10**6)(line), _text(message), _text(source)]


def _arrays(value) -> list:
    if not isinstance(value, list) or len(value) > 100 or not all(_is_array(v) for v in value):
        _refuse("outputs that are no arrays")
    return value


def _is_array(value) -> bool:
    return isinstance(value, (np.ndarray, np.generic))


def _named(value) -> dict:
    """Inputs by name."""
    if not isinstance(value, dict) or len(value) > 100 or not all(isinstance(key, str) for key in value):
        _refuse("inputs without names")
    return value


def _called(value) -> list:
    """An operator call: the operator's name, its arguments by name, its results."""
    if not isinstance(value, list) or len(value) != 3:
        _refuse("a call of unknown form")
    return [_text(value[0]), _named(value[1]), _arrays(value[2])]


def _facts(form: type) -> Form:
    """Measured facts: exactly the fields of a dataclass; or why they could not be measured."""
    kinds = {"str": _text, "bool": _flag, "int": _count(), str: _text, bool: _flag, int: _count()}
    fields = {field.name: kinds[field.type] for field in dataclasses.fields(form)}

    def check(value):
        if isinstance(value, dict) and set(value) == {"error"}:
            return {"error": _error(value["error"])}
        return _filled(fields, {}, value, "facts of unknown form")

    return check


def _filled(required: dict[str, Form], optional: dict[str, Form], value, problem: str) -> dict:
    if not isinstance(value, dict) or not required.keys() <= value.keys() <= (required | optional).keys():
        _refuse(problem)
    forms = required | optional
    return {key: forms[key](entry) for key, entry in value.items()}


def _compiled(value) -> dict:
    return _filled({"dispatcher": _flag}, {"object_mode": _flag, "blas": _texts}, value, "facts of unknown form")


def _true(value) -> bool:
    return True if value is True else _refuse("an end that is none")


def _any(value):
    return value


_case = _count(MOST_CASES)


@cache
def forms() -> tuple[tuple[dict[str, Form], dict[str, Form]], ...]:
    """The forms of all messages: what one must have, and what it may have."""
    # Imported here because Numba comes with them, and a worker is started before the judge has it.
    from llaisys_mini.inspect.codegen import Facts
    from llaisys_mini.inspect.gpu_traffic import GpuTraffic
    from llaisys_mini.inspect.traffic import Traffic

    of_a_case = {"case": _case, "outputs": _arrays, "inputs": _named}
    sanitized = {"findings": _list_of(_finding), "remarks": _list_of(_finding), "launches": _list_of(_texts)}
    return (
        ({"done": _true}, {}),
        ({"error": _error}, {}),
        ({"sandbox": _text}, {}),
        ({"tried": _texts}, {}),
        ({"malformed": _text}, {}),
        ({"compiled": _compiled}, {}),
        ({"explained": _facts(Facts)}, {}),
        ({"traffic": _facts(Traffic), "number": _count(100)}, {}),
        ({"case": _case, "error": _error}, {}),
        ({"case": _case, "result": _any, "inputs": _named, "calls": _count()}, {}),
        ({"case": _case, "called": _called}, {}),
        (of_a_case | {"out_of_bounds": _texts}, {}),
        (of_a_case | sanitized, {"traffic": _facts(GpuTraffic)}),
    )


def checked(message: object) -> dict:
    """The message, if it has one of the forms; its texts are plain then. Raises ChannelError, and nothing else."""
    if isinstance(message, dict) and all(isinstance(key, str) for key in message):
        for required, optional in forms():
            if required.keys() <= message.keys() <= (required | optional).keys():
                return _filled(required, optional, message, "keys of no form")
    raise ChannelError("a message of unknown form")


def size_of(value: object) -> int:
    """Roughly the bytes that a value of a message takes."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.nbytes + 100
    if isinstance(value, dict):
        return 100 + sum(size_of(key) + size_of(entry) for key, entry in value.items())
    if isinstance(value, (tuple, list)):
        return 100 + sum(map(size_of, value))
    return 50 + (4 * len(value) if isinstance(value, str) else 0)
