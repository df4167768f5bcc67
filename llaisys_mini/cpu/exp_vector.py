"""`exp_vector(x)`: `fast_exp` for a whole vector of `simd` at once. The same steps, with the same error."""

from numba import njit

from llaisys_mini.cpu.fast_exp import C2, C3, C4, C5, C6, C7, HALF, HIGHEST, LN2_HIGH, LN2_LOW, LOWEST, ONE, PER_LN2
from llaisys_mini.cpu.simd import floor, fma, maximum, minimum, multiply, power_of_two, splat, zero_below


@njit(forceinline=True)
def exp_vector(x):
    """exp of each lane of a vector of finite numbers."""
    within = minimum(maximum(x, splat(LOWEST)), splat(HIGHEST))
    n = floor(fma(within, splat(PER_LN2), splat(HALF)))
    f = fma(n, splat(-LN2_LOW), fma(n, splat(-LN2_HIGH), within))
    series = fma(f, splat(C7), splat(C6))
    series = fma(f, series, splat(C5))
    series = fma(f, series, splat(C4))
    series = fma(f, series, splat(C3))
    series = fma(f, series, splat(C2))
    series = fma(f, series, splat(ONE))
    series = fma(f, series, splat(ONE))
    return zero_below(multiply(series, power_of_two(n)), x, LOWEST)
