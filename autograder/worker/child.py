"""What one forked child of the worker does: lock itself in, load a student's code, run it, send back what came out.

It holds no expected outputs.
"""

import dataclasses
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

from autograder import channel, sandbox
from autograder.sandbox.limits import Limits
from autograder.worker import answers, gpu
from autograder.worker.helper import keep_only
from autograder.worker.remote import Peer, told
from llaisys_mini import exercises, operators, paths
from llaisys_mini.checks.bounds import BoundsCheck
from llaisys_mini.checks.compile_errors import COMPILE_ERRORS, describe
from llaisys_mini.checks.guard_zones import GuardZones
from llaisys_mini.devices.opaque import HostComputation
from llaisys_mini.inspect import codegen, traffic
from llaisys_mini.kernels.registry import PYTHON
from llaisys_mini.kernels.runtime import Runtime, current
from llaisys_mini.kernels.sets import REFERENCE, student_set
from llaisys_mini.sanitizer.findings import RUNAWAY


def _runtime(scratch: Path) -> Runtime:
    """How operators and exercises are answered here: by the code in `scratch` and by references. The course's kernels
    answer nothing, and nothing is kept on disk: a cache that one student's code writes and another's loads would be a
    way from one to the other."""
    return Runtime(student=scratch, solutions=False, keeps_compiled=False, answers=REFERENCE)


def run(source: int, sink: int, scratch: Path, level: str, limits: Limits) -> None:
    """Run a kernel: the judge's request comes from `source`, replies go to `sink`."""
    source, sink = keep_only(source, sink)
    request = channel.receive(source)
    lock = threading.Lock()

    def reply(**message):
        with lock:
            channel.send(sink, message)

    try:
        _write(scratch, request["device"], request)
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
        reply(error=told(problem)[:2])


def run_answer(line: int, scratch: Path, level: str, limits: Limits) -> None:
    """Load an answer to an exercise, and run what the helper at the other end of `line` asks for (helper.py)."""
    [line] = keep_only(line)
    request = channel.receive(line)
    try:
        _write(scratch, PYTHON, request)
        sandbox.restrict(level, scratch, limits)
    except Exception as problem:
        channel.send(line, {"sandbox": f"{type(problem).__name__}: {problem}"})
        return
    channel.send(line, {"locked in": True})

    def load(_) -> dict:
        asked = exercises.get(request["name"])
        answers.come_from(peer, asked)
        if request["watched"]:  # all but the trial of probe.py, which is to meet the sandbox itself
            _watch(peer.tell)
        return {"result": asked.adapted(student_set().get(asked.name, PYTHON).function)}

    peer = Peer(line, gives_attributes=True, load=load)
    try:
        with _runtime(scratch).in_force():
            peer.serve()
    except (channel.ChannelClosed, channel.ChannelError):
        return  # the helper has ended, or something here has written to the line


def _write(scratch: Path, device: str, request: dict) -> None:
    folder = scratch / device
    folder.mkdir(exist_ok=True)
    (folder / f"{request['name']}.py").write_text(request["source"], encoding="utf-8")


def _run_kernel(request, reply) -> None:
    contract = operators.get(request["name"])
    os.environ["NUMBA_NUM_THREADS"] = "2"
    kernel = student_set().get(contract.name, request["device"])
    compiled, bounds = False, BoundsCheck(kernel, always=request["crashed"])
    for number, case in enumerate(request["cases"]):
        zones = GuardZones()
        inputs, outputs = zones.around_call(contract, case["inputs"], _empty(case))
        try:
            outside = bounds.outside(case["inputs"], _empty(case))
            if outside:
                reply(case=number, error=["OutOfBounds", outside])
                continue
            # Facts are of the kernel's own machine code; for results alone it is not compiled a second time.
            ran = kernel if request["explain"] else bounds.stand_in or kernel
            contract.run_with(ran, inputs, outputs)
        except BaseException as problem:
            if isinstance(problem, COMPILE_ERRORS):
                reply(case=number, error=["DoesNotCompile", "\n".join(describe(problem, kernel.path))])
            else:
                reply(case=number, error=told(problem)[:2])
            if isinstance(problem, (NotImplementedError, MemoryError)):
                return
            if not compiled and isinstance(problem, COMPILE_ERRORS):
                return
            continue
        if not compiled:
            compiled = True
            reply(compiled=_compiled(ran.function))
        overrun = zones.overrun()
        place = bounds.place(case["inputs"], _empty(case)) if overrun else None
        reply(case=number, outputs=outputs, inputs=inputs, out_of_bounds=[place] if place else overrun)
    if request["explain"]:
        reply(explained=_facts(lambda: codegen.examine(contract, kernel)))
    for number, inputs in enumerate(request["traffic"]):
        reply(traffic=_facts(lambda inputs=inputs: traffic.count_traffic(contract.name, inputs)), number=number)


def _empty(case) -> list[np.ndarray]:
    return [np.full(shape, fill, dtype) for dtype, shape, fill in case["outputs"]]


def _run_cuda_kernel(request, reply) -> None:
    contract = operators.get(request["name"])
    _watch(lambda message: reply(**message))
    kernel = student_set().get(contract.name, request["device"])
    for number, case in enumerate(request["cases"]):
        inputs, outputs = case["inputs"], _empty(case)
        try:
            found = gpu.run(contract, kernel, inputs, outputs, case["counts"])
        except BaseException as problem:
            reply(case=number, error=told(problem)[:2])
            if isinstance(problem, (NotImplementedError, MemoryError, HostComputation)):
                return
            continue
        reply(case=number, outputs=outputs, inputs=inputs, **found)
        if any(kind == RUNAWAY for kind, *_ in found["findings"]):  # it takes seconds to find out once
            return


def _facts(measure) -> dict:
    try:
        return dataclasses.asdict(measure())
    except Exception as problem:
        return {"error": told(problem)[:2]}


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


def _watch(tell) -> None:
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
            tell({"tried": [event, detail]})
        if event.startswith(_FORBIDDEN):
            raise PermissionError(f"{event} is not allowed here")

    sys.addaudithook(hook)


_RUNS: dict[str, Callable] = {"cpu": _run_kernel, "cuda": _run_cuda_kernel}
