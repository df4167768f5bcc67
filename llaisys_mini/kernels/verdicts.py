"""Which of the learner's kernels passed their check: remembered beside them in `student/.verdicts.json`.

A verdict belongs to the exact source that was checked. Edit the file and the verdict is void.
"""

import hashlib
import json
from pathlib import Path

from llaisys_mini import paths
from llaisys_mini.files import write_atomically
from llaisys_mini.kernels.sets import student_set


def passed_storages(operator: str, device: str) -> tuple[str, ...]:
    """Storage dtypes ("float32", ...) for which the learner's present kernel passed its check; empty if none."""
    path = student_set().path(operator, device)
    if not path.is_file():
        return ()
    verdict = _read().get(f"{device}/{operator}")
    return tuple(verdict["storages"]) if verdict and verdict["source"] == _digest(path) else ()


def was_checked(operator: str, device: str) -> bool:
    """Whether the learner's present kernel has been checked at all."""
    path = student_set().path(operator, device)
    verdict = _read().get(f"{device}/{operator}")
    return verdict is not None and path.is_file() and verdict["source"] == _digest(path)


def remember(operator: str, device: str, storages: tuple[str, ...]) -> str | None:
    """Write down for which storage dtypes the learner's present kernel passed; none means that it failed.

    Returns a sentence if it cannot be written down, else None.
    """
    verdicts = _read()
    path = student_set().path(operator, device)
    verdicts[f"{device}/{operator}"] = {"source": _digest(path), "storages": list(storages)}
    try:
        write_atomically(_file(), json.dumps(verdicts, indent=1, sort_keys=True) + "\n")
    except OSError as problem:
        return (
            f"this result cannot be kept in {_file().parent} ({problem.strerror}), so the model will not use the "
            f"kernel: make room there, or set {paths.STUDENT_VARIABLE} to a folder that can be written"
        )
    return None


def _file() -> Path:
    return student_set().folder / ".verdicts.json"


def _read() -> dict:
    try:
        return json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a lost or damaged file costs a repeated check, nothing else
        return {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
