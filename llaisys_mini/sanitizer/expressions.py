"""Expressions of a kernel: each becomes a function of the frame that gives a value, uniform or per lane.

The methods `of_<node>` here, in `operations` and in `calls` are all that the sanitizer knows; everything else is
refused by name.
"""

import ast
import types
from collections.abc import Callable

import numpy as np

from llaisys_mini.cuda.jit import CudaKernel
from llaisys_mini.sanitizer import findings, intrinsics, values
from llaisys_mini.sanitizer.calls import Calls
from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.frames import MISSING, merged
from llaisys_mini.sanitizer.machine import Site
from llaisys_mini.sanitizer.operations import Operations
from llaisys_mini.sanitizer.scope import described
from llaisys_mini.sanitizer.views import View


class Expressions(Operations, Calls):
    """Translates the expressions of one function."""

    def expression(self, node, name: str = "") -> Callable:
        """name: of the variable that the value is for."""
        translate = getattr(self, f"of_{type(node).__name__}", None)
        if translate is None:
            self.refuse(node, _EXPRESSIONS.get(type(node), f"`{ast.unparse(node)}`"))
        return translate(node, name) if isinstance(node, ast.Call) else translate(node)

    def of_Constant(self, node):
        if isinstance(node.value, (complex, bytes)) or node.value is Ellipsis:
            self.refuse(node, repr(node.value))
        value = values.from_python(node.value)
        return lambda frame: value

    def of_Name(self, node):
        name, line, function = node.id, node.lineno, self.kernel
        if name not in self.locals:
            return self.of_global(node)
        site = Site(-1, function, line, node.col_offset, "")

        def read(frame):
            value = frame.variables.get(name, MISSING)
            if value is MISSING:
                raise DoesNotCompile(f"{name} is read before it has a value", function.__name__, line)
            if name in frame.partial and (without := frame.lanes_without(name)) is not None:
                _report_unset(frame, site, name, without)
            return value

        return read

    def of_global(self, node):
        value = self.constant(node)
        read = intrinsics.value_of(value)
        if read is not None:
            return read
        if isinstance(value, np.ndarray):
            return self.global_array(node, value)
        if isinstance(value, (types.ModuleType, types.FunctionType, CudaKernel)):
            self.refuse(node, f"{ast.unparse(node)} as a value")
        value = values.from_python(value)
        return lambda frame: value

    def global_array(self, node, value):
        """An array outside the kernel: the compiler puts a copy into constant memory, which can only be read."""
        if value.dtype.kind not in "biuf":
            self.reject(node, f"the global array {ast.unparse(node)} of dtype {value.dtype}")
        name = ast.unparse(node)
        return lambda frame: frame.machine.constant_array(name, value)

    def of_Attribute(self, node):
        if self.constant(node) is not MISSING:
            return self.of_global(node)
        owner, name = self.expression(node.value), node.attr
        if name not in ("shape", "size", "ndim", "dtype", "T", "itemsize", "nbytes"):
            self.refuse(node, f"`.{name}` of a value")

        def read(frame):
            value = owner(frame)
            if type(value) is not View:
                raise DoesNotCompile(f"{described(value)} has no .{name}")
            return getattr(value, name)

        return read

    def of_Tuple(self, node):
        items = [self.expression(item) for item in node.elts]
        return lambda frame: tuple([item(frame) for item in items])

    def index(self, node) -> Callable:
        """What stands between the brackets: a function of the frame that gives a number, a slice, or a tuple."""
        if isinstance(node, ast.Slice):
            bounds = [None if b is None else self.expression(b) for b in (node.lower, node.upper, node.step)]
            return lambda frame: slice(*[None if bound is None else bound(frame) for bound in bounds])
        if isinstance(node, ast.Constant) and node.value is Ellipsis:
            return lambda frame: Ellipsis
        if isinstance(node, ast.Tuple):
            items = [self.index(item) for item in node.elts]
            return lambda frame: tuple([item(frame) for item in items])
        return self.expression(node)

    @staticmethod
    def item(frame, items: tuple, index):
        """`items[index]`, also where the index differs between threads."""
        if isinstance(index, slice):
            return items[index]
        at = frame.active.select(index) if type(index) is np.ndarray else np.asarray([index])
        if at.dtype.kind not in "iu":
            raise DoesNotCompile("the index of a tuple is a whole number")
        if at.size and not (-len(items) <= at.min() and at.max() < len(items)):
            raise UnsupportedInKernel(f"index {at.min() if at.min() < 0 else at.max()} of a tuple of {len(items)}")
        if type(index) is not np.ndarray:
            return items[int(index)]
        result = items[0]
        for number, one in enumerate(items[1:], 1):
            result = merged(index % len(items) == number, one, result)
        return result

    def of_Subscript(self, node):
        owner, index, site = self.expression(node.value), self.index(node.slice), self.site(node, "reads")

        def read(frame):
            value = owner(frame)
            if type(value) is View:
                return value.load(index(frame), frame.active, site)
            if type(value) is tuple:
                return self.item(frame, value, index(frame))
            raise DoesNotCompile(f"{described(value)} cannot be indexed")

        return read


_EXPRESSIONS = {
    ast.List: "a list",
    ast.ListComp: "a list comprehension",
    ast.Dict: "a dictionary",
    ast.Set: "a set",
    ast.Lambda: "`lambda`",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "`:=`",
    ast.Starred: "`*`",
    ast.GeneratorExp: "a generator",
}


def _report_unset(frame, site, name, without):
    machine = frame.machine
    thread = machine.launch.thread_name(machine.resident.thread[np.argmax(without)])
    message = f"{thread} reads the variable {name}, which is uninitialised on this path"
    machine.report(findings.UNINITIALISED, site, message, thread)
