"""Quantised weights: numbers of four bits, and sums that are scaled."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from llaisys_mini.cpu.simd.llvm import (
    FLOAT,
    INT,
    INTS,
    VECTOR,
    WIDTH,
    accumulate,
    element_pointer,
    ir_splat,
    vector_type,
    widened,
)

# A byte of a uint8 array holds two numbers: u in its low half, v in its high half, and they stand for u - 8 and v - 8.


@intrinsic
def load_low(typing_context, array, offset):
    """The numbers -8 .. 7 in the low halves of WIDTH bytes of a uint8 array, as a vector."""

    def generate(context, builder, signature, arguments):
        return _halves(context, builder, signature.args[0], *arguments)[0]

    return vector_type(array, types.intp), generate


@intrinsic
def load_high(typing_context, array, offset):
    """The numbers -8 .. 7 in the high halves of WIDTH bytes of a uint8 array, as a vector."""

    def generate(context, builder, signature, arguments):
        return _halves(context, builder, signature.args[0], *arguments)[1]

    return vector_type(array, types.intp), generate


@intrinsic
def add_halves(typing_context, tile, x, x_low, x_high, w, w_start):
    """tile[0, c] += x[x_low] * low + x[x_high] * high, where low and high are the halves of w[w_start + c * WIDTH :].

    x: float32 array; w: uint8 array; tile: one row.
    """

    def generate(context, builder, signature, arguments):
        value, x_array, x_low, x_high, w_array, w_start = arguments
        factors = []
        for offset in (x_low, x_high):
            pointer = element_pointer(context, builder, signature.args[1], x_array, offset, FLOAT)
            factors.append(ir_splat(builder, builder.load(pointer)))
        for c in range(tile.columns):
            offset = builder.add(w_start, ir.Constant(w_start.type, c * WIDTH))
            halves = _halves(context, builder, signature.args[4], w_array, offset)
            for left, right in zip(factors, halves, strict=True):
                value = accumulate(builder, value, c, left, right)
        return value

    return tile(tile, x, types.intp, types.intp, w, types.intp), generate


@intrinsic
def add_scaled(typing_context, tile, part, scales, start):
    """tile[r, c] += part[r, c] * scales[start + c * WIDTH :][:WIDTH], scales of any dtype that `load` reads."""

    def generate(context, builder, signature, arguments):
        value, part_value, array, start = arguments
        for c in range(tile.columns):
            offset = builder.add(start, ir.Constant(start.type, c * WIDTH))

            def pointer_to(kind, offset=offset):
                return element_pointer(context, builder, signature.args[2], array, offset, kind)

            factor = widened(builder, pointer_to, signature.args[2].dtype)
            for position in range(c, tile.rows * tile.columns, tile.columns):
                value = accumulate(builder, value, position, builder.extract_value(part_value, position), factor)
        return value

    return tile(tile, part, scales, types.intp), generate


def _halves(context, builder, array_type, array, offset):
    """(low, high): the numbers u - 8 in the halves of the WIDTH bytes at `offset`, as vectors of float32."""
    lanes = builder.load(
        element_pointer(context, builder, array_type, array, offset, ir.VectorType(ir.IntType(8), WIDTH))
    )
    lanes.align = 1
    ints = builder.zext(lanes, INTS)
    low = builder.and_(ints, ir.Constant(INTS, [15] * WIDTH))
    high = builder.lshr(ints, ir.Constant(INTS, [4] * WIDTH))
    number = _looked_up if WIDTH == 16 else _subtracted
    return number(builder, low), number(builder, high)


def _looked_up(builder, halves):
    """u - 8 as entry u of a table. Its 16 entries fit one register, so LLVM makes it a single shuffle instruction."""
    table = ir.Constant(VECTOR, [float(number) for number in range(-8, 8)])
    found = ir.Constant(VECTOR, ir.Undefined)
    for lane in range(WIDTH):
        entry = builder.extract_element(table, builder.extract_element(halves, ir.Constant(INT, lane)))
        found = builder.insert_element(found, entry, ir.Constant(INT, lane))
    return found


def _subtracted(builder, halves):
    """u - 8 by arithmetic: float32 with the bits of 2**23 has room for a whole number in its last bits, so that
    `bits of 2**23 | u` is 2**23 + u, and subtracting 2**23 + 8 leaves u - 8, exactly."""
    bits = builder.or_(halves, ir.Constant(INTS, [0x4B000000] * WIDTH))
    return builder.fsub(builder.bitcast(bits, VECTOR), ir.Constant(VECTOR, [2.0**23 + 8] * WIDTH))
