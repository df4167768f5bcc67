"""The judge's end of a worker: start a warm parent, give it one task after the other, enforce the wall clock."""

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autograder import channel, replies, sandbox
from autograder.compiler import Compiler
from autograder.processes import await_end, bare_environment
from autograder.sandbox.limits import Limits
from llaisys_mini.kernels.registry import PYTHON

STARTING = 120  # seconds that a warm parent may take to start


class WorkerLost(Exception):
    """The warm parent itself is gone, or never started."""


class SandboxFailed(Exception):
    """A worker could not lock itself in; it has run nothing."""


@dataclass
class Ended:
    """How a task ended: signal that killed it (0: none), CPU and wall seconds, peak bytes, and what it tried."""

    signal: int = 0
    cpu: float = 0.0
    wall: float = 0.0
    peak: int = 0
    left_over: int = 0
    timed_out: bool = False
    malformed: str = ""
    finished: bool = False
    error: list[str] | None = None
    tried: list[list[str]] = field(default_factory=list)


class Worker:
    """A warm parent in the sandbox `level`, beside it the compiler. A context manager, not for several threads."""

    def __init__(self, level: str, limits: Limits):
        self.level, self.limits = level, limits
        self.compiler = Compiler()
        self._process: subprocess.Popen | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self) -> None:
        """Start the warm parent without waiting for it."""
        if self._process is not None:
            return
        self._scratch = Path(tempfile.mkdtemp(prefix="llaisys_mini-grading-"))
        self._scratch.chmod(0o755)
        ours, theirs = socket.socketpair()
        limits = json.dumps(dataclasses.asdict(self.limits))
        argv = [sys.executable, "-s", "-m", "autograder.worker", str(theirs.fileno()), str(self._scratch)]
        environment = bare_environment(self._scratch) | {
            "MPLBACKEND": "Agg",
            "MALLOC_ARENA_MAX": "2",  # glibc's arenas cost address space, which is limited
            "OMP_NUM_THREADS": "2",
            "NUMBA_NUM_THREADS": "2",
        }
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process = subprocess.Popen(
            sandbox.command(self.level, self._scratch, [*argv, self.level, limits]),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=environment,
            cwd=self._scratch,
        )
        theirs.close()
        self._control = ours
        self._ready = False

    def _wait_until_ready(self) -> None:
        self.start()
        if not self._ready:
            if self._line(STARTING) != b"ready":
                raise self._lost("it did not start")
            self._ready = True

    def _line(self, seconds: float) -> bytes:
        self._control.settimeout(seconds)
        line = b""
        try:
            while not line.endswith(b"\n"):
                piece = self._control.recv(4096)
                if not piece:
                    return line
                line += piece
        except OSError:  # also a timeout
            return b""
        return line.strip()

    def _lost(self, what: str) -> WorkerLost:
        self._log.seek(0)
        text = self._log.read()[-2000:].decode(errors="replace").strip()
        self.close()
        return WorkerLost(f"the worker was lost: {what}" + (f"\n{text}" if text else ""))

    def run(self, request: dict) -> Iterator[dict | Ended]:
        """Send one task; yield the messages that its child sends, and last an Ended. Raises WorkerLost."""
        self._wait_until_ready()
        request_read, request_write = os.pipe()
        reply_read, reply_write = os.pipe()
        ended, began = Ended(), time.monotonic()
        deadline = began + self.limits.wall
        try:
            try:
                command = b"P" if request["device"] == PYTHON else b"R"  # an answer to an exercise has a helper
                socket.send_fds(self._control, [command], [request_read, reply_write])
            except OSError:
                raise self._lost("it ended between two tasks") from None
            os.close(request_read)
            os.close(reply_write)
            request_read = reply_write = -1
            try:
                os.set_blocking(request_write, False)
                channel.send(request_write, request, deadline)
                while True:
                    message = replies.checked(channel.receive(reply_read, deadline))
                    if message.get("done") is True:
                        ended.finished = True
                        break
                    if "error" in message and "case" not in message:
                        ended.error = _texts(message["error"])
                        break
                    if "malformed" in message:
                        ended.malformed = message["malformed"]
                        break
                    if "sandbox" in message and "case" not in message:
                        raise SandboxFailed(f"the sandbox cannot be entered: {message['sandbox']}")
                    if "tried" in message:
                        if len(ended.tried) < 50:
                            ended.tried.append(_texts(message["tried"]))
                        continue
                    judging = time.monotonic()
                    yield message
                    deadline += time.monotonic() - judging  # what the judge takes is not the student's
            except channel.ChannelTimeout:
                ended.timed_out = True
            except channel.ChannelError as problem:
                ended.malformed = str(problem)
            except channel.ChannelClosed:
                pass
        finally:
            for descriptor in (request_read, request_write, reply_read, reply_write):
                if descriptor >= 0:
                    os.close(descriptor)
        if not ended.finished and ended.error is None:
            # A closed channel means that the child is about to end; anything else has to be ended.
            with contextlib.suppress(OSError):
                if ended.timed_out or ended.malformed:
                    self._control.send(b"K")
        # A child that sent its last message gets a moment, then is ended too: threads may be left in it.
        report = self._line(2.0)
        if not report:
            with contextlib.suppress(OSError):
                self._control.send(b"K")
            report = self._line(10.0)
        if not report:
            raise self._lost("it did not answer")
        told = json.loads(report)
        ended.signal, ended.cpu, ended.peak = told["signal"], told["cpu"], told["peak"]
        ended.left_over = told["left_over"]
        ended.wall = time.monotonic() - began
        yield ended

    def close(self) -> None:
        """End the warm parent and everything it started, and the compiler."""
        self.compiler.close()
        if self._process is None:
            return
        self._control.close()
        await_end(self._process)
        self._log.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._process = None


def _texts(value) -> list[str]:
    return [str(v)[:4000] for v in value] if isinstance(value, list) else [str(value)[:200]]
