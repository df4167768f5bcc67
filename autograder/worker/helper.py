"""The process that drives an answer to an exercise, and answers what the answer builds upon. No student's code runs in
it.

It is forked from the warm parent beside the student's process, and locked in as that is. It alone has the judge's
request, and it alone replies: the student's process has no line to the judge. So what is counted, kept in a log
(llaisys_mini/trace.py) or computed from an answer is out of a student's reach, and so are the cases that come later.

Where an answer calls `operators.linear(x, w)`, the call comes here: every operator is answered, and the exercises that
this one builds on (Exercise.builds_on). The log of these calls is the judge's, who asks for it with `calls`.
"""

import os
import signal
import socket
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from autograder import channel, sandbox
from autograder.sandbox.limits import Limits
from autograder.worker.remote import Message, Peer, Remote, RemoteObject, told
from llaisys_mini import exercises, operators
from llaisys_mini.checks.calls import Call, recorded
from llaisys_mini.exercise import Exercise
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.kernels.sets import REFERENCE


class Helper:
    """The process, as the warm parent has it. descriptor: the student's end of the line to it, to be inherited."""

    def __init__(self, source: int, sink: int, scratch: Path, level: str, limits: Limits):
        """source, sink: where the judge's request comes from, and where the replies go."""
        ours, theirs = socket.socketpair()
        self.process = os.fork()
        if self.process == 0:
            try:
                _run(source, sink, ours.fileno(), scratch, level, limits)
            finally:
                os._exit(0)
        ours.close()
        self._end = theirs
        self.descriptor = theirs.fileno()

    def close(self) -> tuple[float, int]:
        """End it. The seconds that it computed; the signal that had ended it already, or 0."""
        self._end.close()
        process, status, usage = os.wait4(self.process, os.WNOHANG)
        ended_by = os.WTERMSIG(status) if process and os.WIFSIGNALED(status) else 0
        if not process:
            os.kill(self.process, signal.SIGKILL)
            usage = os.wait4(self.process, 0)[2]
        return usage.ru_utime + usage.ru_stime, ended_by


def keep_only(*descriptors: int) -> list[int]:
    """Close every descriptor but these, which get numbers from 3 on; what is printed goes nowhere."""
    nowhere, *kept = (
        os.dup2(d, 200 + i, inheritable=False) for i, d in enumerate((os.open(os.devnull, os.O_RDWR), *descriptors))
    )
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    kept = [os.dup2(d, 3 + i, inheritable=False) for i, d in enumerate(kept)]
    os.closerange(3 + len(kept), 4096)
    return kept


def _run(source: int, sink: int, line: int, scratch: Path, level: str, limits: Limits) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    source, sink, line = keep_only(source, sink, line)
    try:
        request = channel.receive(source)
        sandbox.restrict(level, scratch, limits)
    except Exception as problem:
        channel.send(sink, {"sandbox": f"{type(problem).__name__}: {problem}"})
        return
    # No kernels of a student's: the folder does not exist. The course's are out of sight here as they are there.
    references = Runtime(
        everywhere=REFERENCE, student=scratch / "no kernels", solutions=False, keeps_compiled=False, answers=REFERENCE
    )
    try:
        with references.in_force():
            _Drive(request, sink, line).run()
    except channel.ChannelClosed:
        pass  # the student's process has ended; how, the warm parent tells
    except channel.ChannelError as problem:
        channel.send(sink, {"malformed": str(problem)})


class _Drive:
    """One request: load the answer over there, run the cases."""

    def __init__(self, request: dict, sink: int, line: int):
        self.asked: Exercise = exercises.get(request["name"])
        self.request, self.sink = request, sink
        self.line = Peer(
            line, gives_attributes=False, operator=self._operator, exercise=self._exercise, tried=self._tried
        )
        self.calls: list[Call] = []  # of the case that is run
        self.count = 0

    def reply(self, **message: Any) -> None:
        channel.send(self.sink, message, refer=_not_a_value)

    def run(self) -> None:
        self.line.tell({key: self.request[key] for key in ("name", "source", "watched")})
        locked_in = self.line.receive()  # sent before any code of the student's is loaded
        if "sandbox" in locked_in:
            self.reply(sandbox=str(locked_in["sandbox"]))
            return
        try:
            answer = self.line.ask({"load": True})["result"]
        except (channel.ChannelClosed, channel.ChannelError):
            raise
        except Exception as problem:
            self.reply(error=told(problem)[:2])
            return
        for number, case in enumerate(self.request["cases"]):
            if not self._case(answer, number, case["inputs"]):
                return
        self.reply(done=True)

    def _case(self, answer: Remote, number: int, inputs: dict[str, Any]) -> bool:
        """Run one case and reply; whether to go on."""
        self.calls, self.count = [], 0
        try:
            result = self.asked.drive(answer, inputs)
            left = {name: inputs[name] for name in self.asked.left_alone}
            self.reply(case=number, result=result, inputs=left, calls=self.count)
        except channel.NotSendable as problem:
            self.reply(case=number, error=["NotSendable", str(problem)])
        except (channel.ChannelClosed, channel.ChannelError):
            raise
        except Exception as problem:
            kind, text, _ = told(problem)
            self.reply(case=number, error=[kind, text])
            if kind in ("NotImplementedError", "MemoryError"):
                self.reply(done=True)
                return False
        for call in self.calls:
            self.reply(called=[call.operator.name, call.arguments, call.results], case=number)
        return True

    # ---- what the student's process asks for -------------------------------------------------------------------------

    def _operator(self, message: Message) -> Message:
        name = message["operator"]
        if name not in operators.names:
            raise PermissionError(f"there is no operator {name}")
        return self._answered(operators.get(name), message)

    def _exercise(self, message: Message) -> Message:
        name = message["exercise"]
        if name not in self.asked.building_blocks:
            raise PermissionError(f"{self.asked.name} does not build on {name}: write it yourself")
        return self._answered(exercises.get(name), message)

    def _answered(self, task: Any, message: Message) -> Message:
        result: Any = None

        def run() -> None:
            nonlocal result
            result = task(*message["arguments"], **message["named"])

        self.count += 1
        if self.request.get("calls"):
            self.calls += recorded(run)
            if sum(map(_size, self.calls)) > _MOST_KEPT:
                raise MemoryError("the log of operator calls is too long")
        else:
            run()
        return {"result": result}

    def _tried(self, message: Message) -> None:
        tried = message["tried"]
        self.reply(tried=[str(word)[:4000] for word in tried] if isinstance(tried, list) else [str(tried)[:4000]])


_MOST_KEPT = 64 << 20  # bytes of arguments and results of one case


def _size(call: Call) -> int:
    return 1000 + sum(a.nbytes for a in [*call.arguments.values(), *call.results] if isinstance(a, np.ndarray))


def _not_a_value(value: object) -> NoReturn:
    kind = value._name if isinstance(value, RemoteObject) else type(value).__name__
    raise channel.NotSendable(f"a value of type {kind}")
