"""An array as a launcher holds it on a GPU: it has a shape and can be handed on, and its numbers are out of reach.

It is no NumPy array and cannot be made into one, also not inside a list that NumPy is given: what it holds comes out
again only where a kernel is launched.
"""

from typing import Any, NoReturn

import numpy as np

from llaisys_mini.errors import KernelError


class HostComputation(KernelError):
    """A launcher tried to see or compute numbers of an array that on a GPU lies out of its reach."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise HostComputation(
        "the launcher computes with an array's numbers, which on a GPU it cannot even see: the kernel has to do that"
    )


def held_array(value: Any) -> Any:
    """The array in an OpaqueArray; everything else as it is."""
    return value._array if isinstance(value, OpaqueArray) else value


class OpaqueArray:
    """An array that can be reshaped, sliced, viewed as another type, filled with one number, and handed to a kernel."""

    __slots__ = ("_array",)

    def __init__(self, array: np.ndarray):
        self._array = array

    # ---- what a launcher may know ------------------------------------------------------------------------------------

    shape = property(lambda self: self._array.shape)
    size = property(lambda self: self._array.size)
    ndim = property(lambda self: self._array.ndim)
    dtype = property(lambda self: self._array.dtype)
    itemsize = property(lambda self: self._array.itemsize)
    nbytes = property(lambda self: self._array.nbytes)
    strides = property(lambda self: self._array.strides)

    def __len__(self) -> int:
        return len(self._array)

    @property
    def __cuda_array_interface__(self) -> dict:
        """Its address, under the name that a GPU's arrays have for it: NumPy does not look there."""
        return {"data": self._array.__array_interface__["data"], "shape": self.shape, "typestr": self.dtype.str}

    # ---- parts and views ---------------------------------------------------------------------------------------------

    T = property(lambda self: OpaqueArray(self._array.T))

    def reshape(self, *shape, **named) -> "OpaqueArray":
        return OpaqueArray(self._array.reshape(*shape, **named))

    def ravel(self) -> "OpaqueArray":
        return OpaqueArray(self._array.ravel())

    def squeeze(self, *axis) -> "OpaqueArray":
        return OpaqueArray(self._array.squeeze(*axis))

    def transpose(self, *axes) -> "OpaqueArray":
        return OpaqueArray(self._array.transpose(*axes))

    def view(self, dtype) -> "OpaqueArray":
        if np.dtype(dtype).kind not in "biufc":
            _refuse()
        return OpaqueArray(self._array.view(np.dtype(dtype)))

    def __getitem__(self, index) -> "OpaqueArray":
        part = self._array[_plain(index)]
        return OpaqueArray(part) if isinstance(part, np.ndarray) else _refuse()

    def __setitem__(self, index, value) -> None:
        if not isinstance(value, (int, float, np.number)):
            _refuse()
        self._array[_plain(index)] = value

    # ---- everything that would give numbers --------------------------------------------------------------------------

    __array__ = __array_ufunc__ = __array_function__ = _refuse
    __iter__ = __contains__ = __float__ = __int__ = __index__ = __bool__ = __complex__ = __round__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __pos__ = __abs__ = _refuse
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __invert__ = __matmul__ = __rmatmul__ = _refuse
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __divmod__ = __rdivmod__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __eq__ = __ne__ = _refuse
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"array of {self.dtype} {self.shape} on the device"

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return repr(self)


def _plain(index: Any) -> Any:
    """An index of whole numbers and slices, which chooses a part without a look at any number."""
    for part in index if isinstance(index, tuple) else (index,):
        if not (part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice))):
            _refuse()
    return index
