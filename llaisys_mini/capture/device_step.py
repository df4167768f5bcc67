"""A step of the decoder on a device that records launches, such as a GPU: recorded once, played as often as needed.

What differs from step to step, which ids, where their rows lie, how long their texts are, lies in arrays on the device
that are always the same; a step writes into them and plays the recording. The number of rows and of texts and the width
of the table decide how kernels are launched, so each kind of step has a recording of its own.
"""

from collections.abc import Mapping

import numpy as np

from llaisys_mini import devices
from llaisys_mini import operators as ops
from llaisys_mini.cache.cache import Cache
from llaisys_mini.cache.paged import PagedCache
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.tensor import Storage, Tensor, contiguous_strides

_ALIGNMENT = 16  # bytes


class DeviceStep:
    """The step whose `inputs` (PagedPass.inputs, by the table of pages) have been computed by operators just before, so
    that all its kernels are compiled. greedy: whether argmax of the logits is wanted too.

    Raises DeviceError if a launcher does what cannot be recorded.
    """

    def __init__(self, decoder: Decoder, cache: PagedCache, inputs: Mapping[str, np.ndarray], greedy: bool):
        self._device = devices.get(decoder.device)
        self._offsets = _laid_out(inputs)
        self._staged = np.zeros(self._offsets.pop(""), np.uint8)
        self._buffer = self._device.allocate(self._staged.nbytes)
        storage = Storage(self._buffer, self._device)
        arrays = {
            name: Tensor(storage, self._offsets[name], a.shape, contiguous_strides(a.shape), a.dtype)
            for name, a in inputs.items()
        }
        self._write(inputs)
        with self._device.recording() as self._recording:
            logits = decoder.forward(arrays["ids"], _RecordedPass(cache, arrays), last_only=True)
            best = ops.argmax(logits) if greedy else ()
        self._results = [logits, *best]

    def wait(self) -> None:
        """Nothing: it can be run as soon as it is recorded."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[Tensor]:
        """Logits, and with `greedy` what argmax says of them. They count until the next step is run."""
        self._write(inputs)
        self._recording.play()
        return self._results

    def _write(self, inputs: Mapping[str, np.ndarray]) -> None:
        """All of them in one copy: each copy costs more than these few numbers."""
        for name, array in inputs.items():
            start = self._offsets[name]
            self._staged[start : start + array.nbytes] = array.reshape(-1).view(np.uint8)
        self._device.upload(self._staged, self._buffer)


class _RecordedPass(Cache):
    """A pass over rows that arrays on the device describe. It does not know the texts: they grow elsewhere."""

    def __init__(self, cache: PagedCache, arrays: Mapping[str, Tensor]):
        self._cache = cache
        self._arrays = arrays

    def begin(self, ids: Tensor) -> Tensor:  # type: ignore[override]
        return self._arrays["positions"]

    @property
    def last_rows(self) -> np.ndarray:
        return np.arange(len(self._arrays["ids"]))

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, window: int | None) -> Tensor:
        return self._cache.attend(layer, self._arrays, q, k, v, scale, window)

    def commit(self) -> None:
        """The texts are told when the step is run."""


def _laid_out(arrays: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Where each array begins in one block of bytes; under "" the size of the block."""
    offsets, end = {}, 0
    for name, array in arrays.items():
        offsets[name] = end
        end += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    return {**offsets, "": end}
