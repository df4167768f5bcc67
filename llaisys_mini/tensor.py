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

from llaisys_mini import dtypes
from llaisys_mini.errors import DeviceError, UserError


class TensorError(UserError, ValueError):
    """A tensor cannot be made, viewed or filled as asked."""


class Storage:
    """A run of bytes on one device, shared by the tensors over it: the memory under `array`.

    On "cuda" `array` is a buffer of cuda.memory instead, and `data` gives it as it is.
    """

    __slots__ = ("_array", "_data", "device")

    def __init__(self, array, device: str = "cpu"):
        self._array = array
        self._data: Any = None
        self.device = device

    @property
    def data(self) -> np.ndarray:
        """The bytes as a flat uint8 array, or the buffer on the device."""
        if self._data is None:  # made when it is needed: most results are used whole
            self._data = _bytes_under(self._array) if self.device == "cpu" else self._array
        return self._data


class Tensor:
    """An n-dimensional view of a storage.

    storage: the bytes; offset: where the first element starts, in bytes; shape: elements per dimension;
    strides: elements to step per dimension; dtype: what each element is (see `dtypes`).
    """

    __slots__ = ("_array", "dtype", "offset", "prepared", "shape", "storage", "strides")

    def __init__(self, storage: Storage, offset: int, shape: Sequence[int], strides: Sequence[int], dtype):
        self.storage = storage
        self.offset = offset
        self.shape = tuple(shape)
        self.strides = tuple(strides)
        self.dtype: np.dtype = dtype
        self.prepared: dict[Callable, Any] | None = None
        self._array: np.ndarray | None = None

    # ---- making tensors --------------------------------------------------------------------------------------

    @classmethod
    def empty(cls, shape: Sequence[int], dtype=dtypes.float32, device: str = "cpu") -> "Tensor":
        """A new contiguous tensor whose numbers are not set yet. dtype: NumPy's or its name.

        device: "cpu" or "cuda". Where there is no GPU, "cuda" is ordinary memory that the sanitizer watches.
        Raises DeviceError for an unknown device, or if the device's memory is full.
        """
        shape = tuple(shape)
        dtype = np.dtype(dtypes.BY_NAME.get(dtype, dtype) if isinstance(dtype, str) else dtype)
        if device == "cpu":
            return cls.from_numpy(np.empty(shape, dtype))
        if device != "cuda":
            raise DeviceError(f"there is no device {device!r}: choose 'cpu' or 'cuda'")
        from llaisys_mini.cuda import memory

        buffer = memory.allocate(math.prod(shape) * dtype.itemsize)
        return cls(Storage(buffer, device), 0, shape, contiguous_strides(shape), dtype)

    @classmethod
    def from_numpy(cls, array: np.ndarray) -> "Tensor":
        """A tensor over the same memory as `array`; nothing is copied. Negative strides are refused."""
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
        return self.storage.device

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def is_contiguous(self) -> bool:
        """Whether the elements lie next to each other in the order of their indices (C order)."""
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
        shape = _complete(_flatten(shape), self.size)
        strides = (
            contiguous_strides(shape) if self.is_contiguous() else _strides_of_view(self.shape, self.strides, shape)
        )
        if strides is None:
            raise TensorError(
                f"cannot view shape {self.shape} with strides {self.strides} as {shape} without a copy; "
                "call .contiguous() first"
            )
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)

    def permute(self, *order: int) -> "Tensor":
        """Dimensions in another order: `permute(1, 0)` is the transpose."""
        order = _flatten(order)
        if sorted(order) != list(range(self.ndim)):
            raise TensorError(f"permute{order} must name each of the {self.ndim} dimensions of {self.shape} once")
        shape, strides = [self.shape[i] for i in order], [self.strides[i] for i in order]
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)

    def slice(self, dim: int, start: int, end: int) -> "Tensor":
        """Elements `start` to `end` (exclusive) along dimension `dim`."""
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
        return self if self.is_contiguous() else Tensor.from_numpy(np.ascontiguousarray(self.numpy())).to(self.device)

    def load(self, values: "np.ndarray | Tensor") -> "Tensor":
        """Fill this tensor with `values` of the same shape, converted to its dtype. Returns itself.

        On "cuda" the tensor must be contiguous; what lies on the device already does not leave it.
        """
        if not isinstance(values, Tensor):
            values = np.asarray(values)
        if values.shape != self.shape:
            raise TensorError(f"load: values have shape {values.shape}, the tensor has {self.shape}")
        if self.device != "cpu":
            if not self.is_contiguous():
                raise TensorError(f"load: on {self.device} a tensor must be contiguous to be filled")
            from llaisys_mini.cuda.transfer import fill

            fill(self, values)
            return self
        values = values.numpy() if isinstance(values, Tensor) else values
        target = self.numpy()
        if not target.flags.writeable:
            raise TensorError("load: this tensor lies over read-only memory (a checkpoint file?); copy it first")
        target[...] = values
        return self

    def to(self, device: str) -> "Tensor":
        """This tensor on `device`: itself if it is there, else a copy. Raises DeviceError as `empty` does."""
        if device == self.device:
            return self
        return Tensor.empty(self.shape, self.dtype, device).load(self)

    def astype(self, dtype) -> "Tensor":
        """This tensor if it has that dtype, else a contiguous copy converted to it."""
        dtype = np.dtype(dtypes.BY_NAME[dtype] if isinstance(dtype, str) else dtype)
        if dtype == self.dtype:
            return self
        return Tensor.from_numpy(self.numpy().astype(dtype, order="C")).to(self.device)

    def freeze(self) -> "Tensor":
        """Promise that the numbers will not change: kernels may then keep a copy in a layout of their own (`prepared`:
        what prepared it -> array). Returns itself."""
        if self.prepared is None:
            self.prepared = {}
        return self

    def numpy(self) -> np.ndarray:
        """The same memory as a NumPy array; nothing is copied. From "cuda": a copy, once all kernels have run."""
        if self.storage.device != "cpu":
            from llaisys_mini.cuda.transfer import fetch

            return fetch(self)
        if self._array is None:
            item = self.dtype.itemsize
            steps = tuple(stride * item for stride in self.strides)
            self._array = np.ndarray(self.shape, self.dtype, self.storage.data, self.offset, steps)
        return self._array

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


def _flatten(sizes: tuple) -> tuple[int, ...]:
    """Accept view(2, 3) and view((2, 3)) alike."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes


def _complete(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """`shape` with its one -1 worked out so that it holds `size` elements."""
    known = math.prod(length for length in shape if length != -1)
    if shape.count(-1) == 1 and known > 0 and size % known == 0:
        shape = tuple(size // known if length == -1 else length for length in shape)
    if any(length < 0 for length in shape) or math.prod(shape) != size:
        raise TensorError(f"view: {shape} does not hold {size} elements")
    return shape


def _strides_of_view(old_shape, old_strides, new_shape) -> tuple[int, ...] | None:
    """Strides that walk `new_shape` through the same memory, or None where no strides can.

    Old dimensions fall into blocks that can be walked with one constant step; each new dimension must lie
    inside one block. Both are matched from the last dimension forwards.
    """
    if math.prod(new_shape) == 0:
        return contiguous_strides(new_shape)
    blocks: list[tuple[int, int]] = []  # (elements, step of the innermost element), last block first
    for length, stride in zip(reversed(old_shape), reversed(old_strides), strict=True):
        if length == 1:
            continue
        if blocks and stride == blocks[-1][0] * blocks[-1][1]:
            blocks[-1] = (blocks[-1][0] * length, blocks[-1][1])
        else:
            blocks.append((length, stride))
    remaining = iter(blocks or [(1, 1)])
    left, step = next(remaining)
    strides = []
    for length in reversed(new_shape):
        if left == 1 and length != 1:
            left, step = next(remaining)
        if left % length:
            return None
        strides.append(step)
        left //= length
        step *= length
    return tuple(reversed(strides))


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of a tensor of this shape whose elements lie next to each other."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


def _bytes_under(array: np.ndarray) -> np.ndarray:
    """The bytes from the first element of `array` to its last, as a flat uint8 array over the same memory."""
    if array.size == 0:
        return np.empty(0, np.uint8)
    if array.flags.c_contiguous:
        return array.reshape(-1).view(np.uint8)
    last = sum((length - 1) * step for length, step in zip(array.shape, array.strides, strict=True))
    first_element = array[(slice(0, 1),) * array.ndim].reshape(1).view(np.uint8)
    return np.lib.stride_tricks.as_strided(first_element, (last + array.dtype.itemsize,), (1,))


# ---- the learner's views -----------------------------------------------------------------------------------------

_OWN_VIEWS = {name: getattr(Tensor, name) for name in ("is_contiguous", "view", "permute", "slice")}


def use_views(learners: Any | None) -> None:
    """Have every tensor answer with the methods of this class, the answer to exercises.tensor_views; None: our own."""
    for name, method in (_OWN_VIEWS if learners is None else _views_of(learners)).items():
        setattr(Tensor, name, method)


def _views_of(learners: Any) -> dict[str, Callable]:
    """The learner's methods, given sizes as the exercise says: one by one, and each of them known."""

    def view(self, *shape):
        return learners.view(self, *_complete(_flatten(shape), self.size))

    def permute(self, *order):
        return learners.permute(self, *_flatten(order))

    return {"is_contiguous": learners.is_contiguous, "slice": learners.slice, "view": view, "permute": permute}
