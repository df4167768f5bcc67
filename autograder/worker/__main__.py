"""Where students' code runs. Started by pool.py; never imported by the judge.

A warm parent imports Numba once and compiles one small kernel. For every task of every submission it forks a child,
which locks itself into the sandbox, loads the code, runs it on the inputs it was sent, and sends back what came out.
The child holds no expected outputs. Nothing that one child does reaches another: only what the parent had
before is shared.
"""

import atexit
import dataclasses
import json
import os
import select
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path

import llvmlite.binding
import numba
import numpy as np
from numba.np.ufunc import parallel, workqueue

from autograder import channel, sandbox
from autograder.sandbox.limits import Limits
from autograder.worker import gpu
from llaisys_mini import exercises, operators, paths
from llaisys_mini.checks.guard_zones import GuardZones
from llaisys_mini.cuda import reductions, tensor_cores, vectors  # noqa: F401 - imported once, for all kernels
from llaisys_mini.devices.sanitized import HostComputation
from llaisys_mini.inspect import codegen, traffic
from llaisys_mini.kernels.registry import PYTHON
from llaisys_mini.kernels.runtime import Runtime, current
from llaisys_mini.kernels.sets import REFERENCE, student_set
from llaisys_mini.sanitizer.findings import RUNAWAY


def main() -> None:
    """argv: descriptor of the control socket, scratch folder, sandbox level, limits as JSON."""
    control = socket.socket(fileno=int(sys.argv[1]))
    scratch, level, limits = Path(sys.argv[2]), sys.argv[3], Limits(**json.loads(sys.argv[4]))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)  # a grader that was killed cannot
    _warm_up()
    sandbox.adopt_orphans()
    sandbox.system_paths()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    control.send(b"ready\n")
    while True:
        command, descriptors, *_ = socket.recv_fds(control, 1, 2)
        if not command:
            return
        if command == b"K":  # it ended by itself just before
            continue
        child = os.fork()
        if child == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                source, sink = descriptors
                _child(source, sink, scratch, level, limits)
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        report = _wait(child, control, wake_read)
        report["left_over"] = sandbox.sweep()
        for folder in scratch.iterdir():
            shutil.rmtree(folder, ignore_errors=True)
        control.send(json.dumps(report).encode() + b"\n")


def _wait(child: int, control: socket.socket, wake: int) -> dict:
    """Wait for the child's end; kill it when the control socket says so."""
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return {
                "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
                "cpu": usage.ru_utime + usage.ru_stime,
                "peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            }
        for ready in select.select([control.fileno(), wake], [], [])[0]:
            if ready == wake:
                os.read(wake, 4096)
            else:
                if not control.recv(1):  # the grader is gone
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    sys.exit(0)
                os.kill(child, signal.SIGKILL)


_CALLED_BY_PARALLEL_CODE = (
    "parallel_for do_scheduling_signed do_scheduling_unsigned allocate_sched deallocate_sched get_num_threads"
    " set_num_threads get_thread_id set_parallel_chunksize get_parallel_chunksize get_sched_size"
).split()


def _runtime(scratch: Path) -> Runtime:
    """How operators and exercises are answered here: by the code in `scratch` and by references. The course's kernels
    answer nothing, and nothing is kept on disk: a cache that one student's code writes and another's loads would be a
    way from one to the other."""
    return Runtime(student=scratch, solutions=False, keeps_compiled=False, answers=REFERENCE)


def _warm_up() -> None:
    """Pay once for imports and for the parts of the compiler that every kernel needs."""
    for name in exercises.names:
        exercises.get(name)

    @numba.njit(parallel=True)
    def warm(x, out):
        for n in numba.prange(x.shape[0]):
            total = np.float32(0)
            for c in range(x.shape[1]):
                total += np.exp(x[n, c])
            out[n, 0] = max(total, x[n, 0])

    # Compiled, never run: threads that run before the fork would be missing after it. So the names that compiled code
    # calls are made known without starting what is behind them; the child starts it when it needs it.
    for name in _CALLED_BY_PARALLEL_CODE:
        symbol = "numba_parallel_for" if name == "parallel_for" else name
        llvmlite.binding.add_symbol(symbol, getattr(workqueue, name))
    launch, parallel._launch_threads = parallel._launch_threads, lambda: None
    warm.compile("(float32[:, ::1], float32[:, ::1])")
    parallel._launch_threads = launch


# ---- in the child ------------------------------------------------------------------------------------------------


def _child(source: int, sink: int, scratch: Path, level: str, limits: Limits) -> None:
    request = channel.receive(source)
    source, sink = _keep_only(source, sink)
    lock = threading.Lock()

    def reply(**message):
        with lock:
            channel.send(sink, message)

    try:
        folder = scratch / request["device"]
        folder.mkdir(exist_ok=True)
        (folder / f"{request['name']}.py").write_text(request["source"], encoding="utf-8")
        sandbox.restrict(level, scratch, limits)
    except Exception as problem:  # nothing of the student's has run yet
        reply(sandbox=f"{type(problem).__name__}: {problem}")
        return
    try:
        with _runtime(scratch).in_force():
            _RUNS[request["device"]](request, reply)
        reply(done=True)
    except channel.ChannelClosed:
        pass
    except BaseException as problem:  # SystemExit too: whatever a student's code raises is a finding
        reply(error=_error(problem))


def _keep_only(source: int, sink: int) -> tuple[int, int]:
    """Close every descriptor but these two; what the code prints goes nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    source, sink, nowhere = (os.dup2(d, 200 + i, inheritable=False) for i, d in enumerate((source, sink, nowhere)))
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    source, sink = os.dup2(source, 3, inheritable=False), os.dup2(sink, 4, inheritable=False)
    os.closerange(5, 4096)
    return source, sink


def _run_kernel(request, reply) -> None:
    contract = operators.get(request["name"])
    os.environ["NUMBA_NUM_THREADS"] = "2"
    kernel = student_set().get(contract.name, request["device"])
    compiled = False
    for number, case in enumerate(request["cases"]):
        zones = GuardZones()
        inputs, outputs = zones.around_call(contract, case["inputs"], _empty(case))
        try:
            contract.run_with(kernel, inputs, outputs)
        except BaseException as problem:
            reply(case=number, error=_error(problem))
            if isinstance(problem, (NotImplementedError, MemoryError)) or (not compiled and _is_compile_error(problem)):
                return
            continue
        if not compiled:
            compiled = True
            reply(compiled=_compiled(kernel.function))
        reply(case=number, outputs=outputs, inputs=inputs, out_of_bounds=zones.overrun())
    if request["explain"]:
        reply(explained=_facts(lambda: codegen.examine(contract, kernel)))
    if request["traffic"]:
        reply(traffic=_facts(lambda: traffic.count_traffic(contract.name)))


def _empty(case) -> list[np.ndarray]:
    return [np.full(shape, fill, dtype) for dtype, shape, fill in case["outputs"]]


def _run_cuda_kernel(request, reply) -> None:
    contract = operators.get(request["name"])
    _watch(reply)
    kernel = student_set().get(contract.name, request["device"])
    for number, case in enumerate(request["cases"]):
        inputs, outputs = case["inputs"], _empty(case)
        try:
            found = gpu.run(contract, kernel, inputs, outputs, case["counts"])
        except BaseException as problem:
            reply(case=number, error=_error(problem))
            if isinstance(problem, (NotImplementedError, MemoryError, HostComputation)):
                return
            continue
        reply(case=number, outputs=outputs, inputs=inputs, **found)
        if any(kind == RUNAWAY for kind, *_ in found["findings"]):  # it takes seconds to find out once
            return


def _is_compile_error(problem) -> bool:
    from llaisys_mini.checks.compile_errors import COMPILE_ERRORS

    return isinstance(problem, COMPILE_ERRORS)


def _facts(measure) -> dict:
    try:
        return dataclasses.asdict(measure())
    except Exception as problem:
        return {"error": _error(problem)}


def _compiled(function) -> dict:
    """What kind of function it is: facts that the judge decides on."""
    if not isinstance(function, numba.core.dispatcher.Dispatcher):
        return {"dispatcher": False}
    results = list(function.overloads.values())
    code = "\n".join(function.inspect_llvm().values())
    return {
        "dispatcher": True,
        "object_mode": any(result.objectmode or result.lifted for result in results),
        "blas": [name for name in ("numba_xxgemm", "numba_xxgemv", "numba_xxdot", "numba_ez_") if name in code],
    }


def _run_exercise(request, reply) -> None:
    asked = exercises.get(request["name"])
    asked.hide_answer()
    if request["watched"]:  # all but the trial of probe.py, which is to meet the sandbox itself
        _watch(reply)
    answer = student_set().get(asked.name, PYTHON).function
    for number, case in enumerate(request["cases"]):
        inputs = case["inputs"]
        try:
            result = asked.run_on(answer, inputs)
            reply(case=number, result=result, inputs={name: inputs[name] for name in asked.left_alone})
        except channel.NotSendable as problem:
            reply(case=number, error=["NotSendable", str(problem)])
        except channel.ChannelClosed:
            raise
        except BaseException as problem:
            reply(case=number, error=_error(problem))
            if isinstance(problem, (NotImplementedError, MemoryError)):
                return


_FORBIDDEN = tuple(
    "os.system os.exec os.fork os.forkpty os.posix_spawn os.spawn os.kill os.killpg os.remove os.rename os.mkdir"
    " os.rmdir os.chmod os.link os.symlink os.truncate os.putenv os.scandir os.listdir subprocess.Popen shutil."
    " socket. sqlite3. urllib.Request open".split()
)
_ODD = tuple(
    "ctypes. mmap. gc.get_objects gc.get_referrers gc.get_referents sys.settrace sys.setprofile"
    " sys.addaudithook".split()
)
"""Audit events of Python that an answer has no reason to cause. _FORBIDDEN ones fail, also where no sandbox sees to it;
_ODD ones are only reported, since a library may cause them as well."""
_MOST_REPORTS = 20


def _watch(reply) -> None:
    """Report what an answer has no reason to do. An answer needs no files, processes or network."""
    allowed = (*(str(path) for path in sandbox.system_paths() if path.is_dir()), str(paths.PACKAGE), os.devnull)
    private = str(paths.PACKAGE / "exercises")
    count = 0

    def hook(event, arguments):
        nonlocal count
        if not event.startswith(_FORBIDDEN + _ODD) or (event.startswith("open") and event != "open"):
            return
        detail = str(arguments[0])[:200] if arguments else ""
        if event in ("open", "os.listdir", "os.scandir"):
            writes = event == "open" and len(arguments) > 1 and any(c in str(arguments[1]) for c in "wax+")
            inside = detail.startswith(allowed) and not detail.startswith(private)
            if not writes and (inside or detail.startswith(str(current().student))):
                return
        count += 1
        if count <= _MOST_REPORTS:
            reply(tried=[event, detail])
        if event.startswith(_FORBIDDEN):
            raise PermissionError(f"{event} is not allowed here")

    sys.addaudithook(hook)


_RUNS = {PYTHON: _run_exercise, "cpu": _run_kernel, "cuda": _run_cuda_kernel}


_KNOWN = ("numba", "numpy", "llaisys_mini", "autograder")


def _error(problem: BaseException) -> list[str]:
    """Kind and text of an exception. The text may hold inputs: the judge decides who sees it."""
    try:
        text = str(problem)[:4000]
    except BaseException:
        text = ""
    kind = type(problem)
    known = kind.__module__ in ("builtins",) or kind.__module__.split(".")[0] in _KNOWN
    return [kind.__name__ if known else "an exception of its own", text]


if __name__ == "__main__":
    main()
