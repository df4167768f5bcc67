"""`widen(value)`: a stored number as float32, inside Numba code. See `dtypes` for the three storage formats.

Apart from `dtypes` so that importing the package does not import Numba.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload


@intrinsic
def _float16_bits_to_float32(typing_context, bits):
    def generate(context, builder, signature, arguments):
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.int16), generate


def widen(value):
    """float32 of a stored number: float32 as it is, uint16 read as bfloat16, int16 read as float16."""
    if isinstance(value, np.uint16):
        return np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)
    if isinstance(value, np.int16):
        return np.float32(value.view(np.float16))
    return np.float32(value)


@overload(widen)
def _widen(value):
    if value == types.float32:
        return lambda value: value
    if value == types.uint16:  # bfloat16 is the upper half of a float32
        return lambda value: np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)
    if value == types.int16:
        return lambda value: _float16_bits_to_float32(value)
    return None
