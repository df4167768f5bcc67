"""`fast_exp(x)`: the exponential of a float32 in plain arithmetic, so that LLVM can turn a loop over it into vectors.

`math.exp` is a call into the C library, one number at a time. This is a dozen multiply-adds:

    exp(x) = 2^n * exp(f)       n = round(x / ln 2),  f = x - n ln 2,  so |f| <= ln(2) / 2
    exp(f) = 1 + f + f^2/2! + ... + f^7/7!            the next term is below 6e-9
    2^n                                               is the bit pattern (n + 127) << 23

Relative error below 2e-7 (about two roundoffs; tests/test_fast_exp.py measures it). Below -87.3, where float32 has no
normal numbers left, the result is zero; above 88 it stays at exp(88) and never becomes inf.
"""

import numpy as np
from numba import njit

_LOWEST, _HIGHEST = np.float32(-87.336), np.float32(88.0)  # exp(-87.336) is the smallest normal float32
_PER_LN2 = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # ln 2 in two parts: n * HIGH is exact
_ONE = np.float32(1)
_C2, _C3, _C4 = np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24)
_C5, _C6, _C7 = np.float32(1 / 120), np.float32(1 / 720), np.float32(1 / 5040)
_HALF = np.float32(0.5)
_BIAS, _FRACTION_BITS = np.int32(127), np.int32(23)


@njit(fastmath={"contract", "nnan", "ninf"}, cache=True)
def fast_exp(x):
    """exp(x) for a finite float32 x."""
    within = min(max(x, _LOWEST), _HIGHEST)
    n = np.floor(within * _PER_LN2 + _HALF)
    f = (within - n * _LN2_HIGH) - n * _LN2_LOW
    series = _C6 + f * _C7
    series = _C5 + f * series
    series = _C4 + f * series
    series = _C3 + f * series
    series = _C2 + f * series
    series = _ONE + f * series
    series = _ONE + f * series
    power = series * np.int32((np.int32(n) + _BIAS) << _FRACTION_BITS).view(np.float32)
    return power if x >= _LOWEST else np.float32(0)
