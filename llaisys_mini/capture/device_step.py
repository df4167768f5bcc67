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
from llaisys_mini.cache.packed import PackedArrays
from llaisys_mini.cache.paged import PagedCache
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.tensor import Tensor


class DeviceStep:
    """The step whose `inputs` (PagedPass.inputs, by the table of pages) have been computed by operators just before, so
    that all its kernels are compiled. greedy: whether argmax of the logits is wanted too.

    Raises DeviceError if a launcher does what cannot be recorded.
    """

    def __init__(self, decoder: Decoder, cache: PagedCache, inputs: Mapping[str, np.ndarray], greedy: bool):
        self._inputs = PackedArrays(inputs, decoder.device)
        arrays = self._inputs.tensors
        with devices.get(decoder.device).recording() as self._recording:
            logits = decoder.forward(arrays["ids"], _RecordedPass(cache, arrays), last_only=True)
            best = ops.argmax(logits) if greedy else ()
        self._results = [logits, *best]

    def wait(self) -> None:
        """Nothing: it can be run as soon as it is recorded."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[Tensor]:
        """Logits, and with `greedy` what argmax says of them. They count until the next step is run."""
        self._inputs.write(inputs)
        self._recording.play()
        return self._results


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
