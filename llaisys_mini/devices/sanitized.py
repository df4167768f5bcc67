"""CUDA without a GPU, or watched: ordinary memory, and the sanitizer that runs the kernels and reports what they do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from llaisys_mini import sanitizer
from llaisys_mini.devices.device import Device, use_device
from llaisys_mini.devices.host import Host
from llaisys_mini.devices.opaque import OpaqueArray, held_array
from llaisys_mini.sanitizer.uninitialised import registry


class Sanitized(Host):
    """What "cuda" means where there is no GPU, and within `cuda.sanitized()`.

    opaque: launchers are given arrays whose numbers they cannot look at, as on a GPU. The judge asks for it; a
    learner's check does not, so that printing an array in a launcher shows something.
    """

    name = kernels = "cuda"
    calls_kernels = False

    def __init__(self, opaque: bool = False):
        self.opaque = opaque

    def array(self, buffer: np.ndarray, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return self._handed(np.ndarray(shape, dtype, buffer, offset))

    def new_array(self, shape: int | Sequence[int], dtype: Any = np.float32) -> np.ndarray:
        """As on a GPU, but what is read before it was written is found."""
        array = np.full(shape, np.nan if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max, dtype)
        registry.add(array)
        return self._handed(array) if self.opaque else array.view(WatchedArray)

    def copy_of(self, values: Any) -> Any:
        copy = super().copy_of(held_array(values))
        return copy if self.opaque else copy.view(WatchedArray)

    def launcher(self, kernel, configuration) -> Callable:
        launch = sanitizer.launcher(kernel, configuration)
        return lambda *arguments: launch(*map(held_array, arguments))

    def launch(self, function: Callable, inputs: Sequence[Any], outputs: Sequence[np.ndarray]) -> None:
        for output in outputs:
            registry.add(output)
        try:
            Device.launch(self, function, [self._handed(value) for value in inputs], [*map(self._handed, outputs)])
            sanitizer.note_unwritten(outputs)
        finally:
            for output in outputs:
                registry.forget(output)

    run = launch

    def narrow(self, source: np.ndarray, target: np.ndarray) -> None:
        Device.narrow(self, source, target)

    def _handed(self, value: Any) -> Any:
        return OpaqueArray(value) if self.opaque and isinstance(value, np.ndarray) else value


@contextmanager
def sanitized(
    outputs: Sequence[np.ndarray] = (),
    order: str = "forward",
    counts: bool = False,
    traces: bool = False,
    raises: bool = True,
    loop_limit: int = sanitizer.LOOP_LIMIT,
    opaque: bool = False,
) -> Iterator[sanitizer.Report]:
    """Within this context "cuda" is the CPU and every access of a kernel is watched, also where there is a GPU.

    outputs: arrays whose contents count as not yet written.
    order: one of sanitizer.ORDERS: in which order threads take effect. What a wrong kernel computes depends on it; that
    there is a race does not.
    counts: count the traffic of each line; traces: note every access too, for pictures.
    raises: a launch with findings raises SanitizerError at its end.
    loop_limit: rounds of a `while` loop after which it is taken to be endless.
    opaque: see Sanitized.
    """
    with (
        sanitizer.watching(outputs, order, counts, traces, raises, loop_limit) as report,
        use_device(Sanitized(opaque)),
    ):
        yield report


class WatchedArray(np.ndarray):
    """What `cuda.to_device` gives without a GPU: an ordinary array, with the copies that one on a GPU has."""

    def copy_to_host(self, into: np.ndarray | None = None, stream: Any = 0) -> np.ndarray:
        """A copy of the numbers for the host, or the copy in `into`."""
        if into is None:
            return np.array(self)
        into[...] = self
        return into

    def copy_to_device(self, values: np.ndarray, stream: Any = 0) -> None:
        """Overwrite the numbers with those of `values`."""
        self[...] = values
