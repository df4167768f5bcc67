"""Tensor cores: one instruction multiplies a 16 x 16 by a 16 x 8 tile of bfloat16, spread over the lanes of a warp.

`mma` multiplies; `load_matrices` fetches what it takes from shared memory, four 8 x 8 matrices at once. A float32 comes
to it as `split`: the sum of two bfloat16. Blocks have one dimension, and all 32 lanes of a warp must call.

Architecture sm_80 and newer. PTX: https://docs.nvidia.com/cuda/parallel-thread-execution, "mma.m16n8k16", "ldmatrix",
"cvt".
"""

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.cuda.launching import launching_device
from llaisys_mini.cuda.narrow import bfloat16_bits

LOWEST_ARCHITECTURE = "sm_80"
_ALL_LANES = 0xFFFFFFFF


# ---- numbers of 16 bits, two in a word -------------------------------------------------------------------------------


@cuda.jit(device=True)
def low_half(word):
    """The first of the two bfloat16 numbers in a word, as float32."""
    return np.uint32(word << np.uint32(16)).view(np.float32)


@cuda.jit(device=True)
def high_half(word):
    """The second of the two bfloat16 numbers in a word, as float32."""
    return np.uint32(word & np.uint32(0xFFFF0000)).view(np.float32)


def _build_pack():
    from llvmlite import ir
    from numba.cuda import types
    from numba.cuda.extending import intrinsic

    @intrinsic
    def pack(typing_context, first, second):
        def generate(context, builder, signature, arguments):
            kind = ir.FunctionType(ir.IntType(32), [ir.FloatType()] * 2)
            return builder.call(ir.InlineAsm(kind, "cvt.rn.bf16x2.f32 $0, $2, $1;", "=r,f,f"), arguments)

        return types.uint32(types.float32, types.float32), generate

    return pack


@cuda.primitive(_build_pack)
def pack(first, second):
    """Two float32, each rounded to the nearest bfloat16 (ties to even), in one uint32: the first in the lower half."""
    return np.uint32(np.uint32(bfloat16_bits(first)) | (np.uint32(bfloat16_bits(second)) << np.uint32(16)))


@cuda.jit(device=True)
def split(first, second):
    """(high, middle), a word each: two float32 as sums of two bfloat16, with 16 significant bits where float32 has 24.

    high is the bfloat16 nearest to x, middle the one nearest to x - high, and |x - high - middle| <= 2^-17 |x|: for x
    from 1 to 2 the rest x - high is at most 2^-8, and bfloat16 below that lie 2^-16 apart or closer. What rounds to
    infinity, from 3.39e38 on, becomes NaN.
    """
    high = pack(first, second)
    return high, pack(first - low_half(high), second - high_half(high))


# ---- what moves between the lanes ------------------------------------------------------------------------------------


@cuda.jit(device=True)
def _joined(first, second):
    """Two words in one int64, for one shuffle: shuffles pass on signed numbers only."""
    return np.int64(first) | (np.int64(second) << np.int64(32))


@cuda.jit(device=True)
def _of_lane(both, lane):
    """Two words of another lane."""
    moved = cuda.shfl_sync(_ALL_LANES, both, lane)
    return np.uint32(moved & np.int64(0xFFFFFFFF)), np.uint32((moved >> np.int64(32)) & np.int64(0xFFFFFFFF))


# ---- multiply ------------------------------------------------------------------------------------------------------


def _build_mma():
    from llvmlite import ir
    from numba.cuda import cgutils, types
    from numba.cuda.extending import intrinsic

    @intrinsic
    def mma(typing_context, a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
        def generate(context, builder, signature, arguments):
            word, number = ir.IntType(32), ir.FloatType()
            four = ir.LiteralStructType([number] * 4)
            code = ir.InlineAsm(
                ir.FunctionType(four, [word] * 6 + [number] * 4),
                "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                "{$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};",
                "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f",
                side_effect=True,
            )
            sums = builder.call(code, arguments)
            return cgutils.pack_array(builder, [builder.extract_value(sums, k) for k in range(4)])

        return types.UniTuple(types.float32, 4)(*[types.uint32] * 6, *[types.float32] * 4), generate

    return mma


@cuda.jit(device=True)
def _products(a_first, a_second, b_first, b_second):
    """The products of four bfloat16 in two words with four others, added."""
    sum_of_first = low_half(a_first) * low_half(b_first) + high_half(a_first) * high_half(b_first)
    return sum_of_first + (low_half(a_second) * low_half(b_second) + high_half(a_second) * high_half(b_second))


@cuda.primitive(_build_mma)
def mma(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
    """c + a @ b for a [16, 16] and b [16, 8] of bfloat16, c [16, 8] of float32. All lanes of the warp must call.

    a0 ... b1: uint32 words of two bfloat16 each, the lower k in the lower half; g = lane // 4 and p = 2 (lane % 4):

        a0, a1   a[g, p and p + 1],      a[g + 8, the same]          b0   b[p and p + 1, g]
        a2, a3   a[g, p + 8 and p + 9],  a[g + 8, the same]          b1   b[p + 8 and p + 9, g]
        c0, c1   c[g, p],  c[g, p + 1]                               c2, c3   c[g + 8, p],  c[g + 8, p + 1]
    """
    group, pair = cuda.laneid // 4, cuda.laneid % 4
    upper, lower, column = _joined(a0, a2), _joined(a1, a3), _joined(b0, b1)
    for quarter in range(4):
        row = group * 4 + quarter
        upper_first, upper_second = _of_lane(upper, row)
        lower_first, lower_second = _of_lane(lower, row)
        left_first, left_second = _of_lane(column, 8 * pair + quarter)
        right_first, right_second = _of_lane(column, 8 * pair + 4 + quarter)
        c0 += _products(upper_first, upper_second, left_first, left_second)
        c1 += _products(upper_first, upper_second, right_first, right_second)
        c2 += _products(lower_first, lower_second, left_first, left_second)
        c3 += _products(lower_first, lower_second, right_first, right_second)
    return c0, c1, c2, c3


# ---- fetch ---------------------------------------------------------------------------------------------------------


def _build_load_matrices(form: str):
    """A builder of ldmatrix; form: "" or ".trans"."""

    def build():
        from llvmlite import ir
        from numba.cuda import cgutils, types
        from numba.cuda.extending import intrinsic

        from llaisys_mini.cuda.vectors import address_of

        @intrinsic
        def load_matrices(typing_context, array, i):
            def generate(context, builder, signature, arguments):
                four = ir.LiteralStructType([ir.IntType(32)] * 4)
                code = ir.InlineAsm(
                    ir.FunctionType(four, [ir.IntType(32)]),
                    f"ldmatrix.sync.aligned.m8n8.x4{form}.shared.b16 {{$0, $1, $2, $3}}, [$4];",
                    "=r,=r,=r,=r,r,~{memory}",
                    side_effect=True,
                )
                place = address_of(context, builder, signature.args[0], *arguments, is_shared=True)
                loaded = builder.call(code, [place])
                return cgutils.pack_array(builder, [builder.extract_value(loaded, k) for k in range(4)])

            return types.UniTuple(types.uint32, 4)(array, types.int64), generate

        return load_matrices

    return build


@cuda.jit(device=True)
def _two(array, i):
    """array[i] and array[i + 1] of 16 bits in a word."""
    return np.uint32(np.uint32(array[i]) | (np.uint32(array[i + 1]) << np.uint32(16)))


@cuda.jit(device=True)
def _word_of(left, right, lane, which):
    """Word `which`, 0 to 3, of the row that another lane has read: left holds 0 and 1, right 2 and 3."""
    of_left_0, of_left_1 = _of_lane(left, lane)
    of_right_0, of_right_1 = _of_lane(right, lane)
    of_left = of_left_1 if which % 2 == 1 else of_left_0
    of_right = of_right_1 if which % 2 == 1 else of_right_0
    return of_right if which >= 2 else of_left


@cuda.primitive(_build_load_matrices(""), aligned=16)
def load_matrices(array, i):
    """Four 8 x 8 matrices of 16-bit numbers from shared memory, as four words: the lane's part of each.

    Lane l gives in i where row l % 8 of matrix l // 8 begins, 8 numbers at a multiple of 16 bytes. Of each matrix it
    gets the numbers [g, p and p + 1], with g and p as in `mma`: a tile of a, or of b if it is stored as [n, k].
    """
    left, right = _joined(_two(array, i), _two(array, i + 2)), _joined(_two(array, i + 4), _two(array, i + 6))
    row, which = cuda.laneid // 4, cuda.laneid % 4
    return (
        _word_of(left, right, row, which),
        _word_of(left, right, 8 + row, which),
        _word_of(left, right, 16 + row, which),
        _word_of(left, right, 24 + row, which),
    )


@cuda.jit(device=True)
def _column_of(left, right, lane, column):
    """The numbers `column` of the rows that two lanes, this and the next, have read, in a word."""
    shift = np.uint32(16 * (column % 2))
    first = (_word_of(left, right, lane, column // 2) >> shift) & np.uint32(0xFFFF)
    second = (_word_of(left, right, lane + 1, column // 2) >> shift) & np.uint32(0xFFFF)
    return np.uint32(first | (second << np.uint32(16)))


@cuda.primitive(_build_load_matrices(".trans"), aligned=16)
def load_matrices_transposed(array, i):
    """Like load_matrices, but a lane gets the numbers [p and p + 1, g] of each matrix: b of `mma` stored as [k, n]."""
    left, right = _joined(_two(array, i), _two(array, i + 2)), _joined(_two(array, i + 4), _two(array, i + 6))
    row, column = 2 * (cuda.laneid % 4), cuda.laneid // 4
    return (
        _column_of(left, right, row, column),
        _column_of(left, right, 8 + row, column),
        _column_of(left, right, 16 + row, column),
        _column_of(left, right, 24 + row, column),
    )


def are_available() -> bool:
    """Whether the device has tensor cores for bfloat16. The sanitizer computes what they would."""
    return launching_device().has_tensor_cores
