"""Launches on a GPU that are recorded once, as a CUDA graph, and played by one call of the driver.

The driver records what is launched on a stream while that captures:
https://docs.nvidia.com/cuda/cuda-driver-api, "cuStreamBeginCapture", "cuGraphLaunch".
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llaisys_mini.devices.device import Recording
from llaisys_mini.devices.faults import driver_error


class CudaGraph(Recording):
    """What was launched within `captured`. memory: what must stay allocated as long as it may be played."""

    def __init__(self, memory: Any):
        self.memory = memory
        self._executable: Any = None

    def play(self) -> None:
        from cuda.bindings import driver

        _call(driver.cuGraphLaunch, self._executable, _NO_STREAM)

    def finish(self, graph: Any) -> None:
        """Make what the driver has recorded ready to be played."""
        from cuda.bindings import driver

        self._executable = _call(driver.cuGraphInstantiate, graph, 0)
        weakref.finalize(self, driver.cuGraphExecDestroy, self._executable).atexit = False


_NO_STREAM = 0  # the stream of all launches that name none


class CaptureStream:
    """A stream of its own, which captures. handle: the driver's number of it."""

    def __init__(self) -> None:
        from cuda.bindings import driver

        self._stream = _call(driver.cuStreamCreate, driver.CUstream_flags.CU_STREAM_NON_BLOCKING.value)
        self.handle = int(self._stream)

    @contextmanager
    def captured(self, recording: CudaGraph) -> Iterator[None]:
        """Within this context what is launched on this stream is recorded, and not run.

        Relaxed: memory may be allocated and kernels loaded meanwhile, which is done at once and not recorded.
        """
        from cuda.bindings import driver

        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        _call(driver.cuStreamBeginCapture, self._stream, mode)
        try:
            yield
        except BaseException:
            _end(driver, self._stream)
            raise
        graph = _call(driver.cuStreamEndCapture, self._stream)
        try:
            recording.finish(graph)
        finally:
            driver.cuGraphDestroy(graph)


def _end(driver: Any, stream: Any) -> None:
    """Leave a capture that failed; whatever the driver says of it, the first error is told."""
    code, graph = driver.cuStreamEndCapture(stream)
    if code == driver.CUresult.CUDA_SUCCESS:
        driver.cuGraphDestroy(graph)


def _call(function: Any, *arguments: Any) -> Any:
    """What a function of the driver returns. Raises CudaAPIError."""
    code, *results = function(*arguments)
    if int(code):
        raise driver_error(int(code), function.__name__)
    return results[0] if results else None
