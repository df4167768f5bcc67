"""A tensor is a flat storage of bytes plus a description of how to walk through it.

`shape`, `strides` (in elements) and `offset` (in bytes) say which byte belongs to which index:

    address(i, j, ...) = storage + offset + itemsize * (i * strides[0] + j * strides[1] + ...)

`view`, `permute` and `slice` change only this description; no number moves. That is how a checkpoint hands out
weights straight from the memory-mapped file, and how the KV cache hands out the part that is filled.
Arithmetic is not here: that is what the operators are for.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llaisys_mini import devices, dtypes, views
from llaisys_mini.devices import HOST, Device
from llaisys_mini.storage import Storage
from llaisys_mini.strides import (
    TensorError,
    completed,
    contiguous_strides,
    flattened,
    strides_of_view,
)

__all__ = ["Storage", "Tensor", "TensorError", "contiguous_strides"]


class Tensor:
    """An n-dimensional view of a storage.

    storage: the bytes; offset: where the first element starts, in bytes; shape: elements per dimension;
    strides: elements to step per dimension; dtype: what each element is (see `dtypes`).
    """

    __slots__ = ("_array", "_kind", "dtype", "offset", "prepared", "shape", "storage", "strides")

    def __init__(self, storage: Storage, offset: int, shape: Sequence[int], strides: Sequence[int], dtype):
        self.storage = storage
        self.offset = offset
        self.shape = tuple(shape)
        self.strides = tuple(strides)
        self.dtype: np.dtype = dtype
        self.prepared: dict[Callable, Any] | None = None
        self._array: Any = None  # over the whole tensor, as NumPy (host) or a kernel (elsewhere) is given it
        self._kind: tuple | None = None

    # ---- making tensors --------------------------------------------------------------------------------------

    @classmethod
    def empty(cls, shape: Sequence[int], dtype=dtypes.float32, device: str | Device = HOST) -> "Tensor":
        """A new contiguous tensor whose numbers are not set yet. dtype: NumPy's or its name.

        device: a Device or its name, "cpu" or "cuda". Where there is no GPU, "cuda" is ordinary memory that the
        sanitizer watches. Raises DeviceError for an unknown device, or if the device's memory is full.
        """
        shape = tuple(shape)
        dtype = np.dtype(dtypes.BY_NAME.get(dtype, dtype) if isinstance(dtype, str) else dtype)
        device = devices.get(device) if isinstance(device, str) else device
        if device is HOST:
            return cls.from_numpy(np.empty(shape, dtype))
        buffer = device.allocate(math.prod(shape) * dtype.itemsize)
        return cls(Storage(buffer, device), 0, shape, contiguous_strides(shape), dtype)

    @classmethod
    def from_numpy(cls, array: np.ndarray) -> "Tensor":
        """A tensor over the same memory as `array`; nothing is copied. Raises TensorError for Python objects,
        and for strides that are negative or no multiple of an element."""
        if array.dtype.hasobject:
            raise TensorError(f"dtype {array.dtype} holds Python objects; a tensor holds numbers")
        item = array.dtype.itemsize
        if any(step < 0 or step % item for step in array.strides):
            raise TensorError(
                f"strides of {array.strides} bytes are not whole, forward steps of {item}-byte elements; "
                "copy it first with np.ascontiguousarray"
            )
        return cls.over(array.view(np.ndarray), tuple(step // item for step in array.strides))

    @classmethod
    def over(cls, array: np.ndarray, strides: tuple[int, ...]) -> "Tensor":
        """`from_numpy` for an ndarray whose strides in elements are known already: for the path of every token."""
        tensor = cls(Storage(array), 0, array.shape, strides, array.dtype)
        tensor._array = array
        return tensor

    # ---- looking ---------------------------------------------------------------------------------------------

    @property
    def device(self) -> str:
        """The name of the device it lies on; `storage.device` is the Device itself."""
        return self.storage.device.name

    @property
    def kind(self) -> tuple:
        """What decides how an operator handles it: shape, dtype, whether it is contiguous and, off the host, where."""
        if self._kind is None:
            if self.storage.device is HOST:
                array = self.numpy()
                self._kind = self.shape, self.dtype, array.flags.c_contiguous
            else:
                self._kind = self.shape, self.dtype, self.is_contiguous(), self.storage.device
        return self._kind

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements, without the gaps that strides may leave between them."""
        return self.size * self.dtype.itemsize

    def is_contiguous(self) -> bool:
        """Whether the elements lie next to each other in the order of their indices (C order)."""
        learners = views.of_learner()
        if learners is not None:
            return learners.is_contiguous(self)
        expected = 1
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and stride != expected:  # a dimension of one element is never stepped along
                return False
            expected *= length
        return True

    # ---- other views of the same numbers ---------------------------------------------------------------------

    def view(self, *shape: int) -> "Tensor":
        """The same numbers, in the same order, under another shape; one length may be -1 and is then worked out.

        Raises TensorError where the strides cannot express it without moving numbers (use `contiguous()` first).
        """
        shape = completed(flattened(shape), self.size)
        learners = views.of_learner()
        if learners is not None:
            return learners.view(self, *shape)
        if self.kind[2]:  # contiguous
            made = Tensor(self.storage, self.offset, shape, contiguous_strides(shape), self.dtype)
            if self._array is not None and self.storage.device is HOST:
                made._array = self._array.reshape(shape)  # quicker than to make it anew when it is asked for
            return made
        strides = strides_of_view(self.shape, self.strides, shape)
        if strides is None:
            raise TensorError(
                f"cannot view shape {self.shape} with strides {self.strides} as {shape} without a copy; "
                "call .contiguous() first"
            )
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)

    def permute(self, *order: int) -> "Tensor":
        """Dimensions in another order: `permute(1, 0)` is the transpose. TensorError unless each is named once."""
        order = flattened(order)
        learners = views.of_learner()
        if learners is not None:
            return learners.permute(self, *order)
        if sorted(order) != list(range(self.ndim)):
            raise TensorError(f"permute{order} must name each of the {self.ndim} dimensions of {self.shape} once")
        shape, strides = [self.shape[i] for i in order], [self.strides[i] for i in order]
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)

    def slice(self, dim: int, start: int, end: int) -> "Tensor":
        """Elements `start` to `end` (exclusive) along dimension `dim`. Raises TensorError for what lies outside."""
        learners = views.of_learner()
        if learners is not None:
            return learners.slice(self, dim, start, end)
        if not 0 <= dim < self.ndim:
            raise TensorError(f"slice: dimension {dim} is not among the {self.ndim} of shape {self.shape}")
        if not 0 <= start <= end <= self.shape[dim]:
            raise TensorError(f"slice: {start}:{end} does not lie within dimension {dim} of length {self.shape[dim]}")
        shape = (*self.shape[:dim], end - start, *self.shape[dim + 1 :])
        offset = self.offset + start * self.strides[dim] * self.dtype.itemsize
        return Tensor(self.storage, offset, shape, self.strides, self.dtype)

    # ---- moving numbers --------------------------------------------------------------------------------------

    def contiguous(self) -> "Tensor":
        """This tensor if it is contiguous, else a contiguous copy."""
        if self.is_contiguous():
            return self
        return Tensor.from_numpy(np.ascontiguousarray(self.numpy())).to(self.storage.device)

    def load(self, values: "np.ndarray | Tensor") -> "Tensor":
        """Fill this tensor with `values` of the same shape, converted to its dtype. Returns itself.

        Off the host the tensor must be contiguous; what lies on its device already does not leave it. Raises
        TensorError for another shape, and for read-only memory.
        """
        if not isinstance(values, Tensor):
            values = np.asarray(values)
        if values.shape != self.shape:
            raise TensorError(f"load: values have shape {values.shape}, the tensor has {self.shape}")
        if self.storage.device is not HOST:
            self._load_on_device(values)
            return self
        values = values.numpy() if isinstance(values, Tensor) else values
        target = self.numpy()
        if not target.flags.writeable:
            raise TensorError("load: this tensor lies over read-only memory (a checkpoint file?); copy it first")
        target[...] = values
        return self

    def _load_on_device(self, values: "np.ndarray | Tensor") -> None:
        device = self.storage.device
        if not self.is_contiguous():
            raise TensorError(f"load: on {device.name} a tensor must be contiguous to be filled")
        if isinstance(values, Tensor) and values.storage.device is device:
            if not values.is_contiguous():
                raise TensorError(f"load: on {device.name} the values must be contiguous; call .contiguous() first")
            if values.dtype == self.dtype:
                device.copy(values.storage.data, values.offset, self.storage.data, self.offset, self.nbytes)
                return
            if values.dtype == dtypes.float32 and self.dtype in dtypes.STORAGE:
                flat = (self.size,)
                device.narrow(values.for_kernel(flat), self.for_kernel(flat))
                return
        host = values.numpy() if isinstance(values, Tensor) else values
        device.upload(np.ascontiguousarray(host, dtype=self.dtype), self.storage.data, self.offset)

    def to(self, device: str | Device) -> "Tensor":
        """This tensor on `device`: itself if it is there, else a copy. Raises DeviceError as `empty` does."""
        device = devices.get(device) if isinstance(device, str) else device
        if device is self.storage.device:
            return self
        return Tensor.empty(self.shape, self.dtype, device).load(self)

    def astype(self, dtype) -> "Tensor":
        """This tensor if it has that dtype, else a contiguous copy converted to it."""
        dtype = np.dtype(dtypes.BY_NAME[dtype] if isinstance(dtype, str) else dtype)
        if dtype == self.dtype:
            return self
        return Tensor.from_numpy(self.numpy().astype(dtype, order="C")).to(self.storage.device)

    def freeze(self) -> "Tensor":
        """Promise that the numbers will not change: kernels may then keep a copy in a layout of their own (`prepared`:
        what prepared it -> array). Returns itself."""
        if self.prepared is None:
            self.prepared = {}
        return self

    def numpy(self) -> np.ndarray:
        """The same memory as a NumPy array; nothing is copied. Off the host: a copy, once all kernels have run."""
        if self.storage.device is not HOST:
            if self.size == 0:
                return np.empty(self.shape, self.dtype)
            span = 1 + sum((length - 1) * step for length, step in zip(self.shape, self.strides, strict=True))
            data = self.storage.device.download(self.storage.data, self.offset, span * self.dtype.itemsize)
            return self._over_bytes(data, 0)
        if self._array is None:
            self._array = self._over_bytes(self.storage.data, self.offset)
        return self._array

    def on_host(self) -> np.ndarray:
        """The tensor's own memory as a NumPy array, for devices whose memory is the host's (`Device.on_host`)."""
        return self.numpy() if self.storage.device is HOST else self._over_bytes(self.storage.data, self.offset)

    def _over_bytes(self, data: np.ndarray, offset: int) -> np.ndarray:
        steps = tuple(stride * self.dtype.itemsize for stride in self.strides)
        return np.ndarray(self.shape, self.dtype, data, offset, steps)

    def for_kernel(self, shape: tuple[int, ...] | None = None) -> Any:
        """What a kernel of its device is handed for this contiguous tensor, in `shape` if given; see dtypes for 16-bit
        floats. The one in the tensor's own shape is remembered: weights are handed over for every token."""
        if self.storage.device is HOST:
            array = dtypes.kernel_view(self.numpy())
            return array if shape is None else array.reshape(shape)
        if shape is not None and shape != self.shape:
            return self._on_device(shape)
        if self._array is None:
            self._array = self._on_device(self.shape)
        return self._array

    def _on_device(self, shape: tuple[int, ...]) -> Any:
        dtype = dtypes.seen_by_kernels(self.dtype)
        return self.storage.device.array(self.storage.data, self.offset, shape, dtype)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        layout = "contiguous" if self.is_contiguous() else "not contiguous"
        head = (
            f"Tensor(shape={self.shape}, strides={self.strides}, offset={self.offset} B, dtype={self.dtype.name}, "
            f"device={self.device}, {layout})"
        )
        return f"{head}\n{np.array2string(self.numpy(), threshold=64, edgeitems=2, precision=4)}"
