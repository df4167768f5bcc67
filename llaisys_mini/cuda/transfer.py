"""Tensors to the device, from it, and within it; and what a kernel is handed for a tensor that lives there."""

import math

import numpy as np

from llaisys_mini import cuda, dtypes
from llaisys_mini.cuda import memory
from llaisys_mini.tensor import Tensor, TensorError

_KERNEL_DTYPE = {dtypes.bfloat16: np.dtype(np.uint16), dtypes.float16: np.dtype(np.int16)}


def as_kernels_see(tensor: Tensor, shape: tuple[int, ...] | None = None):
    """The array that a kernel is handed for a contiguous `tensor`, in `shape` if given; see dtypes for 16-bit floats.

    The one in the tensor's own shape is remembered: weights are handed over for every token.
    """
    if shape is None or shape == tensor.shape:
        if tensor._array is None:
            tensor._array = _array(tensor, tensor.shape)
        return tensor._array
    return _array(tensor, shape)


def _array(tensor, shape):
    return memory.array(tensor.storage.data, tensor.offset, shape, _KERNEL_DTYPE.get(tensor.dtype, tensor.dtype))


def fill(target: Tensor, values: "Tensor | np.ndarray") -> None:
    """Fill the contiguous `target` on the device with `values` of its shape."""
    if isinstance(values, Tensor) and values.device == target.device:
        if not values.is_contiguous():
            raise TensorError(f"load: on {target.device} the values must be contiguous; call .contiguous() first")
        if values.dtype == target.dtype:
            memory.copy(values.storage.data, values.offset, target.storage.data, target.offset, target.nbytes)
            return
        if values.dtype == dtypes.float32 and target.dtype in _KERNEL_DTYPE:
            _narrow(values, target)
            return
    host = values.numpy() if isinstance(values, Tensor) else values
    memory.upload(np.ascontiguousarray(host, dtype=target.dtype), target.storage.data, target.offset)


def fetch(tensor: Tensor) -> np.ndarray:
    """A copy of the tensor's numbers in the computer's own memory."""
    elements = 1 + sum((length - 1) * step for length, step in zip(tensor.shape, tensor.strides, strict=True))
    if tensor.size == 0:
        return np.empty(tensor.shape, tensor.dtype)
    data = memory.download(tensor.storage.data, tensor.offset, elements * tensor.dtype.itemsize)
    steps = tuple(stride * tensor.dtype.itemsize for stride in tensor.strides)
    return np.ndarray(tensor.shape, tensor.dtype, data, 0, steps)


# ---- float32 to 16 bits, without leaving the device --------------------------------------------------------------

_THREADS = 256


def _build_to_float16():
    from llvmlite import ir
    from numba.cuda import types
    from numba.cuda.extending import intrinsic

    @intrinsic
    def to_float16_bits(typing_context, value):
        def generate(context, builder, signature, arguments):
            conversion = ir.FunctionType(ir.IntType(16), [ir.FloatType()])
            return builder.call(ir.InlineAsm(conversion, "cvt.rn.f16.f32 $0, $1;", "=h,f"), arguments)

        return types.int16(types.float32), generate

    return to_float16_bits


@cuda.primitive(_build_to_float16)
def _to_float16_bits(value):
    return np.float16(value).view(np.int16)


@cuda.jit
def _narrow_to_float16(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = _to_float16_bits(x[i])


@cuda.jit
def _narrow_to_bfloat16(x, out):
    i = cuda.grid(1)
    if i < out.size:
        bits = x[i].view(np.uint32)
        to_even = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        rounded = np.uint16((bits + to_even) >> np.uint32(16))
        out[i] = rounded if x[i] == x[i] else np.uint16(0x7FC0)  # rounding could turn a NaN into an infinity


def _narrow(values, target):
    kernel = _narrow_to_bfloat16 if target.dtype == dtypes.bfloat16 else _narrow_to_float16
    size = math.prod(target.shape)
    kernel[(size + _THREADS - 1) // _THREADS, _THREADS](_array(values, (size,)), _array(target, (size,)))
