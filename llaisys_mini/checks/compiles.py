"""Whether the kernels that a launcher starts compile for a GPU: asked of the compiler while a check runs.

The compiler takes seconds, most of them to start. So it works in a process of its own, for one architecture, while the
sanitizer runs the kernel; what it said of a file is kept, and not asked again until the file changes.
"""

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from llaisys_mini import operators, paths
from llaisys_mini.checks.compare import empty_outputs
from llaisys_mini.cuda.availability import ARCHITECTURE, why_no_compiler
from llaisys_mini.cuda.jit import RecordedLaunch, recorded_launches
from llaisys_mini.errors import KernelError
from llaisys_mini.files import write_atomically
from llaisys_mini.kernels import choice
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.sets import student_set

_PATIENCE = 120.0  # seconds; a kernel with many unrolled loops takes some
_KEPT = 200  # answers


class Compilation:
    """What the compiler says about a kernel's file, once it has said it. process: None where the answer is known."""

    def __init__(self, key: str, answer: str | None, process: subprocess.Popen | None = None):
        self._key, self._answer, self._process = key, answer, process

    def answer(self) -> str | None:
        """Why the kernel does not compile, in a few lines; "" if it does; None where that cannot be found out."""
        if self._answer is None and self._process is not None:
            try:
                text, _ = self._process.communicate(timeout=_PATIENCE)
                self._answer = json.loads(text)
            except (subprocess.TimeoutExpired, ValueError):  # no answer, as of a process that was killed
                return None
            if self._answer is not None:
                _keep(self._key, self._answer)
        return self._answer

    def stop(self) -> None:
        """End the process, if it has not ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def meanwhile(kernel: Kernel) -> Iterator[Compilation]:
    """Within this context the compiler works on a kernel for "cuda", where it is installed."""
    compilation = _begun(kernel)
    try:
        yield compilation
    finally:
        compilation.stop()


def _begun(kernel: Kernel) -> Compilation:
    nothing = Compilation("", None)
    if kernel.device != "cuda" or kernel.path is None or not _is_installed():
        return nothing
    key = _key(kernel.path)
    known = _read().get(key)
    if isinstance(known, str):
        return Compilation(key, known)
    command = [sys.executable, "-P", "-m", "llaisys_mini.checks.compiles", kernel.operator, kernel.kernel_set]
    surroundings = os.environ | {paths.STUDENT_VARIABLE: str(student_set().folder)}
    try:
        process = subprocess.Popen(
            command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:  # such as no memory for another process: the check goes on without it
        return nothing
    return Compilation(key, None, process)


def _is_installed() -> bool:
    """Without importing numba-cuda, which takes a second: the process finds out whether it works."""
    try:
        return bool(version("numba-cuda"))
    except ImportError:
        return False


def _key(path: Path) -> str:
    said_by = f"{version('numba-cuda')} {version('llaisys_mini')} {ARCHITECTURE}\n"
    return hashlib.sha256(said_by.encode() + path.read_bytes()).hexdigest()


def _file() -> Path:
    return student_set().folder / ".compiled.json"


def _read() -> dict:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a lost file costs a repeated compilation, nothing else
        return {}
    return found if isinstance(found, dict) else {}


def _keep(key: str, answer: str) -> None:
    answers = _read() | {key: answer}
    with suppress(OSError):  # it is asked again the next time
        write_atomically(_file(), json.dumps(dict(list(answers.items())[-_KEPT:]), indent=1) + "\n")


# ---- what is compiled ------------------------------------------------------------------------------------------------


def distinct_launches(kernel: Kernel, cases: Iterable) -> list[RecordedLaunch]:
    """The launches of a kernel on these cases, recorded, not run; one of each kernel, argument types and block size."""
    from llaisys_mini.cuda.compiler import numba_type

    operator = operators.get(kernel.operator)
    distinct: dict[tuple, RecordedLaunch] = {}
    for case in cases:
        with recorded_launches() as launches:
            operator.run_with(kernel, case.inputs, empty_outputs(operator, case.inputs))
        for launch in launches:
            types = tuple(str(numba_type(argument)) for argument in launch.arguments)
            distinct.setdefault((launch.kernel, types, math.prod(launch.block)), launch)
    return list(distinct.values())


def why_not(kernel: Kernel) -> str:
    """Why the kernels that `kernel` launches on its public float32 cases do not compile; empty if they do."""
    from llaisys_mini.checks.compile_errors import describe
    from llaisys_mini.cuda.compiler import compile_for, parts_of

    for launch in distinct_launches(kernel, operators.get(kernel.operator).make_cases(storages=("float32",))):
        architecture = max(ARCHITECTURE, parts_of(launch.kernel)[0].__globals__.get("LOWEST_ARCHITECTURE", ""))
        try:
            compile_for(launch.kernel, launch.arguments, architecture)
        except KernelError as problem:
            return "\n".join(describe(cause(problem), kernel.path))
    return ""


def cause(problem: Exception) -> Exception:
    """What the compiler itself raised, of what compile_for raises."""
    return problem.__cause__ if isinstance(problem.__cause__, Exception) else problem


def _main(operator: str, kernel_set: str) -> None:
    """In the process: print the answer as JSON."""
    answer = None if why_no_compiler() else why_not(choice.from_set(kernel_set, operator, "cuda"))
    print(json.dumps(answer))


if __name__ == "__main__":
    _main(*sys.argv[1:])
