"""Calls in a kernel: of intrinsics and known functions, of device functions, and of primitives."""

import ast
import types
from contextlib import nullcontext

import numpy as np

from llaisys_mini.cuda.jit import CudaKernel, Primitive
from llaisys_mini.sanitizer import functions, intrinsics, values
from llaisys_mini.sanitizer.findings import UnsupportedInKernel
from llaisys_mini.sanitizer.frames import MISSING
from llaisys_mini.sanitizer.functions import dtype_named
from llaisys_mini.sanitizer.machine import Site
from llaisys_mini.sanitizer.machine import is_library as site_is_library
from llaisys_mini.sanitizer.scope import NUMBERS, Scope, described


class Calls(Scope):
    """Translates calls."""

    def of_Call(self, node, name=""):
        callee = self.constant(node.func)
        if callee is MISSING and isinstance(node.func, ast.Attribute) and node.func.attr == "view":
            return self.bits_as(node)
        if callee is MISSING:
            self.refuse(node, f"calling `{ast.unparse(node.func)}`")
        if any(isinstance(argument, ast.Starred) for argument in node.args) or any(
            k.arg is None for k in node.keywords
        ):
            self.refuse(node, "`*` or `**` in a call")
        if isinstance(callee, Primitive):
            return self.call_of_primitive(node, callee)
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

    def bits_as(self, node):
        """`number.view(np.uint32)`: the same bits as another type of the same size."""
        dtype = dtype_named(self.constant(node.args[0])) if len(node.args) == 1 else None
        if dtype is None or node.keywords:
            self.refuse(node, f"`{ast.unparse(node)}`: view takes the name of a type. This")
        number, line = self.expression(node.func.value), node.lineno

        def run(frame):
            value = number(frame)
            if not isinstance(value, NUMBERS) or values.dtype_of(value).itemsize != dtype.itemsize:
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
        site = Site(-1, self.kernel, node.lineno, node.col_offset, "")
        call, aligned = self.call_of_function(node, primitive.body), primitive.aligned
        element = [self.expression(argument) for argument in node.args[:2]] if aligned > 1 else None

        def run(frame):
            machine, outer = frame.machine, frame.machine.caller
            machine.caller = outer or site
            if element is not None:
                array, index = element
                array(frame).check_aligned(index(frame), aligned, frame.active, site)
            is_one = element is not None and machine.counters is not None
            with machine.counters.one_access(machine.caller) if is_one else nullcontext():
                result = call(frame)
            machine.caller = outer
            return result

        return run
