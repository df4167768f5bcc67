"""A storage: a run of bytes on one device, which tensors look at."""

from typing import Any

from llaisys_mini.devices import HOST, Device
from llaisys_mini.strides import bytes_under


class Storage:
    """A run of bytes on one device, shared by the tensors over it.

    memory: on the host the array whose memory it is, elsewhere a buffer of the device.
    """

    __slots__ = ("_bytes", "_memory", "device")

    def __init__(self, memory: Any, device: Device = HOST):
        self._memory = memory
        self._bytes: Any = None
        self.device = device

    @property
    def data(self) -> Any:
        """The device's buffer: on the host the bytes as a flat uint8 array."""
        if self._bytes is None:  # made when it is needed: most results are used whole
            self._bytes = bytes_under(self._memory) if self.device is HOST else self._memory
        return self._bytes
