"""Tiles of vectors that stay in registers while a loop adds to them."""

import functools

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from llaisys_mini.cpu.simd.llvm import (
    FLOAT,
    INT,
    INTS,
    QUAD,
    VECTOR,
    WIDTH,
    TileType,
    accumulate,
    element_pointer,
    ir_prefetch,
    ir_splat,
    store_unaligned,
    widened,
)


@intrinsic(prefer_literal=True)
def zeros(typing_context, rows, columns):
    """A tile of rows x columns vectors, all zero. Both must be constants of the program."""
    tile = TileType(rows.literal_value, columns.literal_value)

    def generate(context, builder, signature, arguments):
        zero = ir.Constant(VECTOR, [0.0] * WIDTH)
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
                    return element_pointer(context, builder, signature.args[position], array, offset, kind)

                yield widened(builder, pointer_to, signature.args[position].dtype)

        left = list(vectors(1, x_array, x_start, x_stride, rows, tile.rows))
        for c, right in enumerate(vectors(5, w_array, w_start, w_stride, columns, tile.columns)):
            for r in range(tile.rows):
                value = accumulate(builder, value, r * tile.columns + c, left[r], right)
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
                return element_pointer(context, builder, signature.args[4], w_array, offset, kind)

            right.append(widened(builder, pointer_to, signature.args[4].dtype))
        for r in range(tile.rows):
            offset = builder.add(x_start, builder.mul(ir.Constant(x_stride.type, r), x_stride))
            single = builder.load(element_pointer(context, builder, signature.args[1], x_array, offset, FLOAT))
            left = ir_splat(builder, single)
            for c in range(tile.columns):
                value = accumulate(builder, value, r * tile.columns + c, left, right[c])
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
            pointers = [element_pointer(context, builder, array_type, array, place, FLOAT) for place in places]
            zero = before = ir.Constant(QUAD, [0.0] * 4)
            origin = builder.block
            with builder.if_then(added):
                for i, pointer in enumerate(pointers):
                    before = builder.insert_element(before, builder.load(pointer), ir.Constant(INT, i))
                loaded = builder.block
            begin = builder.phi(QUAD)
            begin.add_incoming(zero, origin)
            begin.add_incoming(before, loaded)
            sums = _sums_of_four(builder, vectors, begin)
            with builder.if_else(builder.icmp_signed("<=", ir.Constant(count.type, 4), count)) as (whole, partly):
                with whole:
                    store_unaligned(builder, sums, builder.bitcast(pointers[0], QUAD.as_pointer()))
                with partly:
                    for i in reversed(range(4)):  # what is too much lands on the last one and is then overwritten
                        builder.store(builder.extract_element(sums, ir.Constant(INT, i)), pointers[i])

        for r in range(tile.rows):
            with builder.if_then(builder.icmp_signed("<", ir.Constant(rows.type, r), rows)):
                row = builder.add(start, builder.mul(ir.Constant(stride.type, r), stride))
                for c in range(0, tile.columns, 4):
                    indices = range(r * tile.columns + c, r * tile.columns + min(c + 4, tile.columns))
                    vectors = [builder.extract_value(value, index) for index in indices]
                    vectors += [ir.Constant(VECTOR, [0.0] * WIDTH)] * (4 - len(vectors))
                    here = ir.Constant(columns.type, c)
                    with builder.if_then(builder.icmp_signed("<", here, columns)):
                        store_four(vectors, builder.add(row, here), builder.sub(columns, here))
        return context.get_dummy_value()

    return types.void(tile, out, *[types.intp] * 4, types.boolean), generate


def _sums_of_four(builder, vectors, start):
    """start[i] + all lanes of vectors[i], each in the order of `add_lanes`; the four side by side."""

    def pick(a, b, *lanes):
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT, len(lanes)), lanes))

    quads = []
    for vector in vectors:
        parts = [pick(vector, vector, *range(first, first + 4)) for first in range(0, WIDTH, 4)]
        quads.append(functools.reduce(builder.fadd, parts))
    # Rows and columns of the four quads are exchanged: by twos first, since CPUs have an instruction for each of these.
    lower = [pick(quads[i], quads[i + 1], 0, 4, 1, 5) for i in (0, 2)]
    upper = [pick(quads[i], quads[i + 1], 2, 6, 3, 7) for i in (0, 2)]
    for pair in (lower, upper):
        start = builder.fadd(start, pick(*pair, 0, 1, 4, 5))
        start = builder.fadd(start, pick(*pair, 2, 3, 6, 7))
    return start


@intrinsic
def store_rows(typing_context, tile, out, start, stride, rows):
    """out[start + r * stride + c * WIDTH :][:WIDTH] = tile[r, c], for the rows that are there."""

    def generate(context, builder, signature, arguments):
        value, array, start, stride, rows = arguments
        for r in reversed(range(tile.rows)):  # as in store_sums
            for c, offset in _places_in_row(builder, tile, r, start, stride, rows):
                pointer = element_pointer(context, builder, signature.args[1], array, offset, VECTOR)
                store_unaligned(builder, builder.extract_value(value, r * tile.columns + c), pointer)
        return context.get_dummy_value()

    return types.void(tile, out, *[types.intp] * 3), generate


@intrinsic
def load_rows(typing_context, tile, array, start, stride, rows):
    """A tile shaped like `tile`, filled from array as `store_rows` writes it."""

    def generate(context, builder, signature, arguments):
        value, array, start, stride, rows = arguments
        for r in range(tile.rows):
            for c, offset in _places_in_row(builder, tile, r, start, stride, rows):
                lanes = builder.load(element_pointer(context, builder, signature.args[1], array, offset, VECTOR))
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
                    rows[r] = builder.shuffle_vector(*pair, ir.Constant(INTS, upper))
                    rows[r + step] = builder.shuffle_vector(*pair, ir.Constant(INTS, lower))
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
                ir_prefetch(builder, element_pointer(context, builder, signature.args[1], array, offset, ir.IntType(8)))
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
