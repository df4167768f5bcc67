"""What numbers are stored as: one table of the course's dtypes, and how kernels see each of them.

NumPy has no bfloat16, so `ml_dtypes` supplies it. Numba's CPU target has no 16-bit floats at all, so a kernel
receives their bit patterns as integers, and the integer type says which format it is:

    stored as    kernel sees    width   exponent / fraction bits
    float32      float32        4       8 / 23
    bfloat16     uint16         2       8 / 7
    float16      int16          2       5 / 10

Inside a kernel `widen(value)` turns any of the three into float32. It costs one shift (bfloat16) or one
conversion instruction (float16), and vectorises.
"""

import ml_dtypes
import numpy as np

float32 = np.dtype(np.float32)
float16 = np.dtype(np.float16)
bfloat16 = np.dtype(ml_dtypes.bfloat16)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)

STORAGE = (float32, float16, bfloat16)
"""Dtypes that weights and the KV cache may be stored in."""

_KERNEL_VIEW = {bfloat16: np.dtype(np.uint16), float16: np.dtype(np.int16)}

BY_NAME = {
    name: np.dtype(dtype)
    for name, dtype in {
        "float64": np.float64,
        "float32": np.float32,
        "float16": np.float16,
        "bfloat16": ml_dtypes.bfloat16,
        "int64": np.int64,
        "int32": np.int32,
        "int16": np.int16,
        "int8": np.int8,
        "uint8": np.uint8,
        "bool": np.bool_,
    }.items()
}


def seen_by_kernels(dtype: np.dtype) -> np.dtype:
    """The dtype under which a kernel sees numbers that are stored as `dtype`."""
    return _KERNEL_VIEW.get(dtype, dtype)


def kernel_view(array: np.ndarray) -> np.ndarray:
    """`array` as a kernel receives it: 16-bit floats become integers of the same bits, all else stays. No copy."""
    seen_as = _KERNEL_VIEW.get(array.dtype)
    return array if seen_as is None else array.view(seen_as)


def stored_view(array: np.ndarray) -> np.ndarray:
    """The inverse of `kernel_view`: uint16 read as bfloat16, int16 as float16. No copy."""
    for stored_as, seen_as in _KERNEL_VIEW.items():
        if array.dtype == seen_as:
            return array.view(stored_as)
    return array
