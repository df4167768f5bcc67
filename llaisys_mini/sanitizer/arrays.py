"""Shared and local arrays, and atomic updates: the intrinsics of a kernel that act on arrays."""

import ast
from collections.abc import Callable

import numpy as np

from llaisys_mini.sanitizer.findings import UnsupportedInKernel
from llaisys_mini.sanitizer.functions import dtype_named
from llaisys_mini.sanitizer.views import View


def allocated(space: str) -> Callable:
    """The translation of `cuda.shared.array` or `cuda.local.array`."""

    def translate(translator, node, name):
        given = dict(zip(("shape", "dtype"), node.args, strict=False)) | {k.arg: k.value for k in node.keywords}
        if not {"shape", "dtype"} <= set(given) <= {"shape", "dtype", "alignment"}:
            translator.refuse(node, f"`{ast.unparse(node)}`: {space}.array takes a shape and a dtype. This")
        shape = translator.constant(given["shape"])
        shape = (shape,) if isinstance(shape, int) else shape
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise UnsupportedInKernel(
                f"{translator.kernel.__name__}, line {node.lineno}: the shape of a {space} array must be known when "
                f"the kernel is compiled: numbers or global constants, not `{ast.unparse(given['shape'])}`"
            )
        named, line = dtype_named(translator.constant(given["dtype"])), node.lineno
        dtype = translator.expression(given["dtype"]) if named is None else lambda frame: named  # x.dtype, or a name
        name = name or f"the {space} array of line {line}"
        key = (translator.kernel, line, node.col_offset)

        def allocate(frame):
            chosen = np.dtype(dtype(frame))
            if space == "shared":
                return frame.machine.shared_array(key, name, shape, chosen, line)
            return frame.machine.local_array(name, shape, chosen)

        return allocate

    return translate


def atomic(combine: Callable) -> Callable:
    """The translation of an atomic. combine: the new value, from the old one and the operands."""

    def translate(translator, node, _):
        if node.keywords or len(node.args) not in (3, 4):
            translator.refuse(node, f"`{ast.unparse(node)}` with these arguments")
        translator.mark_written(node.args[0])
        array, index = translator.expression(node.args[0]), translator.index(node.args[1])
        operands = [translator.expression(argument) for argument in node.args[2:]]
        site = translator.site(node, "updates")

        def update(frame):
            view = array(frame)
            if type(view) is not View:
                raise UnsupportedInKernel(f"line {site.line}: an atomic works on an element of an array")
            given = tuple(operand(frame) for operand in operands)
            return view.update(index(frame), given if len(given) > 1 else given[0], frame.active, site, combine)

        return update

    return translate


def compare_and_swap(translator, node, _):
    """compare_and_swap(array, old, new) acts on the first element."""
    array, *rest = node.args
    zero = ast.copy_location(ast.Constant(0), node)
    longer = ast.copy_location(ast.Call(node.func, [array, zero, *rest], node.keywords), node)
    return atomic(_swap_if_equal)(translator, longer, _)


def _swap_if_equal(old, expected, new):
    return np.where(old == expected, new, old)


ATOMICS: dict[str, Callable] = {
    "add": np.add,
    "sub": np.subtract,
    "max": np.fmax,
    "min": np.fmin,
    "nanmax": np.fmax,
    "nanmin": np.fmin,
    "and_": np.bitwise_and,
    "or_": np.bitwise_or,
    "xor": np.bitwise_xor,
    "exch": lambda old, value: value,
    "cas": _swap_if_equal,
    "inc": lambda old, limit: np.where(old >= limit, 0, old + 1),
    "dec": lambda old, limit: np.where((old == 0) | (old > limit), limit, old - 1),
}
