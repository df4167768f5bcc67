"""What the vector functions are made of: the types of a vector and a tile, and pieces of LLVM IR."""

import os

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

_widest = 16 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 8
WIDTH = int(os.environ.get("LLAISYS_MINI_SIMD_WIDTH", _widest))
"""float32 lanes of a vector. The environment variable makes a CPU behave like a narrower one, for tests: give such a
run a NUMBA_CACHE_DIR of its own, since Numba's cache does not know about it."""

REGISTERS = 32 if WIDTH == 16 else 16
"""Vector registers of the CPU: how much a tile and what feeds it may occupy."""

FLOAT = ir.FloatType()
INT = ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, WIDTH)
INTS = ir.VectorType(INT, WIDTH)
QUAD = ir.VectorType(FLOAT, 4)


class VectorType(types.Type):
    def __init__(self):
        super().__init__(f"vector of {WIDTH} float32")


class TileType(types.Type):
    """rows x columns of vectors."""

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns
        super().__init__(f"tile of {rows} x {columns} vectors")


vector_type = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, VECTOR)


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, ir.ArrayType(VECTOR, numba_type.rows * numba_type.columns))


# ---- pieces ------------------------------------------------------------------------------------------------------


def element_pointer(context, builder, array_type, array, offset, pointee):
    """Pointer to element `offset` of the array, as a pointer to `pointee`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), pointee.as_pointer())


def widened(builder, pointer_to, element):
    """WIDTH stored numbers as a vector of float32. `element` is the array's Numba dtype, see llaisys_mini.dtypes."""

    def read(kind, size):
        lanes = builder.load(pointer_to(ir.VectorType(kind, WIDTH)))
        lanes.align = size
        return lanes

    if element == types.float32:
        return read(FLOAT, 4)
    if element == types.uint16:  # bfloat16 is the upper half of a float32
        bits = builder.shl(builder.zext(read(ir.IntType(16), 2), INTS), ir.Constant(INTS, [16] * WIDTH))
        return builder.bitcast(bits, VECTOR)
    if element == types.int16:  # float16
        halves = builder.bitcast(read(ir.IntType(16), 2), ir.VectorType(ir.HalfType(), WIDTH))
        return builder.fpext(halves, VECTOR)
    if element == types.int8:
        return builder.sitofp(builder.sext(read(ir.IntType(8), 1), INTS), VECTOR)
    raise TypeError(f"no vector is made from {element}")


def ir_splat(builder, value):
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(INTS, [0] * WIDTH))


def ir_fma(builder, a, b, c):
    kind = ir.FunctionType(a.type, [a.type] * 3)
    name = "llvm.fma.f32" if a.type == FLOAT else f"llvm.fma.v{WIDTH}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


def ir_sum(builder, vector, start=None):
    """start + all lanes, in one fixed order whatever surrounds it; see `add_lanes`."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    folded = None
    for first in range(0, WIDTH, 4):
        lanes = ir.Constant(ir.VectorType(INT, 4), list(range(first, first + 4)))
        four = builder.shuffle_vector(vector, undefined, lanes)
        folded = four if folded is None else builder.fadd(folded, four)
    kind = ir.FunctionType(FLOAT, [FLOAT, QUAD])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.fadd.v4f32")
    return builder.call(function, [ir.Constant(FLOAT, 0.0) if start is None else start, folded])


def ir_prefetch(builder, pointer, levels=3):
    """levels: 3 asks for the line in every cache, 2 in all but the smallest."""
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, INT, INT, INT])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    read, data = ir.Constant(INT, 0), ir.Constant(INT, 1)
    builder.call(function, [pointer, read, ir.Constant(INT, levels), data])


def store_unaligned(builder, value, pointer):
    builder.store(value, pointer).align = 4


def accumulate(builder, tile, position, left, right):
    product = ir_fma(builder, left, right, builder.extract_value(tile, position))
    return builder.insert_value(tile, product, position)
