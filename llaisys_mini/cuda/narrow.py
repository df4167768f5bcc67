"""float32 to 16 bits on the device: what a KV cache in bfloat16 or float16 stores of new keys and values."""

import numpy as np

from llaisys_mini import cuda

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


@cuda.jit(device=True)
def bfloat16_bits(value):
    """The bfloat16 nearest to a float32, as uint16; ties go to the even neighbour."""
    bits = value.view(np.uint32)
    to_even = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    rounded = np.uint16((bits + to_even) >> np.uint32(16))
    return rounded if value == value else np.uint16(0x7FC0)  # rounding could turn a NaN into an infinity


@cuda.jit
def _narrow_to_bfloat16(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = bfloat16_bits(x[i])


def narrow(source, target):
    """A launcher: `source` float32, `target` uint16 (bfloat16) or int16 (float16) of the same size, both flat."""
    kernel = _narrow_to_bfloat16 if target.dtype == np.uint16 else _narrow_to_float16
    kernel[(target.size + _THREADS - 1) // _THREADS, _THREADS](source, target)
