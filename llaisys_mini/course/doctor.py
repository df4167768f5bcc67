"""`llaisys-mini doctor`: what this machine offers, what is wrong with it, and how to fix it.

Each line is a fact with a verdict. Nothing here fails because something is absent; that is the finding.
"""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llaisys_mini import paths
from llaisys_mini.files import nearest_folder


@dataclass(frozen=True)
class Finding:
    """One examined thing. verdict: "ok", "note" (works without it) or "bad"; remedy: what to do, or empty."""

    what: str
    state: str
    verdict: str = "ok"
    remedy: str = ""


def examine() -> int:
    """Print all findings. Returns the exit code: 1 if anything is bad, else 0."""
    from rich.table import Table
    from rich.text import Text

    from llaisys_mini.console import console

    findings = [finding for part in _PARTS for finding in part()]
    table = Table(box=None, pad_edge=False, show_header=False)
    colours = {"ok": "green", "note": "yellow", "bad": "bold red"}
    for finding in findings:
        remedy = f"\n{finding.remedy}" if finding.remedy else ""
        state = Text(finding.state + remedy, overflow="fold")
        table.add_row(f"[{colours[finding.verdict]}]{finding.verdict}[/]", finding.what, state)
    console().print(table)
    return 1 if any(finding.verdict == "bad" for finding in findings) else 0


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info < (3, 11):  # noqa: UP036 - a doctor looks at what is there
        yield Finding("Python", version, "bad", "llaisys_mini needs Python 3.11 or newer")
    else:
        yield Finding("Python", f"{version} on {platform.system()} {platform.machine()}")
    for package in ("numpy", "numba", "llvmlite", "ml_dtypes", "safetensors", "tokenizers", "jinja2"):
        try:
            state, verdict, remedy = importlib.metadata.version(package), "ok", ""
        except importlib.metadata.PackageNotFoundError:
            state, verdict, remedy = "not installed", "bad", f"pip install {package}"
        yield Finding(package, state, verdict, remedy)


def _numba() -> Iterator[Finding]:
    try:
        import numba
        import numpy as np
    except ImportError as problem:
        yield Finding("Numba", f"cannot be imported: {problem}", "bad", "pip install -e . in a fresh environment")
        return
    from llaisys_mini.operators.add import add

    numbers = np.ones(1 << 17, np.float32)
    add(numbers, numbers)  # starts the thread pool, so that the layer is known
    yield Finding("threads", f"{numba.get_num_threads()} of {os.cpu_count()} cores")
    try:
        yield Finding("threading layer", numba.threading_layer())
    except ValueError:
        yield Finding("threading layer", "not started", "note", "no parallel kernel ran")


def _folders() -> Iterator[Finding]:
    from llaisys_mini.kernels.sets import solutions_set, student_set

    solutions = solutions_set()
    count = len(solutions.written())
    if count:
        yield Finding("the course's kernels", f"{count} in {solutions.folder}")
    else:
        yield Finding(
            "the course's kernels", f"none in {solutions.folder}", "note", "the NumPy reference answers, slowly"
        )
    yield _own_kernels(student_set())
    model = paths.shipped_model()
    if (model / "model.safetensors").is_file():
        yield Finding("the shipped model", str(model))
    else:
        yield Finding("the shipped model", f"missing: {model}", "bad", "clone the repository again, or pass --model")
    if solutions.has("add", "cpu"):
        yield _kernel_cache(solutions.get("add", "cpu").function)


_ROOM = 20 << 20
"""Bytes. The kernels that the shipped model calls take half of it, compiled."""
_MAKE_ROOM = f"make room, at least {_ROOM >> 20} MB"


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < _ROOM


def _own_kernels(kernels) -> Finding:
    """How many kernels the learner has, and whether another can be saved."""
    what, state, there = "your kernels", f"{len(kernels.written())} in {kernels.folder}", nearest_folder(kernels.folder)
    if _is_full(there):
        return Finding(what, state, "note", f"the disk is full: {_MAKE_ROOM}")
    if there.is_dir() and os.access(there, os.W_OK):
        return Finding(what, state)
    state += f", where none can be saved: {there} cannot be written"
    return Finding(what, state, "note", f"set {paths.STUDENT_VARIABLE} to a folder that can be written")


def _kernel_cache(function) -> Finding:
    """Where the compiled form of this function of the course is kept."""
    from llaisys_mini.kernels import compiled

    what, chosen, place = "kernel cache", os.environ.get("NUMBA_CACHE_DIR"), compiled.place(function)
    if place is None:
        remedy = "set NUMBA_CACHE_DIR to a folder that can be written"
        return Finding(what, "no folder can be written, so each start compiles the kernels again", "note", remedy)
    if place.exists() and _is_full(place):
        return Finding(what, str(place), "note", f"the disk is full, so each start compiles again: {_MAKE_ROOM}")
    if chosen and not place.is_relative_to(Path(chosen).absolute()):
        state = f"{place}, since NUMBA_CACHE_DIR={chosen} cannot be written"
        return Finding(what, state, "note", "set NUMBA_CACHE_DIR to a folder that can be written")
    if chosen or place.is_relative_to(paths.course_root()):
        return Finding(what, chosen or str(place))
    state = f"{place}, since {paths.course_root()} is read-only"
    return Finding(what, state, "note", "set NUMBA_CACHE_DIR to a writable folder to choose another")


def _cuda() -> Iterator[Finding]:
    from llaisys_mini.cuda import availability

    parts = availability.parts()
    for part in parts:
        yield Finding(part.name, part.problem or part.state, "note" if part.problem else "ok", part.remedy)
    if any(part.problem for part in parts):
        checked = "checked by the sanitizer" + (
            " and compiled for three GPUs" if not availability.why_no_compiler() else ""
        )
        yield Finding("CUDA kernels", f"{checked}, on the CPU; what runs on the CPU needs none of this", "note")
        return
    try:
        from numba import cuda

        cuda.current_context()
        name = cuda.get_current_device().name
        yield Finding("CUDA device", name.decode() if isinstance(name, bytes) else name)
    except Exception as problem:  # whatever a broken driver raises is the finding
        yield Finding("CUDA device", f"does not answer: {availability.first_line(problem)}", "note")


_PARTS = (_python, _numba, _folders, _cuda)
