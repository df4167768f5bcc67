"""The student's process of an answer to an exercise: it holds no reference, of no operator and of no exercise, and
nothing of the package that is itself the answer.

What an answer builds upon is answered by another process (helper.py), which also drives the answer. The two speak
over one line (remote.py).
"""

import gc
import sys
from collections.abc import Callable
from typing import Any

import llaisys_mini
from autograder import channel
from autograder.worker.remote import Peer
from llaisys_mini import exercises, operators
from llaisys_mini.exercise import Exercise
from llaisys_mini.operator import Operator
from llaisys_mini.tensor import Tensor


def come_from(line: Peer, asked: Exercise) -> None:
    """From now on operators and exercises are answered at the other end of the line, and nothing here can answer for a
    student. Called before a student's code is loaded."""

    def ask(kind: str, name: str, arguments: tuple, named: dict) -> Any:
        call: dict[str, Any] = {kind: name, "arguments": list(map(_plain, arguments))}
        call["named"] = {key: _plain(value) for key, value in named.items()}
        try:
            return line.ask(call)["result"]
        except channel.NotSendable as problem:
            raise TypeError(f"{name}: {problem} is no argument") from None

    def operator(self: Operator, *arguments: Any, out: Any = None, **named: Any) -> Any:
        result = ask("operator", self.name, arguments, named)
        first = arguments[0] if arguments else next(iter(named.values()), None)
        if out is not None:
            for target, value in zip(_several(out), _several(result), strict=True):
                (target.numpy() if isinstance(target, Tensor) else target)[...] = value
            return out
        if isinstance(first, Tensor):
            made = tuple(map(Tensor.from_numpy, _several(result)))
            return made if isinstance(result, tuple) else made[0]
        return result

    def exercise(self: Exercise, *arguments: Any, **named: Any) -> Any:
        return ask("exercise", self.name, arguments, named)

    Operator.__call__ = operator  # type: ignore[method-assign]
    Exercise.__call__ = exercise  # type: ignore[method-assign]
    Exercise.answering = lambda self: self  # type: ignore[method-assign]
    for name in exercises.names:
        exercises.get(name).hide_answer()
    for name in operators.names:
        operators.get(name).hide_answer()
    asked.hide_package_answers()
    _hide_modules()
    gc.collect()  # a class refers to itself, so until now it could still be found among object's subclasses


def _plain(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else value


def _several(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


_ROOMS = set(
    "errors paths files console dtypes widen cuda cpu sanitizer devices strides views storage tensor task contract"
    " trace exercise common_mistakes plans kernels operator operators exercises student".split()
)
"""Parts of the package that an answer may import, or what it imports needs. The rest (the decoder, the samplers, the
tokenizer, ...) holds answers."""


class _NotHere:
    """Refuses to import what is not in a student's process, and to import anew what is: a file read again would bring
    back what was taken out."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] in ("llaisys_mini", "solutions"):
            raise ImportError(f"{name} is not there when an answer is judged: an answer builds on operators")


def _is_hidden(name: str) -> bool:
    top, _, rest = name.partition(".")
    return top == "llaisys_mini" and bool(rest) and rest.partition(".")[0] not in _ROOMS


def _hide_modules() -> None:
    for name in [name for name in sys.modules if _is_hidden(name)]:
        module = sys.modules.pop(name)
        owner, _, last = name.rpartition(".")
        if getattr(sys.modules.get(owner), last, None) is module:
            delattr(sys.modules[owner], last)
    for name, home in {**llaisys_mini._MODULES, **llaisys_mini._HOME}.items():
        if _is_hidden(home):  # an answer's cell may import `check`, which it has no use for here
            setattr(llaisys_mini, name, _absent(name))
    sys.meta_path.insert(0, _NotHere)


def _absent(name: str) -> Callable:
    def absent(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"{name} is not there when an answer is judged")

    return absent
