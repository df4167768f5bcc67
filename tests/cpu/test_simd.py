"""Vectors and tiles against NumPy, for both widths; and that tiles become fused multiply-adds in registers."""

import ml_dtypes
import numpy as np
import pytest
from llvmlite import ir
from numba import njit

from llaisys_mini.cpu import simd
from llaisys_mini.cpu.simd import WIDTH, llvm
from llaisys_mini.cpu.simd.halves import _looked_up, _subtracted
from llaisys_mini.dtypes import kernel_view


def f32(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@njit
def widened(array, offset, out):
    simd.store(out, 0, simd.load(array, offset))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.int8])
def test_load_widens_every_storage(dtype):
    array = (100 * f32(WIDTH + 3)).astype(dtype)
    out = np.zeros(WIDTH, np.float32)
    widened(kernel_view(array), 3, out)
    np.testing.assert_array_equal(out, array[3:].astype(np.float32))


@njit
def arithmetic(a, b, c, out):
    x, y, z = simd.load(a, 0), simd.load(b, 0), simd.load(c, 0)
    simd.store(out, 0, simd.fma(x, y, z))
    simd.store(out, WIDTH, simd.add(x, y))
    simd.store(out, 2 * WIDTH, simd.multiply(x, simd.splat(np.float32(2))))
    simd.prefetch(a, 10**9)
    simd.prefetch_far(a, 10**9)
    return simd.total(z)


def test_arithmetic():
    a, b, c = f32(3, WIDTH)
    out = np.zeros(3 * WIDTH, np.float32)
    total = arithmetic(a, b, c, out)
    fused = a.astype(np.float64) * b + c
    np.testing.assert_array_equal(out[:WIDTH], fused.astype(np.float32))
    np.testing.assert_array_equal(out[WIDTH : 2 * WIDTH], a + b)
    np.testing.assert_array_equal(out[2 * WIDTH :], 2 * a)
    np.testing.assert_allclose(total, c.sum(dtype=np.float64), rtol=1e-5)


@njit
def dot_products(x, w, length, rows, columns, out, added=False):
    tile = simd.zeros(4, 3)
    for k in range(0, length, WIDTH):
        tile = simd.add_products(tile, x, k, length, rows, w, k, length, columns)
    simd.store_sums(tile, out, 0, 3, rows, columns, added)


@pytest.mark.parametrize(("rows", "columns"), [(4, 3), (1, 1), (2, 3), (4, 2)])
def test_add_products_takes_only_the_rows_and_columns_that_are_there(rows, columns):
    length = 5 * WIDTH
    x, w = f32(rows, length), f32(columns, length)
    out = np.full((4, 3), np.nan, np.float32)
    dot_products(x.reshape(-1), w.reshape(-1), length, rows, columns, out.reshape(-1))
    np.testing.assert_allclose(out[:rows, :columns], x @ w.T, rtol=1e-4, atol=1e-5)
    assert np.isnan(out[rows:]).all()
    assert np.isnan(out[:, columns:]).all()
    once = out.copy()
    dot_products(x.reshape(-1), w.reshape(-1), length, rows, columns, out.reshape(-1), True)
    np.testing.assert_allclose(out, 2 * once, rtol=1e-5)


@njit
def summed(array, start, out):
    out[0] = simd.add_lanes(start, simd.load(array, 0))
    out[1] = simd.total(simd.load(array, 0))
    simd.store_sums(simd.add_products(simd.zeros(1, 4), array, 0, 0, 1, array, WIDTH, 0, 4), out, 2, 4, 1, 4, False)


def test_lanes_are_added_in_the_order_that_is_written_down():
    """Lanes four apart first, then the four sums one by one; alone, or four columns of a tile together."""
    array, out = np.ones(2 * WIDTH, np.float32), np.empty(6, np.float32)
    for seed in range(20):
        lanes = array[:WIDTH] = np.random.default_rng(seed).normal(size=WIDTH).astype(np.float32)
        quads = lanes.reshape(-1, 4)
        folded = quads[0]
        for quad in quads[1:]:
            folded = folded + quad
        total, after = np.float32(0), np.float32(0.7)
        for number in folded:
            total, after = total + number, after + number
        summed(array, np.float32(0.7), out)
        assert out.tolist() == [after, *[total] * 5]


@njit
def outer_products(x, w, length, out, stride, rows):
    tile = simd.load_rows(simd.zeros(3, 2), out, 0, stride, rows)
    for k in range(length):
        tile = simd.add_outer(tile, x, k * 3, 1, w, k * 2 * WIDTH)
    simd.store_rows(simd.add_tiles(tile, simd.zeros(3, 2)), out, 0, stride, rows)


def test_add_outer_accumulates_onto_what_was_loaded():
    x, w = f32(7, 3), f32(7, 2 * WIDTH)
    out = f32(3, 2 * WIDTH + 5)
    before = out.copy()
    outer_products(x.reshape(-1), w.reshape(-1), 7, out.reshape(-1), out.shape[1], 3)
    np.testing.assert_allclose(out[:, : 2 * WIDTH], before[:, : 2 * WIDTH] + x.T @ w, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(out[:, 2 * WIDTH :], before[:, 2 * WIDTH :])


def test_a_tile_stays_in_registers():
    """Six fused multiply-adds per step of the loop, and no store until the loop is over."""
    outer_products(f32(21), f32(14 * WIDTH), 7, f32(6 * WIDTH), 2 * WIDTH, 3)
    assembly = outer_products.inspect_asm(outer_products.signatures[0])
    if "vfmadd" not in assembly:
        pytest.skip("this CPU has no x86 fused multiply-add")
    register = "zmm" if WIDTH == 16 else "ymm"
    assert assembly.count("vfmadd") >= 6
    assert register in assembly


@njit
def halves(array, offset, out):
    simd.store(out, 0, simd.load_low(array, offset))
    simd.store(out, WIDTH, simd.load_high(array, offset))


def test_the_halves_of_every_byte():
    array, out = np.arange(256, dtype=np.uint8), np.zeros(2 * WIDTH, np.float32)
    for offset in range(256 - WIDTH + 1):
        halves(array, offset, out)
        np.testing.assert_array_equal(out[:WIDTH], array[offset : offset + WIDTH] % 16 - 8.0)
        np.testing.assert_array_equal(out[WIDTH:], array[offset : offset + WIDTH] // 16 - 8.0)


@pytest.mark.parametrize("number", [_looked_up, _subtracted] if WIDTH == 16 else [_subtracted])
def test_both_ways_to_take_8_from_a_half(number):
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def low(typing_context, array, offset):
        def generate(context, builder, signature, arguments):
            byte = ir.IntType(8)
            pointer = llvm.element_pointer(context, builder, signature.args[0], *arguments, ir.VectorType(byte, WIDTH))
            ints = builder.zext(builder.load(pointer, align=1), llvm.INTS)
            return number(builder, builder.and_(ints, ir.Constant(llvm.INTS, [7] * WIDTH)))

        return simd.vector_type(array, types.intp), generate

    @njit
    def run(array, out):
        simd.store(out, 0, low(array, 1))

    array, out = np.arange(WIDTH + 1, dtype=np.uint8), np.zeros(WIDTH, np.float32)
    run(array, out)
    np.testing.assert_array_equal(out, array[1:] % 8 - 8.0)


@njit
def scaled_halves(x, w, scales, out):
    part = simd.add_halves(simd.zeros(1, 2), x, 0, 1, w, 0)
    simd.store_rows(simd.add_scaled(simd.load_rows(part, out, 0, 0, 1), part, scales, 0), out, 0, 0, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_halves_are_multiplied_summed_and_scaled(dtype):
    w = np.random.default_rng(2).integers(0, 256, size=2 * WIDTH).astype(np.uint8)
    x, scales, out = f32(2), f32(2 * WIDTH).astype(dtype), f32(3, 2 * WIDTH)[2]
    expected = out + scales.astype(np.float32) * (x[0] * (w % 16 - 8.0) + x[1] * (w // 16 - 8.0))
    scaled_halves(x, w, kernel_view(scales), out)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
