"""Run a program or a mutant of it: under the sanitizer here, or in Numba's simulator in a process of its own."""

import json
import linecache
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.errors import KernelError
from tests.cuda.mutants.catalogue import MUTANTS, Mutant

PROGRAMS = Path(__file__).with_name("programs")
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py"))
LOOP_LIMIT = 2000
PATIENCE = 10.0  # seconds for one mutant in the simulator, which takes about 0.1 s for most programs


def source_of(program: str) -> str:
    return (PROGRAMS / f"{program}.py").read_text(encoding="utf-8")


def namespace(source: str, filename: str) -> dict:
    """The names that a program defines; its source can be found by inspect."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    names = {"__name__": filename}
    exec(compile(source, filename, "exec"), names)
    return names


def is_right(names: dict, arrays: dict, before: dict) -> bool:
    """Whether the outputs are what the program should compute."""
    got = names["result"](**arrays) if "result" in names else arrays["out"]
    expected = names["expected"](**before)
    return bool(np.allclose(got, expected, rtol=1e-4, atol=1e-5))


def inputs(names: dict) -> tuple[dict, dict]:
    """The arguments of a launch, and a copy of them."""
    arrays = names["inputs"](np.random.default_rng(0))
    return arrays, {name: np.copy(value) for name, value in arrays.items()}


@dataclass(frozen=True)
class Outcome:
    """kinds: what the sanitizer found, with the source lines; is_right: whether the numbers were right;
    remarks: kinds of what it remarked."""

    kinds: list[str]
    lines: list[str]
    is_right: bool
    messages: list[str]
    remarks: tuple[str, ...] = ()


def sanitized(source: str, filename: str, order: str = "forward") -> Outcome:
    """Run a program under the sanitizer."""
    names = namespace(source, filename)
    arrays, before = inputs(names)
    outputs = [arrays[name] for name in names.get("OUTPUTS", ("out",))]
    with cuda.sanitized(outputs=outputs, order=order, raises=False, loop_limit=LOOP_LIMIT) as report:
        try:
            names["launch"](**arrays)
        except KernelError as problem:
            return Outcome([type(problem).__name__], [], False, [str(problem)])
    found = report.findings
    return Outcome(
        [f.kind for f in found],
        [f.source for f in found],
        is_right(names, arrays, before),
        list(map(str, found)),
        tuple(f.kind for f in report.remarks),
    )


def launch(name: str) -> bool:
    """Launch a program ("add") or a mutant ("add: guard dropped") where kernels run now. Returns whether it was right.

    For tools that watch a process from outside, such as compute-sanitizer.
    """
    program, _, what = name.partition(": ")
    source = source_of(program)
    if what:
        (mutant,) = [mutant for mutant in MUTANTS if (mutant.program, mutant.name) == (program, what)]
        source = mutant.applied(source)
    names = namespace(source, f"<{name}>")
    arrays, before = inputs(names)
    names["launch"](**arrays)
    cuda.synchronize()
    return is_right(names, arrays, before)


# ---- Numba's simulator -----------------------------------------------------------------------------------------------


def in_simulator(mutants: list[Mutant]) -> list[str]:
    """Numba's simulator on each: an exception's name, "wrong result", "hangs", "cannot run" or "not detected"."""
    sources = [
        mutant.applied(source_of(mutant.program)).replace("llaisys_mini import", "numba import") for mutant in mutants
    ]
    verdicts: list[str] = []
    while len(verdicts) < len(sources):
        verdicts += _simulate(sources[len(verdicts) :])
    return verdicts


def _simulate(sources):
    """Verdicts until the first that hangs."""
    child = subprocess.Popen(
        [sys.executable, "-c", "from tests.cuda.mutants.running import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=Path(__file__).parents[3],
    )
    answers: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: [answers.put(line) for line in child.stdout], daemon=True).start()
    verdicts = []
    try:
        answers.get(timeout=60)  # it has started
        for source in sources:
            child.stdin.write(json.dumps(source) + "\n")
            child.stdin.flush()
            try:
                verdicts.append(json.loads(answers.get(timeout=PATIENCE)))
            except queue.Empty:
                verdicts.append("hangs")
                break
    finally:
        child.kill()
        child.wait()
    return verdicts


_MISSING_THERE = ("shfl", "ballot_sync", "syncwarp", "popc", "activemask", "any_sync", "all_sync")


def serve() -> None:
    """In the simulator's process: a source per line comes in, a verdict per line goes out."""
    print(json.dumps("ready"), flush=True)
    for number, line in enumerate(sys.stdin):
        source = json.loads(line)
        try:
            names = namespace(source, f"<simulated {number}>")
            arrays, before = inputs(names)
            names["launch"](**arrays)
            verdict = "not detected" if is_right(names, arrays, before) else "wrong result"
        except BaseException as problem:
            text = f"{type(problem).__name__}: {problem}"
            is_missing = "AttributeError" in text and any(word in text for word in _MISSING_THERE)
            is_missing = is_missing or "not supported in cudasim" in text
            verdict = "cannot run" if is_missing else type(problem).__name__
        print(json.dumps(verdict), flush=True)
