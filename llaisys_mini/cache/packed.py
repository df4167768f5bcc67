"""A few small arrays on a device, in one block of its memory, so that they go there in one copy."""

from collections.abc import Mapping

import numpy as np

from llaisys_mini import devices
from llaisys_mini.tensor import Storage, Tensor, contiguous_strides

_ALIGNMENT = 16  # bytes


class PackedArrays:
    """Arrays of these shapes and dtypes on a device, with these numbers. tensors: by name."""

    def __init__(self, arrays: Mapping[str, np.ndarray], device: str):
        self._device = devices.get(device)
        self._offsets: dict[str, int] = {}
        end = 0
        for name, array in arrays.items():
            self._offsets[name] = end
            end += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        self._staged = np.zeros(end, np.uint8)
        self._buffer = self._device.allocate(end)
        storage = Storage(self._buffer, self._device)
        self.tensors = {
            name: Tensor(storage, self._offsets[name], a.shape, contiguous_strides(a.shape), a.dtype)
            for name, a in arrays.items()
        }
        self.write(arrays)

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Other numbers in their places; of the same shapes and dtypes."""
        for name, array in arrays.items():
            start = self._offsets[name]
            self._staged[start : start + array.nbytes] = array.reshape(-1).view(np.uint8)
        self._device.upload(self._staged, self._buffer)
