"""What a launch costs in Python: until the kernel is in the device's queue, not until it has run.

A decode step is hundreds of launches, each of a few microseconds on the device. A captured step pays for one.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.gpu.rows import Clock, Row, each
from benchmarks.tables import NOT_RUN
from llaisys_mini import cuda
from llaisys_mini import operators as ops
from llaisys_mini.tensor import Tensor

PART = "launch"
LAUNCHES = 500  # between two waits; a device's queue holds about a thousand
ROUNDS = 5
ASKED = "40 µs"


@cuda.jit
def empty_kernel():
    """Nothing."""
    return


@cuda.jit
def kernel_with_arguments(a, b, c, d, number, count):
    """Nothing, but its arguments have to be handed over."""
    return


def rows(no_device: str | None, clock: Clock, reserve: float) -> Iterator[Row]:
    """Microseconds of Python for a launch."""
    if no_device:
        yield from (Row(PART, name, NOT_RUN, no_device) for name in WORKS)
        return
    yield from each(PART, WORKS, lambda name: [_measured(name, *WORKS[name]())], clock, reserve)


def _measured(name: str, launch: Callable[[], object], wait: Callable[[], object], asked: str = "") -> Row:
    figures: dict[str, float | str] = {"µs of Python": microseconds(launch, wait)}
    return Row(PART, name, "done", figures=figures | ({"asked": f"at most {asked}"} if asked else {}))


def microseconds(launch: Callable[[], object], wait: Callable[[], object]) -> float:
    """Host time of one launch, the best of ROUNDS; the waits between them are not counted."""
    launch()  # compiles
    best = float("inf")
    for _ in range(ROUNDS):
        wait()
        start = time.perf_counter()
        for _ in range(LAUNCHES):
            launch()
        best = min(best, time.perf_counter() - start)
    wait()
    return 1e6 * best / LAUNCHES


def _empty():
    return lambda: empty_kernel[1, 32](), cuda.synchronize, ASKED


def _with_arguments():
    a, b, c, d = (cuda.to_device(np.zeros(32, np.float32)) for _ in range(4))
    return lambda: kernel_with_arguments[1, 32](a, b, c, d, np.float32(1), 32), cuda.synchronize, ASKED


def _operator():
    x = Tensor.from_numpy(np.zeros(32, np.float32)).to("cuda")
    return lambda: ops.add(x, x), cuda.synchronize


def _torch():
    import torch

    x = torch.zeros(32, device="cuda")
    return lambda: torch.add(x, x), torch.cuda.synchronize


WORKS: dict[str, Callable[[], tuple]] = {
    "an empty kernel": _empty,
    "an empty kernel with four arrays and two numbers": _with_arguments,
    "the operator add": _operator,
    "torch.add": _torch,
}
