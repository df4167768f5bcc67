"""Teaches numba-cuda the function `widen` of llaisys_mini.widen, which Numba knows for the CPU only.

Imported before a kernel is compiled for a device; the sanitizer needs none of it.
"""

import numpy as np
from llvmlite import ir
from numba.cuda import types
from numba.cuda.extending import intrinsic, overload

from llaisys_mini.widen import widen


@intrinsic
def _float16_bits_to_float32(typing_context, bits):
    def generate(context, builder, signature, arguments):
        conversion = ir.FunctionType(ir.FloatType(), [ir.IntType(16)])
        return builder.call(ir.InlineAsm(conversion, "cvt.f32.f16 $0, $1;", "=f,h"), arguments)

    return types.float32(types.int16), generate


@overload(widen)
def _widen(value):
    if value == types.float32:
        return lambda value: value
    if value == types.uint16:  # bfloat16 is the upper half of a float32
        return lambda value: np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)
    if value == types.int16:
        return lambda value: _float16_bits_to_float32(value)
    return None
