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

import os

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

_widest = 16 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 8
WIDTH = int(os.environ.get("LLAISYS_MINI_SIMD_WIDTH", _widest))
"""float32 lanes of a vector. The environment variable makes a CPU behave like a narrower one, for tests: give such a
run a NUMBA_CACHE_DIR of its own, since Numba's cache does not know about it."""

REGISTERS = 32 if WIDTH == 16 else 16
"""Vector registers of the CPU: how much a tile and what feeds it may occupy."""

_FLOAT = ir.FloatType()
_INT = ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, WIDTH)
_INTS = ir.VectorType(_INT, WIDTH)
_QUAD = ir.VectorType(_FLOAT, 4)


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
        super().__init__(manager, numba_type, _VECTOR)


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, ir.ArrayType(_VECTOR, numba_type.rows * numba_type.columns))


# ---- pieces of LLVM IR -------------------------------------------------------------------------------------------


def _pointer(context, builder, array_type, array, offset, pointee):
    """Pointer to element `offset` of the array, as a pointer to `pointee`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), pointee.as_pointer())


def _widened(builder, pointer_to, element):
    """WIDTH stored numbers as a vector of float32. `element` is the array's Numba dtype, see llaisys_mini.dtypes."""

    def read(kind, size):
        lanes = builder.load(pointer_to(ir.VectorType(kind, WIDTH)))
        lanes.align = size
        return lanes

    if element == types.float32:
        return read(_FLOAT, 4)
    if element == types.uint16:  # bfloat16 is the upper half of a float32
        bits = builder.shl(builder.zext(read(ir.IntType(16), 2), _INTS), ir.Constant(_INTS, [16] * WIDTH))
        return builder.bitcast(bits, _VECTOR)
    if element == types.int16:  # float16
        halves = builder.bitcast(read(ir.IntType(16), 2), ir.VectorType(ir.HalfType(), WIDTH))
        return builder.fpext(halves, _VECTOR)
    if element == types.int8:
        return builder.sitofp(builder.sext(read(ir.IntType(8), 1), _INTS), _VECTOR)
    raise TypeError(f"no vector is made from {element}")


def _splat(builder, value):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_INTS, [0] * WIDTH))


def _fma(builder, a, b, c):
    kind = ir.FunctionType(a.type, [a.type] * 3)
    name = "llvm.fma.f32" if a.type == _FLOAT else f"llvm.fma.v{WIDTH}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


def _sum(builder, vector, start=None):
    """start + all lanes, in one fixed order whatever surrounds it; see `add_lanes`."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    folded = None
    for first in range(0, WIDTH, 4):
        lanes = ir.Constant(ir.VectorType(_INT, 4), list(range(first, first + 4)))
        four = builder.shuffle_vector(vector, undefined, lanes)
        folded = four if folded is None else builder.fadd(folded, four)
    kind = ir.FunctionType(_FLOAT, [_FLOAT, _QUAD])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.fadd.v4f32")
    return builder.call(function, [ir.Constant(_FLOAT, 0.0) if start is None else start, folded])


def _prefetch(builder, pointer):
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, _INT, _INT, _INT])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    read, keep_in_all_levels, data = ir.Constant(_INT, 0), ir.Constant(_INT, 3), ir.Constant(_INT, 1)
    builder.call(function, [pointer, read, keep_in_all_levels, data])


def _store_unaligned(builder, value, pointer):
    builder.store(value, pointer).align = 4


# ---- vectors -----------------------------------------------------------------------------------------------------


@intrinsic
def load(typing_context, array, offset):
    """Elements offset .. offset + WIDTH of a float32, uint16 (bfloat16), int16 (float16) or int8 array."""

    def generate(context, builder, signature, arguments):
        def pointer_to(kind):
            return _pointer(context, builder, signature.args[0], arguments[0], arguments[1], kind)

        return _widened(builder, pointer_to, signature.args[0].dtype)

    return vector_type(array, types.intp), generate


@intrinsic
def store(typing_context, array, offset, vector):
    """Write a vector to elements offset .. offset + WIDTH of a float32 array."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _VECTOR)
        _store_unaligned(builder, arguments[2], pointer)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector_type), generate


@intrinsic
def splat(typing_context, value):
    """A vector with the float32 `value` in every lane."""

    def generate(context, builder, signature, arguments):
        return _splat(builder, arguments[0])

    return vector_type(types.float32), generate


@intrinsic
def fma(typing_context, a, b, c):
    """a * b + c rounded once: of vectors lane by lane, or of three float32 numbers."""

    def generate(context, builder, signature, arguments):
        return _fma(builder, *arguments)

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
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.floor.v{WIDTH}f32")
        return builder.call(function, arguments)

    return vector_type(vector_type), generate


@intrinsic
def power_of_two(typing_context, vector):
    """2 ** n lane by lane, for whole numbers n from -126 to 127: the bit pattern (n + 127) << 23."""

    def generate(context, builder, signature, arguments):
        exponent = builder.add(builder.fptosi(arguments[0], _INTS), ir.Constant(_INTS, [127] * WIDTH))
        return builder.bitcast(builder.shl(exponent, ir.Constant(_INTS, [23] * WIDTH)), _VECTOR)

    return vector_type(vector_type), generate


@intrinsic
def zero_below(typing_context, vector, x, least):
    """The lanes of `vector` where x is at least the number `least`, else 0."""

    def generate(context, builder, signature, arguments):
        vector, x, least = arguments
        there = builder.fcmp_ordered(">=", x, _splat(builder, least))
        return builder.select(there, vector, ir.Constant(_VECTOR, [0.0] * WIDTH))

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
        kind = ir.FunctionType(_FLOAT, [_VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fmax.v{WIDTH}f32")
        return builder.call(function, arguments, fastmath=("nnan",))

    return types.float32(vector_type), generate


@intrinsic
def total(typing_context, vector):
    """The sum of all lanes, in the order of `add_lanes`."""

    def generate(context, builder, signature, arguments):
        return _sum(builder, arguments[0])

    return types.float32(vector_type), generate


@intrinsic
def add_lanes(typing_context, number, vector):
    """number + all lanes, in an order that never changes: lanes four apart are added first, which leaves four sums,

        sum[i] = ((vector[i] + vector[i + 4]) + vector[i + 8]) + ...        i = 0 .. 3

    and those are added to `number` one after the other.
    """

    def generate(context, builder, signature, arguments):
        return _sum(builder, arguments[1], arguments[0])

    return types.float32(types.float32, vector_type), generate


@intrinsic
def prefetch(typing_context, array, offset):
    """Ask for the cache line of element `offset`; beyond the array it does nothing."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], ir.IntType(8))
        _prefetch(builder, pointer)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


# ---- tiles -------------------------------------------------------------------------------------------------------


@intrinsic(prefer_literal=True)
def zeros(typing_context, rows, columns):
    """A tile of rows x columns vectors, all zero. Both must be constants of the program."""
    tile = TileType(rows.literal_value, columns.literal_value)

    def generate(context, builder, signature, arguments):
        zero = ir.Constant(_VECTOR, [0.0] * WIDTH)
        return ir.Constant(context.get_value_type(tile), [zero] * (tile.rows * tile.columns))

    return tile(rows, columns), generate


@intrinsic
def add_products(typing_context, tile, x, x_start, x_stride, rows, w, w_start, w_stride, columns):
    """tile[r, c] += x[x_start + r * x_stride :][:WIDTH] * w[w_start + c * w_stride :][:WIDTH].

    Of x only `rows` rows are there and of w only `columns`; a taller or wider tile repeats the last one.
    """

    def generate(context, builder, signature, arguments):
        value, x_array, x_start, x_stride, rows, w_array, w_start, w_stride, columns = arguments

        def vectors(position, array, start, stride, count, length):
            for index in range(length):
                offset = builder.add(start, builder.mul(_clamped(builder, index, count), stride))

                def pointer_to(kind, offset=offset):
                    return _pointer(context, builder, signature.args[position], array, offset, kind)

                yield _widened(builder, pointer_to, signature.args[position].dtype)

        left = list(vectors(1, x_array, x_start, x_stride, rows, tile.rows))
        for c, right in enumerate(vectors(5, w_array, w_start, w_stride, columns, tile.columns)):
            for r in range(tile.rows):
                value = _accumulate(builder, value, r * tile.columns + c, left[r], right)
        return value

    positions = [types.intp] * 3
    return tile(tile, x, *positions, w, *positions), generate


@intrinsic
def add_outer(typing_context, tile, x, x_start, x_stride, w, w_start):
    """tile[r, c] += x[x_start + r * x_stride] * w[w_start + c * WIDTH :][:WIDTH], x a float32 array."""

    def generate(context, builder, signature, arguments):
        value, x_array, x_start, x_stride, w_array, w_start = arguments
        right = []
        for c in range(tile.columns):
            offset = builder.add(w_start, ir.Constant(w_start.type, c * WIDTH))

            def pointer_to(kind, offset=offset):
                return _pointer(context, builder, signature.args[4], w_array, offset, kind)

            right.append(_widened(builder, pointer_to, signature.args[4].dtype))
        for r in range(tile.rows):
            offset = builder.add(x_start, builder.mul(ir.Constant(x_stride.type, r), x_stride))
            single = builder.load(_pointer(context, builder, signature.args[1], x_array, offset, _FLOAT))
            left = _splat(builder, single)
            for c in range(tile.columns):
                value = _accumulate(builder, value, r * tile.columns + c, left, right[c])
        return value

    return tile(tile, x, types.intp, types.intp, w, types.intp), generate


@intrinsic
def add_tiles(typing_context, a, b):
    """a + b, two tiles of the same shape."""

    def generate(context, builder, signature, arguments):
        value, other = arguments
        for index in range(a.rows * a.columns):
            both = builder.fadd(builder.extract_value(value, index), builder.extract_value(other, index))
            value = builder.insert_value(value, both, index)
        return value

    return a(a, b), generate


@intrinsic
def store_sums(typing_context, tile, out, start, stride, rows, columns, added):
    """out[start + r * stride + c] = sum of the lanes of tile[r, c], for the rows and columns that are there; or += if
    `added`, a bool.

    The lanes are added in the order of `add_lanes`; four columns together take hardly more time than one.
    """

    def generate(context, builder, signature, arguments):
        tile, array_type = signature.args[:2]
        value, array, start, stride, rows, columns, added = arguments

        def store_four(vectors, first, count):
            places = [builder.add(first, _clamped(builder, i, count)) for i in range(4)]
            pointers = [_pointer(context, builder, array_type, array, place, _FLOAT) for place in places]
            zero = before = ir.Constant(_QUAD, [0.0] * 4)
            origin = builder.block
            with builder.if_then(added):
                for i, pointer in enumerate(pointers):
                    before = builder.insert_element(before, builder.load(pointer), ir.Constant(_INT, i))
                loaded = builder.block
            begin = builder.phi(_QUAD)
            begin.add_incoming(zero, origin)
            begin.add_incoming(before, loaded)
            sums = _sums_of_four(builder, vectors, begin)
            with builder.if_else(builder.icmp_signed("<=", ir.Constant(count.type, 4), count)) as (whole, partly):
                with whole:
                    _store_unaligned(builder, sums, builder.bitcast(pointers[0], _QUAD.as_pointer()))
                with partly:
                    for i in reversed(range(4)):  # what is too much lands on the last one and is then overwritten
                        builder.store(builder.extract_element(sums, ir.Constant(_INT, i)), pointers[i])

        for r in range(tile.rows):
            with builder.if_then(builder.icmp_signed("<", ir.Constant(rows.type, r), rows)):
                row = builder.add(start, builder.mul(ir.Constant(stride.type, r), stride))
                for c in range(0, tile.columns, 4):
                    indices = range(r * tile.columns + c, r * tile.columns + min(c + 4, tile.columns))
                    vectors = [builder.extract_value(value, index) for index in indices]
                    vectors += [ir.Constant(_VECTOR, [0.0] * WIDTH)] * (4 - len(vectors))
                    here = ir.Constant(columns.type, c)
                    with builder.if_then(builder.icmp_signed("<", here, columns)):
                        store_four(vectors, builder.add(row, here), builder.sub(columns, here))
        return context.get_dummy_value()

    return types.void(tile, out, *[types.intp] * 4, types.boolean), generate


def _sums_of_four(builder, vectors, start):
    """start[i] + all lanes of vectors[i], each in the order of `add_lanes`; the four side by side."""

    def pick(a, b, lanes):
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT, len(lanes)), lanes))

    folded = None
    for first in range(0, WIDTH, 4):
        both = [*range(first, first + 4), *range(WIDTH + first, WIDTH + first + 4)]
        quarters = pick(pick(*vectors[:2], both), pick(*vectors[2:], both), list(range(16)))
        folded = quarters if folded is None else builder.fadd(folded, quarters)
    for i in range(4):
        start = builder.fadd(start, pick(folded, folded, [i, 4 + i, 8 + i, 12 + i]))
    return start


@intrinsic
def store_rows(typing_context, tile, out, start, stride, rows):
    """out[start + r * stride + c * WIDTH :][:WIDTH] = tile[r, c], for the rows that are there."""

    def generate(context, builder, signature, arguments):
        value, array, start, stride, rows = arguments
        for r in reversed(range(tile.rows)):  # as in store_sums
            for c, offset in _places_in_row(builder, tile, r, start, stride, rows):
                pointer = _pointer(context, builder, signature.args[1], array, offset, _VECTOR)
                _store_unaligned(builder, builder.extract_value(value, r * tile.columns + c), pointer)
        return context.get_dummy_value()

    return types.void(tile, out, *[types.intp] * 3), generate


@intrinsic
def load_rows(typing_context, tile, array, start, stride, rows):
    """A tile shaped like `tile`, filled from array as `store_rows` writes it."""

    def generate(context, builder, signature, arguments):
        value, array, start, stride, rows = arguments
        for r in range(tile.rows):
            for c, offset in _places_in_row(builder, tile, r, start, stride, rows):
                lanes = builder.load(_pointer(context, builder, signature.args[1], array, offset, _VECTOR))
                lanes.align = 4
                value = builder.insert_value(value, lanes, r * tile.columns + c)
        return value

    return tile(tile, array, *[types.intp] * 3), generate


@intrinsic
def transposed(typing_context, tile):
    """A tile of WIDTH x 1 vectors with rows and lanes exchanged."""

    def generate(context, builder, signature, arguments):
        rows = [builder.extract_value(arguments[0], r) for r in range(WIDTH)]
        step = 1
        while step < WIDTH:  # blocks of step x step above the diagonal change places with those below
            upper = [lane if not lane & step else WIDTH + lane - step for lane in range(WIDTH)]
            lower = [lane + step if not lane & step else WIDTH + lane for lane in range(WIDTH)]
            for r in range(WIDTH):
                if not r & step:
                    pair = rows[r], rows[r + step]
                    rows[r] = builder.shuffle_vector(*pair, ir.Constant(_INTS, upper))
                    rows[r + step] = builder.shuffle_vector(*pair, ir.Constant(_INTS, lower))
            step *= 2
        value = arguments[0]
        for r in range(WIDTH):
            value = builder.insert_value(value, rows[r], r)
        return value

    return tile(tile), generate


@intrinsic
def prefetch_rows(typing_context, tile, array, start, stride, rows):
    """Ask for the cache lines that `load_rows` and `store_rows` will want."""

    def generate(context, builder, signature, arguments):
        _, array, start, stride, rows = arguments
        for r in range(tile.rows):
            for _, offset in _places_in_row(builder, tile, r, start, stride, rows):
                _prefetch(builder, _pointer(context, builder, signature.args[1], array, offset, ir.IntType(8)))
        return context.get_dummy_value()

    return types.void(tile, array, *[types.intp] * 3), generate


def _places_in_row(builder, tile, r, start, stride, rows):
    """(column, element offset) of each vector of row `r` of a tile whose rows lie `stride` apart; past the end of
    `rows` those of the last one."""
    row = builder.add(start, builder.mul(_clamped(builder, r, rows), stride))
    return [(c, builder.add(row, ir.Constant(row.type, c * WIDTH))) for c in range(tile.columns)]


def _clamped(builder, index, count):
    """min(index, count - 1) for a constant index and a count of at least one."""
    last = builder.sub(count, ir.Constant(count.type, 1))
    constant = ir.Constant(count.type, index)
    return builder.select(builder.icmp_signed("<", constant, last), constant, last)


def _accumulate(builder, tile, position, left, right):
    product = _fma(builder, left, right, builder.extract_value(tile, position))
    return builder.insert_value(tile, product, position)


# ---- quantised weights -------------------------------------------------------------------------------------------
#
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
            pointer = _pointer(context, builder, signature.args[1], x_array, offset, _FLOAT)
            factors.append(_splat(builder, builder.load(pointer)))
        for c in range(tile.columns):
            offset = builder.add(w_start, ir.Constant(w_start.type, c * WIDTH))
            halves = _halves(context, builder, signature.args[4], w_array, offset)
            for left, right in zip(factors, halves, strict=True):
                value = _accumulate(builder, value, c, left, right)
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
                return _pointer(context, builder, signature.args[2], array, offset, kind)

            factor = _widened(builder, pointer_to, signature.args[2].dtype)
            for position in range(c, tile.rows * tile.columns, tile.columns):
                value = _accumulate(builder, value, position, builder.extract_value(part_value, position), factor)
        return value

    return tile(tile, part, scales, types.intp), generate


def _halves(context, builder, array_type, array, offset):
    """(low, high): the numbers u - 8 in the halves of the WIDTH bytes at `offset`, as vectors of float32."""
    lanes = builder.load(_pointer(context, builder, array_type, array, offset, ir.VectorType(ir.IntType(8), WIDTH)))
    lanes.align = 1
    ints = builder.zext(lanes, _INTS)
    low = builder.and_(ints, ir.Constant(_INTS, [15] * WIDTH))
    high = builder.lshr(ints, ir.Constant(_INTS, [4] * WIDTH))
    number = _looked_up if WIDTH == 16 else _subtracted
    return number(builder, low), number(builder, high)


def _looked_up(builder, halves):
    """u - 8 as entry u of a table. Its 16 entries fit one register, so LLVM makes it a single shuffle instruction."""
    table = ir.Constant(_VECTOR, [float(number) for number in range(-8, 8)])
    found = ir.Constant(_VECTOR, ir.Undefined)
    for lane in range(WIDTH):
        entry = builder.extract_element(table, builder.extract_element(halves, ir.Constant(_INT, lane)))
        found = builder.insert_element(found, entry, ir.Constant(_INT, lane))
    return found


def _subtracted(builder, halves):
    """u - 8 by arithmetic: float32 with the bits of 2**23 has room for a whole number in its last bits, so that
    `bits of 2**23 | u` is 2**23 + u, and subtracting 2**23 + 8 leaves u - 8, exactly."""
    bits = builder.or_(halves, ir.Constant(_INTS, [0x4B000000] * WIDTH))
    return builder.fsub(builder.bitcast(bits, _VECTOR), ir.Constant(_VECTOR, [2.0**23 + 8] * WIDTH))
