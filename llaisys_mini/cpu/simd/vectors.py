"""One vector: move it, compute with it."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from llaisys_mini.cpu.simd.llvm import (
    FLOAT,
    INTS,
    VECTOR,
    WIDTH,
    element_pointer,
    ir_fma,
    ir_prefetch,
    ir_splat,
    ir_sum,
    store_unaligned,
    vector_type,
    widened,
)


@intrinsic
def load(typing_context, array, offset):
    """Elements offset .. offset + WIDTH of a float32, uint16 (bfloat16), int16 (float16) or int8 array."""

    def generate(context, builder, signature, arguments):
        def pointer_to(kind):
            return element_pointer(context, builder, signature.args[0], arguments[0], arguments[1], kind)

        return widened(builder, pointer_to, signature.args[0].dtype)

    return vector_type(array, types.intp), generate


@intrinsic
def store(typing_context, array, offset, vector):
    """Write a vector to elements offset .. offset + WIDTH of a float32 array."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], arguments[0], arguments[1], VECTOR)
        store_unaligned(builder, arguments[2], pointer)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector_type), generate


@intrinsic
def splat(typing_context, value):
    """A vector with the float32 `value` in every lane."""

    def generate(context, builder, signature, arguments):
        return ir_splat(builder, arguments[0])

    return vector_type(types.float32), generate


@intrinsic
def fma(typing_context, a, b, c):
    """a * b + c rounded once: of vectors lane by lane, or of three float32 numbers."""

    def generate(context, builder, signature, arguments):
        return ir_fma(builder, *arguments)

    kind = vector_type if a == vector_type else types.float32
    return kind(kind, kind, kind), generate


@intrinsic
def add(typing_context, a, b):
    """a + b lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments)

    return vector_type(vector_type, vector_type), generate


@intrinsic
def multiply(typing_context, a, b):
    """a * b lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fmul(*arguments)

    return vector_type(vector_type, vector_type), generate


@intrinsic
def floor(typing_context, vector):
    """The largest whole number not above each lane."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(VECTOR, [VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.floor.v{WIDTH}f32")
        return builder.call(function, arguments)

    return vector_type(vector_type), generate


@intrinsic
def power_of_two(typing_context, vector):
    """2 ** n lane by lane, for whole numbers n from -126 to 127: the bit pattern (n + 127) << 23."""

    def generate(context, builder, signature, arguments):
        exponent = builder.add(builder.fptosi(arguments[0], INTS), ir.Constant(INTS, [127] * WIDTH))
        return builder.bitcast(builder.shl(exponent, ir.Constant(INTS, [23] * WIDTH)), VECTOR)

    return vector_type(vector_type), generate


@intrinsic
def zero_below(typing_context, vector, x, least):
    """The lanes of `vector` where x is at least the number `least`, else 0."""

    def generate(context, builder, signature, arguments):
        vector, x, least = arguments
        there = builder.fcmp_ordered(">=", x, ir_splat(builder, least))
        return builder.select(there, vector, ir.Constant(VECTOR, [0.0] * WIDTH))

    return vector_type(vector_type, vector_type, types.float32), generate


@intrinsic
def minimum(typing_context, a, b):
    """The smaller of a and b lane by lane; b where a is NaN."""

    def generate(context, builder, signature, arguments):
        a, b = arguments
        return builder.select(builder.fcmp_ordered("<", a, b), a, b)

    return vector_type(vector_type, vector_type), generate


@intrinsic
def maximum(typing_context, a, b):
    """The larger of a and b lane by lane; b where a is NaN."""

    def generate(context, builder, signature, arguments):
        a, b = arguments
        return builder.select(builder.fcmp_ordered(">", a, b), a, b)

    return vector_type(vector_type, vector_type), generate


@intrinsic
def greatest(typing_context, vector):
    """The largest of all lanes."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(FLOAT, [VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fmax.v{WIDTH}f32")
        return builder.call(function, arguments, fastmath=("nnan",))

    return types.float32(vector_type), generate


@intrinsic
def total(typing_context, vector):
    """The sum of all lanes, in the order of `add_lanes`."""

    def generate(context, builder, signature, arguments):
        return ir_sum(builder, arguments[0])

    return types.float32(vector_type), generate


@intrinsic
def add_lanes(typing_context, number, vector):
    """number + all lanes, in an order that never changes: lanes four apart are added first, which leaves four sums,

        sum[i] = ((vector[i] + vector[i + 4]) + vector[i + 8]) + ...        i = 0 .. 3

    and those are added to `number` one after the other.
    """

    def generate(context, builder, signature, arguments):
        return ir_sum(builder, arguments[1], arguments[0])

    return types.float32(types.float32, vector_type), generate


@intrinsic
def prefetch(typing_context, array, offset):
    """Ask for the cache line of element `offset`; beyond the array it does nothing."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], arguments[0], arguments[1], ir.IntType(8))
        ir_prefetch(builder, pointer)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def prefetch_far(typing_context, array, offset):
    """As `prefetch`, into the larger caches only: what is needed soon must not push out what is needed now."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], arguments[0], arguments[1], ir.IntType(8))
        ir_prefetch(builder, pointer, levels=2)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate
