"""The process that asks the compiler. It reads a request a line and writes an answer a line, both JSON.

A warm parent has imported the compiler and used it once. Each kernel is compiled by a child of it, with limits: what
the compiler does with an odd kernel ends with that child.
"""

import json
import os
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from autograder.compiler import PATIENCE
from autograder.sandbox import limits
from llaisys_mini.checks.compile_errors import describe
from llaisys_mini.checks.compiles import cause
from llaisys_mini.cuda.availability import ARCHITECTURE, why_no_compiler
from llaisys_mini.cuda.jit import CudaKernel, jit
from llaisys_mini.errors import KernelError
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.kernels.sets import REFERENCE, student_set

_SECONDS = 60
MOST_LINES, MOST_OF_A_LINE = 10, 300
_ALLOWED = limits.Limits(wall=PATIENCE - 15, cpu=_SECONDS, memory=6 << 30, file_size=256 << 20, files=256)


def main() -> None:
    reason = why_no_compiler()
    if reason:
        _say(not_ready=reason)
        return
    _warm_up()
    _say(ready=True)
    for line in sys.stdin:
        _say(**_in_a_child(json.loads(line)))


def _say(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _warm_up() -> None:
    from llaisys_mini.cuda.compiler import compile_for

    def nothing(out):
        out[0] = np.float32(0)

    compile_for(jit(nothing), [np.zeros(1, np.float32)], ARCHITECTURE)


def _in_a_child(request: dict) -> dict:
    folder = Path(tempfile.mkdtemp())
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            limits.apply(_ALLOWED)
            why_not = _why_not(request, folder)
            answer = {"failed": "no kernel of the cell was launched"}
            if why_not is not None:  # of bounded length, whatever the line is that the compiler refuses
                answer = {"why_not": "\n".join(line[:MOST_OF_A_LINE] for line in why_not.split("\n")[:MOST_LINES])}
        except BaseException as problem:
            answer = {"failed": f"{type(problem).__name__} in the compiler"}
        finally:
            os.write(write, json.dumps(answer).encode())
            os._exit(0)
    os.close(write)
    said, end = b"", time.monotonic() + _ALLOWED.wall
    while select.select([read], [], [], max(0.0, end - time.monotonic()))[0]:
        piece = os.read(read, 1 << 16)
        if not piece:
            break
        said += piece
    os.close(read)
    os.kill(child, signal.SIGKILL)  # it has ended, or has to
    os.waitpid(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return json.loads(said)
    except ValueError:
        return {"failed": f"the compiler did not end within {_SECONDS} s, or took too much memory"}


def _why_not(request: dict, folder: Path) -> str | None:
    """Why one of the kernels does not compile; empty if they all do; None if the module has none of them."""
    from llaisys_mini.cuda.compiler import compile_for

    path = folder / "cuda" / f"{request['operator']}.py"
    path.parent.mkdir()
    path.write_text(request["source"], encoding="utf-8")
    with Runtime(student=folder, solutions=False, keeps_compiled=False, answers=REFERENCE).in_force():
        kernel = student_set().get(request["operator"], "cuda")
    known, found = kernel.function.__globals__, False
    for name, kinds in request["launches"]:
        launched = known.get(name)
        if not isinstance(launched, CudaKernel) or launched.is_device:
            continue  # a kernel of the course's, such as a reduction
        found = True
        try:
            compile_for(launched, [_argument(kind) for kind in kinds], ARCHITECTURE)
        except KernelError as problem:
            return "\n".join(describe(cause(problem), kernel.path))
    return "" if found else None


def _argument(kind: str) -> Any:
    """An argument of this type; its value does not matter."""
    array = re.fullmatch(r"array (\w+) (\d)", kind)
    if array:
        return np.zeros((1,) * int(array[2]), array[1])
    plain_ones: dict[str, Any] = {"none": None, "bool": False, "int": 0, "float": 0.0}
    return plain_ones[kind] if kind in plain_ones else np.dtype(kind).type(0)


if __name__ == "__main__":
    main()
