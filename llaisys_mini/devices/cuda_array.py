"""An array on a GPU, as a launcher is handed it: cheap to make, and laid out for a launch.

Numba's own DeviceNDArray takes longer to make than a small kernel takes to run, and a decoder makes some hundreds of
arrays for a token. This one knows what a launch needs; for everything else it makes Numba's when it is asked for.
"""

import math
from array import array
from typing import Any

import numpy as np

from llaisys_mini.strides import completed, contiguous_strides, flattened


class CudaArray:
    """A C-contiguous array over a Buffer (devices/cuda.py), from byte `offset` on. The bytes stay in use as long as
    the array does.

    kind: what decides how a kernel is compiled for it, dtype and number of dimensions, as a short string.
    """

    __slots__ = ("_numba", "_words", "buffer", "dtype", "kind", "offset", "shape")

    def __init__(self, buffer: Any, offset: int, shape: tuple[int, ...], dtype: np.dtype):
        self.buffer = buffer
        self.offset = offset
        self.shape = shape
        self.dtype = dtype
        self.kind = f"{dtype.char}{len(shape)}"
        self._words: array | None = None
        self._numba: Any = None

    @property
    def words(self) -> array:
        """The parameters that numba-cuda passes for an array: two pointers that only the host needs, the number of
        elements, bytes of each, the address, the shape, and the strides in bytes."""
        if self._words is None:
            size = self.dtype.itemsize
            strides = [step * size for step in contiguous_strides(self.shape)]
            self._words = array("q", (0, 0, math.prod(self.shape), size, self.address, *self.shape, *strides))
        return self._words

    @property
    def numba(self) -> Any:
        """The same bytes as an array of numba-cuda's."""
        if self._numba is None:
            from numba.cuda.cudadrv.devicearray import DeviceNDArray

            strides = tuple(step * self.dtype.itemsize for step in contiguous_strides(self.shape))
            memory = self.buffer.pointer.view(self.offset, self.offset + self.nbytes)
            self._numba = DeviceNDArray(self.shape, strides, self.dtype, gpu_data=memory)
            self._numba.owner = self.buffer
        return self._numba

    @property
    def address(self) -> int:
        return self.buffer.address + self.offset

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def __cuda_array_interface__(self) -> dict:
        return self.numba.__cuda_array_interface__

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: Any) -> "CudaArray":
        """The same numbers in another shape; one length may be -1. Raises TensorError where the sizes differ."""
        return CudaArray(self.buffer, self.offset, completed(tuple(flattened(shape)), self.size), self.dtype)

    def ravel(self) -> "CudaArray":
        """All numbers in one dimension."""
        return self.reshape(self.size)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks of every object
            raise AttributeError(name)
        return getattr(self.numba, name)

    def __getitem__(self, index: Any) -> Any:
        return self.numba[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.numba[index] = value

    def __repr__(self) -> str:
        return f"array of {self.dtype} {self.shape} on the device"


def of_numba(value: Any) -> Any:
    """`value` as numba-cuda takes it."""
    return value.numba if isinstance(value, CudaArray) else value
