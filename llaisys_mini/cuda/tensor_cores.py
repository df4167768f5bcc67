"""Tensor cores: one instruction multiplies a 16 x 16 by a 16 x 8 tile of bfloat16, spread over the lanes of a warp.

Architecture sm_80 and newer. PTX: https://docs.nvidia.com/cuda/parallel-thread-execution, "mma.m16n8k16".
"""

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.cuda.launching import launching_device

LOWEST_ARCHITECTURE = "sm_80"
_ALL_LANES = 0xFFFFFFFF


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
def _low(word):
    """The first of the two bfloat16 numbers in a word, as float32."""
    return np.uint32(word << np.uint32(16)).view(np.float32)


@cuda.jit(device=True)
def _high(word):
    return np.uint32(word & np.uint32(0xFFFF0000)).view(np.float32)


@cuda.jit(device=True)
def _of_lane(word, lane):
    """The word of another lane. A shuffle passes on signed numbers only."""
    return np.uint32(cuda.shfl_sync(_ALL_LANES, np.int64(word), lane))


@cuda.primitive(_build_mma)
def mma(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
    """c + a @ b for a [16, 16] and b [16, 8] of bfloat16, c [16, 8] of float32. All lanes of the warp must call.

    a0 ... b1: uint32 words of two bfloat16 each, the lower k in the lower half; g = lane // 4 and p = 2 (lane % 4):

        a0, a1   a[g, p and p + 1],      a[g + 8, the same]          b0   b[p and p + 1, g]
        a2, a3   a[g, p + 8 and p + 9],  a[g + 8, the same]          b1   b[p + 8 and p + 9, g]
        c0, c1   c[g, p],  c[g, p + 1]                               c2, c3   c[g + 8, p],  c[g + 8, p + 1]
    """
    lane = cuda.threadIdx.x % 32
    group, pair = lane // 4, lane % 4
    for quarter in range(4):
        row, left, right = group * 4 + quarter, 8 * pair + quarter, 8 * pair + 4 + quarter
        upper_first, upper_second = _of_lane(a0, row), _of_lane(a2, row)
        lower_first, lower_second = _of_lane(a1, row), _of_lane(a3, row)
        left_first, left_second = _of_lane(b0, left), _of_lane(b1, left)
        right_first, right_second = _of_lane(b0, right), _of_lane(b1, right)
        c0 += _low(upper_first) * _low(left_first) + _high(upper_first) * _high(left_first)
        c0 += _low(upper_second) * _low(left_second) + _high(upper_second) * _high(left_second)
        c1 += _low(upper_first) * _low(right_first) + _high(upper_first) * _high(right_first)
        c1 += _low(upper_second) * _low(right_second) + _high(upper_second) * _high(right_second)
        c2 += _low(lower_first) * _low(left_first) + _high(lower_first) * _high(left_first)
        c2 += _low(lower_second) * _low(left_second) + _high(lower_second) * _high(left_second)
        c3 += _low(lower_first) * _low(right_first) + _high(lower_first) * _high(right_first)
        c3 += _low(lower_second) * _low(right_second) + _high(lower_second) * _high(right_second)
    return c0, c1, c2, c3


def are_available() -> bool:
    """Whether the device has tensor cores for bfloat16. The sanitizer computes what they would."""
    return launching_device().has_tensor_cores
