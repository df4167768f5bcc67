"""Shared and local arrays, and atomic updates: the intrinsics of a kernel that act on arrays."""

import ast
from collections.abc import Callable

import numpy as np

from llaisys_mini.sanitizer import accepted
from llaisys_mini.sanitizer.findings import DoesNotCompile
from llaisys_mini.sanitizer.functions import check_arguments, dtype_named
from llaisys_mini.sanitizer.scope import described
from llaisys_mini.sanitizer.views import View


def allocated(space: str) -> Callable:
    """The translation of `cuda.shared.array` or `cuda.local.array`."""

    def translate(translator, node, name):
        names = ("shape", "dtype", "alignment")
        given = dict(zip(names, node.args, strict=False)) | {k.arg: k.value for k in node.keywords}
        if not {"shape", "dtype"} <= set(given) <= set(names) or len(node.args) > len(names):
            translator.reject(node, f"`{ast.unparse(node)}`: cuda.{space}.array takes a shape and a dtype")
        problem = accepted.why_no_shape(given["shape"], translator.known)
        if problem and translator.is_reassigned(given["shape"]):
            translator.refuse(node, f"the shape {ast.unparse(given['shape'])}, a variable assigned in several places,")
        if problem:
            translator.reject(node, f"the shape of a {space} array does not compile for a GPU: {problem}")
        shape = translator.known(given["shape"])
        shape = (shape,) if isinstance(shape, int) else shape
        if any(n < 0 for n in shape) or (0 in shape and (space, shape) != ("shared", (0,))):
            translator.reject(node, f"a {space} array of shape {shape} has no elements, which does not compile")
        alignment = translator.known(given["alignment"]) if "alignment" in given else 1
        if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
            translator.reject(node, "the alignment of an array is a power of 2, in bytes")
        asked, line = translator.constant(given["dtype"]), node.lineno
        named = dtype_named(asked)
        if asked is None or asked in (int, float, bool, complex):
            better = {int: "np.int32", bool: "np.bool_"}.get(asked, "np.float32")
            word = ast.unparse(given["dtype"])
            translator.reject(node, f"the dtype {word} does not compile for a GPU: write {better}")
        dtype = translator.expression(given["dtype"]) if named is None else lambda frame: named  # x.dtype, or a name
        name = name or f"the {space} array of line {line}"
        key = (translator.kernel, line, node.col_offset)

        def allocate(frame):
            chosen = np.dtype(dtype(frame))
            if space == "shared":
                return frame.machine.shared_array(key, name, shape, chosen, alignment, line)
            return frame.machine.local_array(name, shape, chosen)

        return allocate

    return translate


def atomic(kind: str, operand_count: int = 1) -> Callable:
    """The translation of an atomic. kind: its name, in ATOMICS."""
    combine, dtypes = ATOMICS[kind], accepted.ATOMICS[kind]

    def translate(translator, node, _):
        check_arguments(translator, node, (2 + operand_count,))
        translator.mark_written(node.args[0])
        array, index = translator.expression(node.args[0]), translator.index(node.args[1])
        operands = [translator.expression(argument) for argument in node.args[2:]]
        text = f"{ast.unparse(node.args[0])}[{ast.unparse(node.args[1])}]"
        site = translator.site(node, "updates", text)
        site.is_cas, site.is_lock = kind == "cas", kind in ("cas", "exch")

        def update(frame):
            view = array(frame)
            if type(view) is not View:
                raise DoesNotCompile(f"cuda.atomic.{kind} works on an element of an array, not on {described(view)}")
            if view.dtype.name not in dtypes:
                raise DoesNotCompile(
                    f"cuda.atomic.{kind} on an array of {view.dtype.name} does not compile for a GPU: "
                    f"it works on {', '.join(dtypes)}"
                )
            given, at = tuple(operand(frame) for operand in operands), index(frame)
            if type(at) is tuple and len(at) == 1:
                raise DoesNotCompile("the index (i,) does not compile for a GPU in an atomic: write i")
            return view.update(at, given if len(given) > 1 else given[0], frame.active, site, combine)

        return update

    return translate


def compare_and_swap(translator, node, _):
    """compare_and_swap(array, old, new) acts on the first element."""
    check_arguments(translator, node, (3,))
    array, *rest = node.args
    zero = ast.copy_location(ast.Constant(0), node)
    longer = ast.copy_location(ast.Call(node.func, [array, zero, *rest], node.keywords), node)
    return atomic("cas", 2)(translator, longer, _)


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
