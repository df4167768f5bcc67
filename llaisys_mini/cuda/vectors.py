"""Loads and stores of 16 bytes at once, for expert kernels: the compiler never makes them of scalar ones by itself.

A warp that loads 16 bytes per lane moves 512 bytes with one instruction instead of four, and has four times as many
bytes on their way at the same occupancy. The address must be a multiple of 16 bytes: `i` a multiple of 4 float32 (8 of
16 bits), in an array that starts so. Arrays have one dimension. Under the sanitizer each is the plain loads or stores
that it stands for.

PTX: https://docs.nvidia.com/cuda/parallel-thread-execution, "ld", "st", "cvta".
"""

from llaisys_mini import cuda
from llaisys_mini.widen import widen


def are_aligned(*arrays) -> bool:
    """Whether each of the arrays that a launcher was given starts at a multiple of 16 bytes."""
    return all(_start(array) % 16 == 0 for array in arrays)


def _start(array) -> int:
    if hasattr(array, "address"):  # of a device's own array, which is quicker to ask than the interface
        return array.address
    if hasattr(array, "__cuda_array_interface__"):
        return array.__cuda_array_interface__["data"][0]
    return array.__array_interface__["data"][0]


def _load4(instructions: str):
    """A builder of load4: `instructions` loads $0..$3 from the address $4."""

    def build():
        from llvmlite import ir
        from numba.cuda import cgutils, types
        from numba.cuda.extending import intrinsic

        @intrinsic
        def load4(typing_context, array, i):
            def generate(context, builder, signature, arguments):
                address = address_of(context, builder, signature.args[0], *arguments)
                four = ir.LiteralStructType([ir.FloatType()] * 4)
                code = ir.InlineAsm(
                    ir.FunctionType(four, [ir.IntType(64)]), instructions, "=f,=f,=f,=f,l", side_effect=True
                )
                loaded = builder.call(code, [address])
                return cgutils.pack_array(builder, [builder.extract_value(loaded, k) for k in range(4)])

            return types.UniTuple(types.float32, 4)(array, types.int64), generate

        return load4

    return build


def address_of(context, builder, kind, array, i, is_shared=False):
    """For builders of primitives: the address of array[i] as an LLVM value. kind: Numba's type of the array.

    It has 64 bits and means any memory; is_shared: 32 bits, and means shared memory, which saves registers.
    """
    from llvmlite import ir

    place = builder.gep(context.make_array(kind)(context, builder, array).data, [i])
    if is_shared:
        within = builder.addrspacecast(place, ir.PointerType(place.type.pointee, addrspace=3))
        return builder.ptrtoint(within, ir.IntType(32))
    return builder.ptrtoint(place, ir.IntType(64))


@cuda.primitive(_load4("ld.global.v4.f32 {$0, $1, $2, $3}, [$4];"), aligned=16)
def load4(array, i):
    """array[i : i + 4] of float32 in global memory."""
    return array[i], array[i + 1], array[i + 2], array[i + 3]


@cuda.primitive(
    _load4("{ .reg .u64 place; cvta.to.shared.u64 place, $4; ld.shared.v4.f32 {$0, $1, $2, $3}, [place]; }"),
    aligned=16,
)
def load4_shared(array, i):
    """array[i : i + 4] of float32 in shared memory; declare the array with alignment=16."""
    return array[i], array[i + 1], array[i + 2], array[i + 3]


def _store4(instructions: str):
    def build():
        from llvmlite import ir
        from numba.cuda import types
        from numba.cuda.extending import intrinsic

        @intrinsic
        def store4(typing_context, array, i, a, b, c, d):
            def generate(context, builder, signature, arguments):
                address = address_of(context, builder, signature.args[0], *arguments[:2])
                takes = [ir.IntType(64)] + [ir.FloatType()] * 4
                code = ir.InlineAsm(ir.FunctionType(ir.VoidType(), takes), instructions, "l,f,f,f,f", side_effect=True)
                builder.call(code, [address, *arguments[2:]])
                return context.get_dummy_value()

            f32 = types.float32
            return types.none(array, types.int64, f32, f32, f32, f32), generate

        return store4

    return build


@cuda.primitive(_store4("st.global.v4.f32 [$0], {$1, $2, $3, $4};"), aligned=16)
def store4(array, i, a, b, c, d):
    """array[i : i + 4] = a, b, c, d, of float32 in global memory."""
    array[i] = a
    array[i + 1] = b
    array[i + 2] = c
    array[i + 3] = d


@cuda.primitive(
    _store4("{ .reg .u64 place; cvta.to.shared.u64 place, $0; st.shared.v4.f32 [place], {$1, $2, $3, $4}; }"),
    aligned=16,
)
def store4_shared(array, i, a, b, c, d):
    """array[i : i + 4] = a, b, c, d, of float32 in shared memory; declare the array with alignment=16."""
    array[i] = a
    array[i + 1] = b
    array[i + 2] = c
    array[i + 3] = d


def _build_load8():
    from llvmlite import ir
    from numba.cuda import cgutils, types
    from numba.cuda.extending import intrinsic

    i16, i32, f32 = ir.IntType(16), ir.IntType(32), ir.FloatType()

    def asm(builder, text, constraints, returns, takes, values, side_effect=False):
        return builder.call(
            ir.InlineAsm(ir.FunctionType(returns, takes), text, constraints, side_effect=side_effect), values
        )

    def words(builder, address):
        """16 bytes as four 32-bit words."""
        four = ir.LiteralStructType([i32] * 4)
        text = "ld.global.v4.u32 {$0, $1, $2, $3}, [$4];"
        loaded = asm(builder, text, "=r,=r,=r,=r,l", four, [ir.IntType(64)], [address], side_effect=True)
        return [builder.extract_value(loaded, k) for k in range(4)]

    def from_bfloat16(builder, word):
        low = builder.shl(word, ir.Constant(i32, 16))
        high = builder.and_(word, ir.Constant(i32, 0xFFFF0000))
        return [builder.bitcast(half, f32) for half in (low, high)]

    def from_float16(builder, word):
        halves = [builder.trunc(word, i16), builder.trunc(builder.lshr(word, ir.Constant(i32, 16)), i16)]
        return [asm(builder, "cvt.f32.f16 $0, $1;", "=f,h", f32, [i16], [half]) for half in halves]

    @intrinsic
    def load8(typing_context, array, i):
        def generate(context, builder, signature, arguments):
            address = address_of(context, builder, signature.args[0], *arguments)
            stored = signature.args[0].dtype
            if stored == types.float32:
                behind = builder.add(address, ir.Constant(ir.IntType(64), 16))
                both = [word for place in (address, behind) for word in words(builder, place)]
                numbers = [builder.bitcast(word, f32) for word in both]
            else:
                convert = from_bfloat16 if stored == types.uint16 else from_float16
                numbers = [number for word in words(builder, address) for number in convert(builder, word)]
            return cgutils.pack_array(builder, numbers)

        return types.UniTuple(types.float32, 8)(array, types.int64), generate

    return load8


@cuda.primitive(_build_load8, aligned=16)
def load8(array, i):
    """array[i : i + 8] of any storage dtype in global memory, as float32."""
    return (
        widen(array[i]),
        widen(array[i + 1]),
        widen(array[i + 2]),
        widen(array[i + 3]),
        widen(array[i + 4]),
        widen(array[i + 5]),
        widen(array[i + 6]),
        widen(array[i + 7]),
    )
