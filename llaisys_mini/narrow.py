"""`narrow(value, like)`: a float32 in the form that an array stores, inside Numba code. The counterpart of `widen`.

Apart from `dtypes` so that importing the package does not import Numba. For CUDA see cuda/narrow.py.
"""

import ml_dtypes
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload


@intrinsic
def _float32_to_float16_bits(typing_context, value):
    def generate(context, builder, signature, arguments):
        return builder.bitcast(builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16))

    return types.int16(types.float32), generate


def narrow(value, like):
    """`value`, a float32, rounded to what `like` is: a number as kernels see it in float32, uint16 (bfloat16) or int16
    (float16) storage. Ties go to the even neighbour, as everywhere."""
    if isinstance(like, np.uint16):
        return np.float32(value).astype(ml_dtypes.bfloat16).view(np.uint16)
    if isinstance(like, np.int16):
        return np.float16(value).view(np.int16)
    return np.float32(value)


@overload(narrow)
def _narrow(value, like):
    if value != types.float32:
        return None
    if like == types.float32:
        return lambda value, like: value
    if like == types.int16:
        return lambda value, like: _float32_to_float16_bits(value)
    if like == types.uint16:

        def to_bfloat16(value, like):
            bits = np.float32(value).view(np.uint32)
            if value != value:  # rounding could turn a NaN into an infinity
                return np.uint16(0x7FC0)
            to_even = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
            return np.uint16((bits + to_even) >> np.uint32(16))

        return to_bfloat16
    return None
