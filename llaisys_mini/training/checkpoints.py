"""Checkpoints of a training: everything that decides how it goes on, in one file.

A file is written beside its place and renamed, so that a process killed at any moment leaves whole checkpoints only.
The latest two are kept: if the last one turns out damaged, the one before it serves.
"""

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from llaisys_mini.errors import CheckpointError, TrainingError, warn_about_checkpoint
from llaisys_mini.weights.checkpoint import save_safetensors

_NAME = re.compile(r"step-(\d{6,})\.safetensors")
_KEPT = 2


@dataclass(frozen=True)
class State:
    """What was reached. step: how many steps were taken; arrays: weights, optimisers and losses by name."""

    step: int
    arrays: Mapping[str, np.ndarray]


def save(folder: Path, state: State) -> None:
    """Write the checkpoint of `state`, then remove those before the last two.

    Raises TrainingError where it cannot be written; earlier ones are untouched then.
    """
    metadata = {"step": str(state.step), "checksum": _checksum(state.arrays)}
    before = _found(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_safetensors(_path(folder, state.step), state.arrays, metadata)
    except (OSError, CheckpointError) as problem:
        whole = f"The one of step {max(before)} is whole" if before else "There is none yet"
        reason = str(problem).rstrip(".")
        raise TrainingError(
            f"The checkpoint of step {state.step} is not there: {reason}. {whole}; the same command goes on from there."
        ) from problem
    for step in sorted(_found(folder))[:-_KEPT]:
        _path(folder, step).unlink()


def newest(folder: Path) -> State | None:
    """The last whole checkpoint; None if there is none yet. Warns of damaged ones, which are passed over.

    Raises TrainingError if all are damaged.
    """
    steps = sorted(_found(folder), reverse=True)
    for step in steps:
        path = _path(folder, step)
        try:
            return _read(path)
        except (OSError, SafetensorError, KeyError, ValueError) as problem:
            warn_about_checkpoint(f"{path} is damaged ({problem}); the checkpoint before it is used.")
    if steps:
        raise TrainingError(f"All checkpoints in {folder} are damaged. Remove that folder to begin anew.")
    return None


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for path in folder.glob(".step-*.tmp"):
        path.unlink(missing_ok=True)


def _read(path: Path) -> State:
    with safe_open(path, "numpy") as file:
        metadata = file.metadata() or {}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    if metadata.get("checksum") != _checksum(arrays):
        raise ValueError("its checksum does not fit")
    return State(int(metadata["step"]), arrays)


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """CRC-32 over names and numbers: it finds accidents, not forgeries."""
    found = 0
    for name in sorted(arrays):
        found = zlib.crc32(np.ascontiguousarray(arrays[name]).tobytes(), zlib.crc32(name.encode(), found))
    return f"{found:08x}"


def _found(folder: Path) -> list[int]:
    matches = [_NAME.fullmatch(entry) for entry in os.listdir(folder)] if folder.is_dir() else []
    return [int(match[1]) for match in matches if match]


def _path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.safetensors"
