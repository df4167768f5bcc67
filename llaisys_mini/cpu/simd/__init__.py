"""A small vector type for Numba: one register full of float32 numbers, and a tile of such registers.

Numba compiles scalar loops and relies on LLVM to turn them into vector instructions. Here they are asked for directly.

    vector          WIDTH float32 lanes: 16 where the CPU has AVX-512, else 8 (AVX2; LLVM splits it in two for NEON)
    load, store     move WIDTH neighbouring numbers; load widens bfloat16, float16 and int8 on the way
    tile            rows x columns of vectors that stay in registers while a loop adds to them

A tile grows in two ways. Both turn (rows + columns) loads into rows * columns multiply-adds: that is why tiles exist.

    add_products    tile[r, c] += x_row_r[k : k + WIDTH] * w_row_c[k : k + WIDTH]    dot products along k
    add_outer       tile[r, c] += x[r] * w[c * WIDTH : (c + 1) * WIDTH]              columns side by side

Everything is plain LLVM vector IR, so it runs on every CPU that LLVM knows; nothing is specific to x86.
Positions are element offsets into the array, whatever its shape, and are not checked against its size.
"""

from llaisys_mini.cpu.simd.halves import add_halves, add_scaled, load_high, load_low
from llaisys_mini.cpu.simd.llvm import REGISTERS, WIDTH, TileType, VectorType, vector_type
from llaisys_mini.cpu.simd.tiles import (
    add_outer,
    add_products,
    add_tiles,
    load_rows,
    prefetch_rows,
    store_rows,
    store_sums,
    transposed,
    zeros,
)
from llaisys_mini.cpu.simd.vectors import (
    add,
    add_lanes,
    floor,
    fma,
    greatest,
    load,
    maximum,
    minimum,
    multiply,
    power_of_two,
    prefetch,
    prefetch_far,
    splat,
    store,
    total,
    zero_below,
)

__all__ = [
    "REGISTERS",
    "WIDTH",
    "TileType",
    "VectorType",
    "vector_type",
    "load",
    "store",
    "splat",
    "fma",
    "add",
    "multiply",
    "floor",
    "power_of_two",
    "zero_below",
    "minimum",
    "maximum",
    "greatest",
    "total",
    "add_lanes",
    "prefetch",
    "prefetch_far",
    "zeros",
    "add_products",
    "add_outer",
    "add_tiles",
    "store_sums",
    "store_rows",
    "load_rows",
    "transposed",
    "prefetch_rows",
    "load_low",
    "load_high",
    "add_halves",
    "add_scaled",
]
