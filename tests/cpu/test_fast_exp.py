"""The error of fast_exp over its whole range, measured against float64."""

import numpy as np
from numba import njit

from llaisys_mini.cpu.fast_exp import fast_exp


@njit
def apply(x, out):
    for i in range(x.size):
        out[i] = fast_exp(x[i])


def test_relative_error_over_the_whole_range():
    x = np.linspace(-87, 88, 2_000_001).astype(np.float32)
    out = np.empty_like(x)
    apply(x, out)
    exact = np.exp(x.astype(np.float64))
    assert (np.abs(out - exact) / exact).max() < 2e-7


def test_ends():
    x = np.float32([-1e30, -200, -88, 0, 89, 1e30])
    out = np.empty_like(x)
    apply(x, out)
    assert (out[:3] == 0).all()
    assert out[3] == 1
    assert np.isfinite(out[4:]).all()


def test_the_loop_is_vectorised():
    x = np.zeros(1000, np.float32)
    apply(x, x.copy())
    assembly = apply.inspect_asm(apply.signatures[0])
    assert "vfmadd" not in assembly or any(name in assembly for name in ("ymm", "zmm"))
