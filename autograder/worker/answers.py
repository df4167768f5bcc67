"""What an answer to an exercise builds upon is answered by another process, in which no student's code runs.

A student's process holds no reference: of no operator, of no exercise, and nothing of the package that is itself the
answer. Where an answer calls `operators.linear(x, w)`, the call goes to a helper, which was forked from the warm parent
beside the student's process and is locked in as that is. The helper learns from the first message, which is sent before
any code of the student's is loaded, for which exercise it answers: every operator, and the exercises that this one
builds on (Exercise.builds_on).
"""

import builtins
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llaisys_mini
from autograder import channel, sandbox
from autograder.sandbox.limits import Limits
from llaisys_mini import errors, exercises, operators
from llaisys_mini.exercise import Exercise
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.kernels.sets import REFERENCE
from llaisys_mini.operator import Operator
from llaisys_mini.tensor import Tensor

# ---- the helper ------------------------------------------------------------------------------------------------------


class Helper:
    """The process that answers, as the warm parent has it. descriptor: the student's end, to be inherited."""

    def __init__(self, scratch: Path, level: str, limits: Limits):
        ours, theirs = socket.socketpair()
        self.process = os.fork()
        if self.process == 0:
            try:
                _serve(ours, scratch, level, limits)
            finally:
                os._exit(0)
        ours.close()
        self._end = theirs
        self.descriptor = theirs.fileno()

    def close(self) -> float:
        """End it; the seconds that it computed."""
        self._end.close()
        os.kill(self.process, signal.SIGKILL)
        usage = os.wait4(self.process, 0)[2]
        return usage.ru_utime + usage.ru_stime


def _serve(end: socket.socket, scratch: Path, level: str, limits: Limits) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    descriptor = os.dup2(end.fileno(), 3, inheritable=False) if end.fileno() != 3 else 3
    os.closerange(4, 4096)
    sandbox.restrict(level, scratch, limits)
    # No kernels of a student's: the folder does not exist. The course's are out of sight here as they are there.
    references = Runtime(
        everywhere=REFERENCE, student=scratch / "no kernels", solutions=False, keeps_compiled=False, answers=REFERENCE
    )
    try:
        asked = exercises.get(channel.receive(descriptor)["exercise"])
        with references.in_force():
            while True:
                channel.send(descriptor, _answered(asked, channel.receive(descriptor)))
    except (channel.ChannelClosed, channel.ChannelError):
        return  # the student's process has ended, or writes no messages: then nothing is owed to it


def _answered(asked: Exercise, call: Any) -> dict:
    try:
        kind, name, arguments, named = (call[key] for key in ("kind", "name", "arguments", "named"))
        if kind == "operator" and name in operators.names:
            return {"result": operators.get(name)(*arguments, **named)}
        if kind == "exercise" and name in asked.building_blocks:
            return {"result": exercises.get(name)(*arguments, **named)}
        raise PermissionError(f"{asked.name} does not build on {name}: write it yourself")
    except Exception as problem:
        return {"error": [type(problem).__name__, str(problem)[:2000]]}


# ---- the student's process -------------------------------------------------------------------------------------------


def come_from(descriptor: int, asked: Exercise) -> None:
    """From now on operators and exercises are answered at the other end of `descriptor`, and nothing here can answer
    for a student. Called before a student's code is loaded."""
    channel.send(descriptor, {"exercise": asked.name})

    def ask(kind: str, name: str, arguments: tuple, named: dict) -> Any:
        call: dict[str, Any] = dict(kind=kind, name=name, arguments=list(map(_plain, arguments)))
        call["named"] = {key: _plain(value) for key, value in named.items()}
        try:
            channel.send(descriptor, call)
        except channel.NotSendable as problem:
            raise TypeError(f"{name}: {problem} is no argument") from None
        reply = channel.receive(descriptor)
        if "error" in reply:
            kind_of_error, text = reply["error"]
            raise _error_class(kind_of_error)(text)
        return reply["result"]

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


def _error_class(name: Any) -> Callable[[str], Exception]:
    found = getattr(errors, str(name), None) or getattr(builtins, str(name), None)
    return found if isinstance(found, type) and issubclass(found, Exception) else RuntimeError


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
