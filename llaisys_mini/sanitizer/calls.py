"""Calls in a kernel: of intrinsics and known functions, of device functions, and of primitives."""

import ast
import types
from contextlib import nullcontext

import numpy as np

from llaisys_mini.cuda.jit import CudaKernel, Primitive
from llaisys_mini.sanitizer import copies, functions, intrinsics, values
from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.frames import MISSING
from llaisys_mini.sanitizer.functions import dtype_named
from llaisys_mini.sanitizer.machine import Site
from llaisys_mini.sanitizer.machine import is_library as site_is_library
from llaisys_mini.sanitizer.scope import Scope, described
from llaisys_mini.sanitizer.views import View


class Calls(Scope):
    """Translates calls."""

    def of_Call(self, node, name=""):
        if isinstance(node.func, ast.Name) and node.func.id in self.inner:
            return self.call_of_inner(node)
        callee = self.constant(node.func)
        if callee is MISSING and isinstance(node.func, ast.Attribute) and node.func.attr == "view":
            return self.bits_as(node)
        if callee is MISSING and isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":
            return self.reshaped(node)
        if callee is MISSING and isinstance(node.func, ast.Attribute) and not node.keywords:
            if node.func.attr == "sum" and not node.args:
                return functions.over_elements(functions.total)(self, node, name)
            if node.func.attr == "fill" and len(node.args) == 1:
                return self.filled(node)
        if callee is MISSING:
            self.refuse(node, f"calling `{ast.unparse(node.func)}`")
        if any(isinstance(argument, ast.Starred) for argument in node.args) or any(
            k.arg is None for k in node.keywords
        ):
            self.refuse(node, "`*` or `**` in a call")
        if isinstance(callee, Primitive):
            return self.call_of_primitive(node, callee)
        if isinstance(getattr(callee, "py_func", None), types.FunctionType) and not isinstance(callee, CudaKernel):
            callee = self.program.device_function(callee)  # a function under @numba.njit
        if isinstance(callee, CudaKernel):
            return self.call_of_function(node, callee)
        translate = intrinsics.call_of(callee)
        if translate is None:
            sentence = functions.refused(callee, ast.unparse(node.func))
            if sentence:
                self.reject(node, sentence)
            what = f"calling `{ast.unparse(node.func)}`"
            if isinstance(callee, types.FunctionType):
                what += " (a helper of a kernel stands under @cuda.jit(device=True))"
            self.refuse(node, what)
        return translate(self, node, name)

    def reshaped(self, node):
        """`x.reshape(4, 8)` or `x.reshape((4, 8))`."""
        if node.keywords:
            self.refuse(node, f"`{ast.unparse(node)}` with named arguments")
        array = self.expression(node.func.value)
        lengths = [self.expression(argument) for argument in node.args]

        def run(frame):
            view = array(frame)
            if type(view) is not View:
                raise DoesNotCompile(f"{described(view)} has no .{node.func.attr}")
            shape = tuple(length(frame) for length in lengths)
            shape = shape[0] if len(shape) == 1 and type(shape[0]) is tuple else shape
            return view.reshape(shape)

        return run

    def filled(self, node):
        """`x.fill(0)`: each thread writes every element."""
        self.mark_written(node.func.value)
        array, value = self.expression(node.func.value), self.expression(node.args[0])
        site = self.site(node, "writes", f"{ast.unparse(node.func.value)}[...]")

        def run(frame):
            view = array(frame)
            if type(view) is not View:
                raise DoesNotCompile(f"{described(view)} has no .fill")
            view.store(Ellipsis, value(frame), frame.active, site)

        return run

    def call_of_inner(self, node):
        """A call of a function that is defined within the kernel. It is given the kernel's variables that it uses."""
        function, captured = self.inner[node.func.id]
        if node.keywords or len(node.args) != len(function.parameters) - len(captured):
            self.reject(node, f"{node.func.id} takes {len(function.parameters) - len(captured)} arguments")
        names = [ast.copy_location(ast.Name(name, ast.Load()), node) for name in captured]
        arguments = [self.expression(argument) for argument in [*node.args, *names]]
        for parameter, given in zip(function.parameters, [*node.args, *names], strict=True):
            if parameter in function.written:
                self.mark_written(given)

        def run(frame):
            machine, line = frame.machine, frame.machine.line
            result = function.call(machine, frame.active, [argument(frame) for argument in arguments])
            machine.line = line
            return result

        return run

    def bits_as(self, node):
        """`number.view(np.uint32)`: the same bits as another type of the same size."""
        dtype = dtype_named(self.constant(node.args[0])) if len(node.args) == 1 else None
        if dtype is None or node.keywords:
            self.reject(node, f"`{ast.unparse(node)}`: view takes the name of a type, such as np.uint32")
        number = self.expression(node.func.value)

        def run(frame):
            value = number(frame)
            if not isinstance(value, values.NUMBERS) or values.dtype_of(value).itemsize != dtype.itemsize:
                raise UnsupportedInKernel(f"view({dtype.name}) of {described(value)} of another size")
            return np.asarray(value).view(dtype)[()]

        return run

    def call_of_function(self, node, callee):
        if not callee.is_device:
            self.refuse(node, f"calling {callee.__name__}, which is a kernel and no device function,")
        function = self.program.function(callee)
        arguments = [self.expression(argument) for argument in node.args]
        named = {keyword.arg: self.expression(keyword.value) for keyword in node.keywords}
        given = dict(zip(function.parameters, node.args, strict=False)) | {k.arg: k.value for k in node.keywords}
        for parameter in function.written & set(given):
            self.mark_written(given[parameter])
        site = Site(-1, self.kernel, node.lineno, node.col_offset, "")
        is_library = site_is_library(callee) and not site.is_library

        def run(frame):
            machine, line, caller = frame.machine, frame.machine.line, frame.machine.function
            outer = machine.caller
            values_ = [argument(frame) for argument in arguments]
            named_ = {name: argument(frame) for name, argument in named.items()}
            if is_library:  # what is found in it is told where it is called
                machine.caller = outer or site
            result = function.call(machine, frame.active, values_, named_)
            machine.line, machine.function, machine.caller = line, caller, outer
            return result

        return run

    def call_of_primitive(self, node, primitive):
        if node.keywords:
            self.refuse(node, f"`{ast.unparse(node)}` with named arguments")
        native = copies.translated(self, node, primitive)
        if native is not None:
            return native
        site = Site(-1, self.kernel, node.lineno, node.col_offset, "")
        call, aligned, begins_copy = (
            self.call_of_function(node, primitive.body),
            primitive.aligned,
            copies.begins_copy(primitive),
        )
        given = [self.expression(argument) for argument in node.args[: 2 * primitive.places]] if aligned > 1 else []
        elements = list(zip(given[::2], given[1::2], strict=True))

        def run(frame):
            machine, outer = frame.machine, frame.machine.caller
            machine.caller = outer or site
            for array, index in elements:
                array(frame).check_aligned(index(frame), aligned, frame.active, site)
            if begins_copy:
                copies.check_places(*(array(frame) for array, _ in elements))
            is_one = bool(elements) and machine.counters is not None
            with (
                machine.counters.one_access(machine.caller) if is_one else nullcontext(),
                machine.copies.beginning() if begins_copy else nullcontext(),
            ):
                result = call(frame)
            machine.caller = outer
            return result

        return run
