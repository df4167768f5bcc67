"""Which sandbox really holds here: a worker is started under each and a trial answer in it tries to get out."""

import inspect
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autograder import sandbox
from autograder.sandbox.limits import Limits
from autograder.worker.pool import Ended, SandboxFailed, Worker, WorkerLost


def _attempts(secret, written):
    """Runs inside the worker, as a student's answer would. Returns what succeeded that must not.

    That a file of a known name exists can be found out in `landlock`: what imports modules asks the same.
    """
    import ctypes
    import os
    import resource
    import socket
    import subprocess
    from pathlib import Path

    succeeded = []

    def attempt(name, action):
        try:
            action()
            succeeded.append(name)
        except BaseException:
            pass

    libc = ctypes.CDLL(None, use_errno=True)
    path, parent = os.fsencode(secret), os.getppid()

    def call(function, *arguments):
        """A function of the C library, past all of Python. It reports failure by -1."""
        if getattr(libc, function)(*arguments) == -1:
            raise OSError(ctypes.get_errno())

    def owns_signals():
        call("fcntl", os.pipe()[0], 8, parent)  # F_SETOWN

    attempt("reads files of the grader", lambda: Path(secret).read_text())
    attempt("writes files", lambda: open(written, "w").close())
    attempt("changes permissions", lambda: call("chmod", path, 0o644))
    attempt("changes dates", lambda: call("utimes", path, None))
    attempt("changes owners", lambda: call("chown", path, os.getuid(), os.getgid()))
    attempt("sets attributes of files", lambda: call("setxattr", path, b"user.x", b"1", 1, 0))
    attempt("lists folders", lambda: os.listdir(os.path.dirname(secret)))
    attempt("opens sockets", lambda: socket.socket().close())
    attempt("runs programs", lambda: subprocess.run(["true"], check=True))
    attempt("starts processes", lambda: os.fork() or os._exit(0))
    attempt("signals other processes", lambda: os.kill(parent, 0))
    attempt("signals other processes by a file", owns_signals)
    attempt("changes priorities of others", lambda: call("setpriority", 0, parent, 1))
    attempt(
        "changes the scheduling of others", lambda: os.sched_setscheduler(parent, os.SCHED_BATCH, os.sched_param(0))
    )
    attempt("moves others to other cores", lambda: os.sched_setaffinity(parent, os.sched_getaffinity(0)))
    attempt("raises its limits", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (50, 60)))
    attempt("keeps memory beside files", lambda: os.memfd_create("x"))
    if "LEAKED_TO_STUDENTS" in os.environ:
        succeeded.append("sees the grader's environment")
    return succeeded


_TRIAL = """
from llaisys_mini import answer

{attempts}

@answer("perceptron_update")
def perceptron_update(weights, bias, x, label):
    return "|".join(_attempts({secret!r}, {written!r})), 0
"""


def holes(worker: Worker) -> list[str]:
    """What student code can do in this worker that it must not; a worker that does not work says so."""
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder) / "secret"
        secret.write_text("secret")
        secret.chmod(0o644)
        os.chmod(folder, 0o755)
        source = _TRIAL.format(attempts=inspect.getsource(_attempts), secret=str(secret), written=f"{secret}2")
        request: dict[str, Any] = dict(name="perceptron_update", device="python", source=source, watched=False)
        request["cases"] = [{"inputs": dict(weights=np.zeros(1), bias=0.0, x=np.zeros(1), label=1)}]
        found = ["the trial gave no answer"]
        try:
            for message in worker.run(request):
                if isinstance(message, Ended):
                    continue
                if message.get("case") == 0 and "result" in message:
                    found = [word for word in str(message["result"]["weights"]).split("|") if word]
        except (WorkerLost, SandboxFailed, OSError) as problem:
            return [f"it does not work here: {problem}"]
        return found


def strongest_worker(limits: Limits, meanwhile: Callable[[], object] = lambda: None) -> tuple[Worker, sandbox.Sandbox]:
    """A worker, started, in the strongest sandbox that has no holes; in LIMITS where there is none.

    meanwhile: called while a worker starts, which takes a second or two: once for each sandbox that is tried.
    """
    for level in sandbox.candidates():
        worker = Worker(level, limits)
        worker.start()
        meanwhile()
        if level == sandbox.LIMITS or not holes(worker):
            return worker, sandbox.describe(level)
        worker.close()
    raise AssertionError("LIMITS is always a candidate")
