"""CUDA without a GPU, or watched: ordinary memory, and the sanitizer that runs the kernels and reports what they do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from llaisys_mini import sanitizer
from llaisys_mini.cuda.jit import RecordedLaunch, recorded_launches
from llaisys_mini.devices.device import (
    Device,
    Recording,
    is_recording,
    records_launches,
    refuse_in_recording,
    use_device,
)
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
    records = True

    def __init__(self, opaque: bool = False):
        self.opaque = opaque

    def upload(self, values: np.ndarray, buffer: np.ndarray, offset: int = 0, stream: Any = None) -> None:
        refuse_in_recording("copies from the host")
        super().upload(values, buffer, offset, stream)

    def download(self, buffer: np.ndarray, offset: int, nbytes: int) -> np.ndarray:
        refuse_in_recording("copies to the host")
        return super().download(buffer, offset, nbytes)

    def copy(self, source, source_offset, target, target_offset, nbytes, stream=None) -> None:
        refuse_in_recording("copies without a kernel")
        super().copy(source, source_offset, target, target_offset, nbytes, stream)

    def synchronise(self, stream: Any = None) -> None:
        refuse_in_recording("waits for the device")

    def array(self, buffer: np.ndarray, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return self._handed(np.ndarray(shape, dtype, buffer, offset))

    def new_array(self, shape: int | Sequence[int], dtype: Any = np.float32) -> np.ndarray:
        """As on a GPU, but what is read before it was written is found."""
        array = np.full(shape, np.nan if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max, dtype)
        registry.add(array)
        return self._handed(array) if self.opaque else array.view(WatchedArray)

    def copy_of(self, values: Any) -> Any:
        refuse_in_recording("copies from the host")
        copy = super().copy_of(held_array(values))
        return copy if self.opaque else copy.view(WatchedArray)

    def launcher(self, kernel, configuration) -> Callable:
        launch = sanitizer.launcher(kernel, configuration)
        return lambda *arguments: launch(*map(held_array, arguments))

    def launch(self, function: Callable, inputs: Sequence[Any], outputs: Sequence[np.ndarray]) -> None:
        if is_recording():  # nothing is written yet
            Device.launch(self, function, [self._handed(value) for value in inputs], [*map(self._handed, outputs)])
            return
        for output in outputs:
            registry.add(output)
        try:
            Device.launch(self, function, [self._handed(value) for value in inputs], [*map(self._handed, outputs)])
            sanitizer.note_unwritten(outputs)
        finally:
            for output in outputs:
                registry.forget(output)

    run = launch

    @contextmanager
    def recording(self) -> Iterator["SanitizedRecording"]:
        with records_launches(), recorded_launches() as launches:
            yield SanitizedRecording(self, launches)

    def narrow(self, source: np.ndarray, target: np.ndarray) -> None:
        Device.narrow(self, source, target)

    def _handed(self, value: Any) -> Any:
        return OpaqueArray(value) if self.opaque and isinstance(value, np.ndarray) else value


class SanitizedRecording(Recording):
    """A list of launches; whatever they were given is kept with it."""

    def __init__(self, device: Sanitized, launches: list[RecordedLaunch]):
        self._device = device
        self._launches = launches

    def play(self) -> None:
        for launch in self._launches:
            configuration = (launch.grid, launch.block, 0, launch.shared_bytes)
            self._device.launcher(launch.kernel, configuration)(*launch.arguments)


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
