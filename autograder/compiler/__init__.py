"""Whether graded CUDA kernels compile for a GPU: the judge's end of a process that asks NVIDIA's compiler.

The compiler writes temporary files, which the sandbox forbids. So it runs beside it, in a process that holds only what
the judge wrote from the parsed cell (kernels/language), and nothing of it is run: importing such a module binds
constants and functions. From the sandbox come the types of the arguments of each launch, as words that are checked. The
process has limits of its own; its time is none of the student's.
"""

import contextlib
import hashlib
import json
import re
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from autograder.plain import plain
from autograder.processes import await_end, bare_environment
from llaisys_mini.cuda.availability import ARCHITECTURE

STARTING = 120  # seconds that the process may take to start
PATIENCE = 90  # seconds for one kernel, of which the compiler may compute for fewer: see __main__
MOST_LAUNCHES, MOST_ARGUMENTS = 64, 64
_MOST_TEXT = 1000

_NUMBER = "(bool|u?int(8|16|32|64)|float(16|32|64))"
_WORD = re.compile(f"none|bool|int|float|{_NUMBER}|array {_NUMBER} [0-9]")

Launch = tuple[str, tuple[str, ...]]
"""The name of a kernel, and the types of its arguments: see llaisys_mini.sanitizer.report."""


class Compiled:
    """What the compiler says of a kernel. why_not: "" if it compiles, None where that was not found out; then not_run
    says why."""

    def __init__(self, why_not: str | None, not_run: str = ""):
        self.why_not, self.not_run = why_not, not_run

    def __str__(self) -> str:
        if self.why_not is None:
            return f"compiling for {ARCHITECTURE}: not run ({self.not_run})"
        return f"does not compile for {ARCHITECTURE}" if self.why_not else f"compiles for {ARCHITECTURE}"


def launches_of(value: object) -> set[Launch]:
    """The launches that a worker sent. Raises ValueError for anything else: a student's code may have written it."""
    if not isinstance(value, list) or len(value) > MOST_LAUNCHES:
        raise ValueError("no launches")
    found = set()
    for entry in value:
        if not isinstance(entry, (list, tuple)) or len(entry) < 1 or len(entry) > MOST_ARGUMENTS + 1:
            raise ValueError("no launch")
        name, *kinds = entry
        if not all(isinstance(word, str) for word in entry) or not name.isidentifier() or len(name) > 200:
            raise ValueError("no name of a kernel")
        if not all(_WORD.fullmatch(kind) for kind in kinds):
            raise ValueError("no type of an argument")
        found.add((name, tuple(kinds)))
    return found


_said: dict[str, Compiled] = {}  # by kernel text and launches, for all compilers of this process
_lock = threading.Lock()


class Compiler:
    """Starts the process when it is first asked, and remembers what was said of a text. Close it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._not_run = ""

    def ask(self, operator: str, source: str, launches: set[Launch]) -> Compiled:
        """What the compiler says of the kernels of the module `source` with arguments of these types."""
        if not launches:
            return Compiled(None, "no kernel was launched")
        request = json.dumps({"operator": operator, "source": source, "launches": sorted(launches)})
        key = hashlib.sha256(request.encode()).hexdigest()
        with _lock:
            known = _said.get(key)
        if known is not None:
            return known
        said = self._ask(request)
        if said.why_not is not None:
            with _lock:
                _said[key] = said
        return said

    def _ask(self, request: str) -> Compiled:
        if not self._start():
            return Compiled(None, self._not_run)
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()
            said = self._line(PATIENCE)
        except OSError:
            said = {}
        if isinstance(said.get("why_not"), str):
            return Compiled(plain(said["why_not"], _MOST_TEXT))
        if isinstance(said.get("failed"), str):
            return Compiled(None, plain(said["failed"], _MOST_TEXT))
        self.close()
        return Compiled(None, "the compiler ended")

    def _start(self) -> bool:
        """Whether the process runs. Where it cannot, why stands in _not_run, and it is not tried again."""
        if self._process is not None or self._not_run:
            return not self._not_run
        try:
            version("numba-cuda")
        except PackageNotFoundError:
            self._not_run = "numba-cuda is not installed"
            return False
        self._scratch = Path(tempfile.mkdtemp(prefix="llaisys_mini-compiling-"))
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-m", "autograder.compiler"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=bare_environment(self._scratch) | {"TMPDIR": str(self._scratch)},
            cwd=self._scratch,
        )
        said = self._line(STARTING)
        if said.get("ready") is not True:
            self.close()
            self._not_run = plain(str(said.get("not_ready", "the compiler does not start")), _MOST_TEXT)
        return not self._not_run

    def _line(self, seconds: float) -> dict:
        """The next line that the process writes, as JSON; empty if there is none in time."""
        assert self._process is not None and self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return {}
        try:
            said = json.loads(self._process.stdout.readline(1 << 20))
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}

    def close(self) -> None:
        """End the process, if it runs."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        await_end(self._process)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        shutil.rmtree(self._scratch, ignore_errors=True)
