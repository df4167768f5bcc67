"""`fast_exp(x)`: the exponential of a float32 in plain arithmetic, so that LLVM can turn a loop over it into vectors.

`math.exp` is a call into the C library, one number at a time. This is a dozen multiply-adds:

    exp(x) = 2^n * exp(f)       n = round(x / ln 2),  f = x - n ln 2,  so |f| <= ln(2) / 2
    exp(f) = 1 + f + f^2/2! + ... + f^7/7!            the next term is below 6e-9
    2^n                                               is the bit pattern (n + 127) << 23

Relative error below 2e-7 (about two roundoffs; tests/cpu/test_fast_exp.py measures it). Below -87.3, where float32 has
no normal numbers left, the result is zero; above 88 it stays at exp(88) and never becomes inf.
"""

import numpy as np
from numba import njit

from llaisys_mini.cpu.simd import fma

LOWEST, HIGHEST = np.float32(-87.336), np.float32(88.0)  # exp(-87.336) is the smallest normal float32
PER_LN2 = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # ln 2 in two parts: n * HIGH is exact
ONE = np.float32(1)
C2, C3, C4 = np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24)
C5, C6, C7 = np.float32(1 / 120), np.float32(1 / 720), np.float32(1 / 5040)
HALF = np.float32(0.5)
BIAS, FRACTION_BITS = np.int32(127), np.int32(23)


@njit(fastmath={"nnan", "ninf"})
def fast_exp(x):
    """exp(x) for a finite float32 x."""
    within = min(max(x, LOWEST), HIGHEST)
    n = np.floor(fma(within, PER_LN2, HALF))
    f = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, within))
    series = fma(f, C7, C6)
    series = fma(f, series, C5)
    series = fma(f, series, C4)
    series = fma(f, series, C3)
    series = fma(f, series, C2)
    series = fma(f, series, ONE)
    series = fma(f, series, ONE)
    power = series * np.int32((np.int32(n) + BIAS) << FRACTION_BITS).view(np.float32)
    return power if x >= LOWEST else np.float32(0)
