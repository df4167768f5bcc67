"""The number of threads of parallel loops, for compiled functions that are kept on disk.

Numba's own get_num_threads holds a pointer of the running process, so Numba keeps nothing that calls it.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def thread_count(typing_context):
    """How many threads a parallel loop is shared among here, as intp.

    In compiled functions only, and there beside a parallel loop, whose compiling starts the threads: before that there
    is nobody to ask, and the process crashes.
    """

    def generate(context, builder, signature, arguments):
        number = context.get_value_type(types.intp)
        # Numba's parallel loops ask the same function of the thread pool.
        ask = cgutils.get_or_insert_function(builder.module, ir.FunctionType(number, []), "get_num_threads")
        return builder.call(ask, [])

    return types.intp(), generate
