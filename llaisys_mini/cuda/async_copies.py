"""Asynchronous copies from global to shared memory: 16 bytes each, past the registers, while the thread goes on.

    copy_async(tile, i, x, j, 8)   # begin a copy, and more of them
    commit_copies()                # those since the last commit are a group
    ...                            # compute on what is already there
    wait_copies(0)                 # this thread's groups are done, but for the latest 0
    cuda.syncthreads()             # and now those of all threads are

Between the copy and its thread's wait nobody may read or write the 16 bytes in shared memory; behind the wait they are
there for that thread alone, and behind a barrier that follows it for the whole block. Architecture sm_80 and newer.

The sanitizer lets a copy land at the wait: until then the 16 bytes hold what no kernel means, and each access of them
is a data race. The numbers are read, and their source is checked, when the copy begins: a store to the source between
that and the wait is not noticed.

PTX: https://docs.nvidia.com/cuda/parallel-thread-execution, "cp.async", "cp.async.commit_group", "cp.async.wait_group".
"""

from llaisys_mini import cuda


def _build_copy():
    from llvmlite import ir
    from numba.cuda import types
    from numba.cuda.extending import intrinsic

    from llaisys_mini.cuda.vectors import address_of

    wide, word = ir.IntType(64), ir.IntType(32)

    @intrinsic
    def copy_async(typing_context, target, i, source, j, count):
        def generate(context, builder, signature, arguments):
            array, i, from_array, j, count = arguments
            to = address_of(context, builder, signature.args[0], array, i, is_shared=True)
            start = address_of(context, builder, signature.args[2], from_array, j)
            itemsize = signature.args[2].dtype.bitwidth // 8
            read = builder.mul(builder.trunc(count, word), ir.Constant(word, itemsize))
            code = ir.InlineAsm(
                ir.FunctionType(ir.VoidType(), [word, wide, word]),
                "{ .reg .u64 start; cvta.to.global.u64 start, $1; cp.async.cg.shared.global [$0], [start], 16, $2; }",
                "r,l,r,~{memory}",
                side_effect=True,
            )
            builder.call(code, [to, start, read])
            return context.get_dummy_value()

        return types.none(target, types.int64, source, types.int64, types.int64), generate

    return copy_async


def _build_commit():
    from llvmlite import ir
    from numba.cuda import types
    from numba.cuda.extending import intrinsic

    @intrinsic
    def commit_copies(typing_context):
        def generate(context, builder, signature, arguments):
            nothing = ir.FunctionType(ir.VoidType(), [])
            builder.call(ir.InlineAsm(nothing, "cp.async.commit_group;", "~{memory}", side_effect=True), [])
            return context.get_dummy_value()

        return types.none(), generate

    return commit_copies


def _build_wait():
    from llvmlite import ir
    from numba.cuda import types
    from numba.cuda.extending import intrinsic

    @intrinsic
    def wait_copies(typing_context, latest):
        if not isinstance(latest, types.IntegerLiteral):  # it is a part of the instruction; Numba asks for both forms
            return None

        def generate(context, builder, signature, arguments):
            nothing = ir.FunctionType(ir.VoidType(), [])
            text = f"cp.async.wait_group {latest.literal_value};"
            builder.call(ir.InlineAsm(nothing, text, "~{memory}", side_effect=True), [])
            return context.get_dummy_value()

        return types.none(latest), generate

    return wait_copies


@cuda.primitive(_build_copy, aligned=16, places=2)
def copy_async(target, i, source, j, count):
    """Begin to copy 16 bytes: target[i : i + n] of shared memory takes source[j : j + count] of global memory, then 0.

    n: the numbers in 16 bytes; both arrays have one dimension and hold the same type. count: 0 to n numbers are read;
    those beyond may lie outside of the source.
    """
    for n in range(16 // target.itemsize):
        if n < count:
            target[i + n] = source[j + n]
        else:
            target[i + n] = 0


@cuda.primitive(_build_commit)
def commit_copies():
    """The copies that this thread has begun since its last commit are a group, and there may be none of them."""


@cuda.primitive(_build_wait)
def wait_copies(latest):
    """Wait until of this thread's groups all but the `latest` ones are done; latest: a constant, 0 or more."""
