"""Data-parallel training: each process computes the gradients of its share of a batch, and all average them over MPI.

Every process holds all weights and takes the same steps, so their weights stay the same, and the losses are those of
one process but for the rounding of sums. How numbers travel is left to the MPI library (mpi4py, extra `mpi`).
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from llaisys_mini.errors import TrainingError
from llaisys_mini.training.decoder import Weights
from llaisys_mini.training.recipe import Recipe

BUCKET = 1 << 20  # numbers that travel together: few messages, and the first is under way while the next is filled
TOLD = 2  # exit status after an error that was told, as of every command
INSTALL = "pip install 'llaisys_mini[mpi]'"
_STARTED_BY = ("PMI_SIZE", "PMIX_RANK", "OMPI_COMM_WORLD_SIZE")  # set by mpiexec of MPICH, of PMIx, of Open MPI
_BANNER = ("====", "=   ", "YOUR APPLICATION TERMINATED", "This typically refers", "Please see the FAQ")  # of MPICH

Value = TypeVar("Value")


class Alone:
    """One process. rank: the number of this one of `size`; the first, 0, writes files and speaks."""

    rank, size = 0, 1

    def share_of(self, ids: np.ndarray) -> np.ndarray:
        """This process's texts of a batch [L + 1, B]: [L + 1, B / size]."""
        return ids

    def average(self, loss: float, gradients: Weights) -> float:
        """Put the means over all processes in the place of `gradients`; returns the mean loss."""
        return loss

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What `make` gives in the first process, in all."""
        return make()

    def end(self, problem: BaseException) -> None:
        """End all processes because of an error in this one."""
        raise problem


class Processes(Alone):
    """The processes that mpiexec started. communicator: an mpi4py Comm; the default is that of all of them."""

    def __init__(self, communicator: Any = None):
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as problem:  # RuntimeError: no MPI library is found
            raise TrainingError(f"mpiexec started this, but mpi4py cannot be used ({problem}): {INSTALL}") from None
        self._mpi = MPI
        self._all = MPI.COMM_WORLD if communicator is None else communicator
        self.rank, self.size = self._all.Get_rank(), self._all.Get_size()

    def share_of(self, ids: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.split(ids, self.size, axis=1)[self.rank])

    def average(self, loss: float, gradients: Weights) -> float:
        under_way = []
        for names in buckets(gradients):
            numbers = np.concatenate([gradients[name].reshape(-1) for name in names])
            under_way.append((names, numbers, self._all.Iallreduce(self._mpi.IN_PLACE, numbers)))
        for names, numbers, request in under_way:
            request.Wait()
            numbers *= np.float32(1 / self.size)
            start = 0
            for name in names:
                end = start + gradients[name].size
                gradients[name] = numbers[start:end].reshape(gradients[name].shape)
                start = end
        return self._all.allreduce(loss) / self.size

    def from_first(self, make: Callable[[], Value]) -> Value:
        return self._all.bcast(make() if self.rank == 0 else None)

    def end(self, problem: BaseException) -> None:
        """An error that all meet is told by the first alone: the others leave it a moment."""
        if self.rank:
            time.sleep(2)
        print(f"llaisys-mini: {problem}", file=sys.stderr, flush=True)
        self._all.Abort(TOLD)
        os._exit(TOLD)  # where Abort comes back before the process is ended


def buckets(gradients: Weights, most: int = BUCKET) -> list[list[str]]:
    """The names in their order, in groups of at most `most` numbers together; a larger array is a group by itself."""
    groups: list[list[str]] = []
    filled = most
    for name, gradient in gradients.items():
        if filled + gradient.size > most:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += gradient.size
    return groups


def group() -> Alone:
    """The processes that this one belongs to. Raises TrainingError where mpiexec started it and mpi4py is missing."""
    return Processes() if any(name in os.environ for name in _STARTED_BY) else Alone()


def require_equal_shares(recipe: Recipe, size: int) -> None:
    """Raises TrainingError if `size` processes cannot take equal shares of a batch."""
    if recipe.sequences % (size * recipe.parts):
        raise TrainingError(
            f"{recipe.sequences} texts of a step cannot be shared equally among {size} processes"
            + (f" that take them in {recipe.parts} parts" if recipe.parts > 1 else "")
        )


def start(processes: int, command: Sequence[str]) -> int:
    """Run `command` in so many processes under mpiexec and wait for them; returns their exit status: 0, TOLD, 1 where
    Python itself told of an error, and anything else where a process died.

    Raises TrainingError where there is no mpiexec.
    """
    beside = Path(sys.executable).parent / "mpiexec"  # where pip puts it
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        raise TrainingError(f"There is no mpiexec, which starts the processes: {INSTALL}")
    environment = dict(os.environ)
    environment.setdefault("NUMBA_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    with subprocess.Popen(
        [mpiexec, "-n", str(processes), *command], stdout=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.strip() and not line.startswith(_BANNER):
                print(line, end="", flush=True)
    return running.returncode
