"""What a replayed step needs beneath the language: arrays over addresses, and calls of compiled kernels by address.

A kernel is called where it stands in memory, with the machine code that an ordinary call runs. So nothing of it is
compiled again, its results are the same to the bit, and a kernel that was changed has another address.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.dispatcher import Dispatcher
from numba.core.extending import intrinsic
from numba.np import arrayobj


@functools.cache
def array_over(kind: types.Array) -> Callable:
    """A compiled function (address, shape) -> a C-contiguous array of that Numba type over the memory there."""

    @intrinsic
    def over(typing_context, address, shape):
        def generate(context, builder, signature, arguments):
            array = context.make_array(kind)(context, builder)
            lengths = cgutils.unpack_tuple(builder, arguments[1])
            size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
            stride = context.get_constant(types.intp, size)
            strides: list = []
            for length in reversed(lengths):
                strides.insert(0, stride)
                stride = builder.mul(stride, length)
            arrayobj.populate_array(
                array,
                data=builder.inttoptr(arguments[0], array.data.type),
                shape=lengths,
                strides=strides,
                itemsize=context.get_constant(types.intp, size),
                meminfo=None,  # nobody counts references to it: the captured step keeps the memory
            )
            return array._getvalue()

        return kind(address, shape), generate

    return over


@intrinsic
def run(typing_context, address, arguments):
    """Call the compiled kernel at `address` with a tuple of arguments of exactly the types it was compiled for.

    What the kernel raises goes on to the caller.
    """
    kinds = [types.unliteral(kind) for kind in arguments]

    def generate(context, builder, signature, values):
        convention = context.call_conv
        function = builder.inttoptr(values[0], convention.get_function_type(types.none, kinds).as_pointer())
        status, _ = convention.call_function(
            builder, function, types.none, kinds, cgutils.unpack_tuple(builder, values[1])
        )
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(address, arguments), generate


def first_byte(array: np.ndarray) -> int:
    """The address of an array's first element."""
    return array.__array_interface__["data"][0]


def address_of(kernel: Any, kinds: Sequence[types.Type]) -> int | None:
    """Where the machine code of a kernel for arguments of these types lies. None for a kernel that is no compiled
    function, was never called with these types, or returns something."""
    form = kernel.overloads.get(tuple(kinds)) if isinstance(kernel, Dispatcher) else None
    if form is None or form.signature.return_type != types.none:
        return None
    return form.library.get_pointer_to_function(form.fndesc.llvm_func_name)
