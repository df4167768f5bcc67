"""From a kernel's source to something the machine can run: each node of the syntax tree becomes a small closure.

Statements here become functions of the frame that give nothing; expressions are translated in `expressions`. Line
numbers are those of the user's file or notebook cell.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from llaisys_mini.cuda.jit import CudaKernel
from llaisys_mini.sanitizer import findings, values
from llaisys_mini.sanitizer.conditions import checks_in
from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.frames import Frame
from llaisys_mini.sanitizer.iteration import Iteration
from llaisys_mini.sanitizer.machine import Site


class Program:
    """A kernel with the device functions that it calls, translated. sites: where its source accesses memory."""

    def __init__(self, kernel: CudaKernel):
        self.sites: list[Site] = []
        self.functions: dict[CudaKernel, Function] = {}
        self.uses_syncwarp = False
        self.may_wait = False  # for other blocks, in a loop around a compare-and-swap or an exchange
        self._pending: set[CudaKernel] = set()
        self._others: dict[Any, CudaKernel] = {}
        self.main = self.function(kernel)

    def device_function(self, function) -> CudaKernel:
        """A function under @numba.njit, as a device function."""
        if function not in self._others:
            self._others[function] = CudaKernel(function.py_func, device=True, options={})
        return self._others[function]

    def function(self, kernel: CudaKernel) -> "Function":
        if kernel in self._pending:
            raise UnsupportedInKernel(f"{kernel.__name__} calls itself; recursion is not supported in kernels")
        if kernel not in self.functions:
            self._pending.add(kernel)
            self.functions[kernel] = _Translator(self, kernel, _source(kernel.py_func)).function()
            self._pending.discard(kernel)
        return self.functions[kernel]


class Function:
    """A translated function. written: the parameters whose elements it, or a function it calls, may write."""

    def __init__(self, name: str, signature: inspect.Signature, body: Callable, written: set[str]):
        self.name = name
        self.parameters = list(signature.parameters)
        self.signature = signature
        self.body = body
        self.written = written

    def call(self, machine, active, arguments, named=None):
        """Run it for the active lanes. Returns its result, uniform or per lane."""
        if named or len(arguments) != len(self.parameters):
            try:
                bound = self.signature.bind(*arguments, **(named or {}))
            except TypeError as problem:
                raise DoesNotCompile(f"{self.name}: {problem}") from None
            bound.apply_defaults()
            arguments = [values.from_python(bound.arguments[name]) for name in self.parameters]
        frame = Frame(machine, dict(zip(self.parameters, arguments, strict=True)), active)
        self.body(frame)
        return frame.result()


def _source(function) -> ast.FunctionDef:
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise UnsupportedInKernel(
            f"{function.__name__}: its source cannot be found; put it into a file or a cell"
        ) from None
    tree = ast.parse(textwrap.dedent("".join(lines)))
    ast.increment_lineno(tree, first - 1)
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise UnsupportedInKernel(f"{function.__name__}: a kernel is made with `def`")
    return definition


class _Translator(Iteration):
    """Translates one function: the methods `do_<node>` are the statements that the sanitizer knows."""

    signature: inspect.Signature | None = None  # of a function within another

    def function(self) -> Function:
        body = self.block(self.definition.body)
        pending = list(self.written)
        while pending:  # a view of an array that is written writes the array
            for name in self.aliases.get(pending.pop(), ()):
                if name not in self.written:
                    self.written.add(name)
                    pending.append(name)
        written = self.written & set(self.parameters)
        signature = self.signature or inspect.signature(self.kernel.py_func)
        return Function(self.kernel.__name__, signature, body, written)

    def do_FunctionDef(self, node):
        if node.decorator_list or node.args.defaults:
            self.refuse(node, "a function within a kernel that has a decorator or default values")
        self.define(node.name, node)

    def define(self, name, node):
        own = {argument.arg for argument in node.args.args}
        used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        captured = [n for n in dict.fromkeys(used) if n in self.locals and n not in own | stored | {name}]
        body = [ast.copy_location(ast.Return(node.body), node)] if isinstance(node, ast.Lambda) else node.body
        given = ast.arguments([], [*node.args.args, *map(ast.arg, captured)], None, [], [], None, [])
        definition = ast.copy_location(ast.FunctionDef(name, given, body, []), node)
        kernel = CudaKernel(self.kernel.py_func, device=True, options={})
        kernel.__name__ = name
        translator = _Translator(self.program, kernel, ast.fix_missing_locations(definition))
        translator.inner = dict(self.inner)
        kinds = [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in translator.parameters]
        translator.signature = inspect.Signature(kinds)
        self.inner[name] = translator.function(), captured

    def block(self, nodes) -> Callable:
        statements = [s for s in map(self.statement, nodes) if s is not None]

        def run(frame):
            for statement in statements:
                statement(frame)
                if not frame.active.size:
                    return

        return statements[0] if len(statements) == 1 else run

    def statement(self, node) -> Callable | None:
        translate = getattr(self, f"do_{type(node).__name__}", None)
        if translate is None:
            self.refuse(node, _STATEMENTS.get(type(node), f"`{type(node).__name__.lower()}`"))
        run = translate(node)
        if run is None:
            return None
        line, function = node.lineno, self.kernel

        def at_line(frame):
            frame.machine.line, frame.machine.function = line, function
            run(frame)

        return at_line

    def do_Pass(self, node):
        return None

    def do_Expr(self, node):
        if isinstance(node.value, ast.Constant):
            return None
        return self.expression(node.value)

    def do_If(self, node):
        before, outer = len(self.program.sites), self.conditions
        test = self.expression(node.test)
        self.conditions = [*outer, *checks_in(node.test, self.program.sites[before:])]
        body, orelse = self.block(node.body), self.block(node.orelse)
        self.conditions = outer

        def run(frame):
            condition = values.truth(test(frame))
            if type(condition) is bool:
                (body if condition else orelse)(frame)
            else:
                frame.split(condition, body, orelse)

        return run

    def do_Assert(self, node):
        test, site = self.expression(node.test), Site(-1, self.kernel, node.lineno, node.col_offset, "")
        words = f": {node.msg.value!s}" if isinstance(node.msg, ast.Constant) else ""

        def run(frame):
            held = values.truth(test(frame))
            failed = frame.active.only(~held) if type(held) is np.ndarray else frame.active
            if held is True or not failed.size:
                return
            machine = frame.machine
            thread = machine.launch.thread_name(failed.select(machine.resident.thread)[0])
            machine.report(findings.ASSERTION, site, f"{thread} fails it{words}", thread)

        return run

    def do_Return(self, node):
        is_kernel = not self.kernel.is_device
        if is_kernel and node.value is not None and not isinstance(node.value, ast.Call):
            if self.constant(node.value) is not None:
                self.reject(node, _RETURNS)
        value = self.expression(node.value) if node.value is not None else None

        def run(frame):
            result = value(frame) if value is not None else None
            if is_kernel:
                if result is not None:
                    raise DoesNotCompile(_RETURNS)
                frame.machine.exited |= frame.active.bits
            frame.give_back(result)

        return run

    def do_Raise(self, node):
        what = "a GPU loses an exception silently: raise on the host, before the launch"
        raise UnsupportedInKernel(what, self.kernel.__name__, node.lineno)


_RETURNS = "a kernel returns nothing, so this does not compile for a GPU: write the result into an array"
_STATEMENTS = {
    ast.Try: "`try`",
    ast.With: "`with`",
    ast.Delete: "`del`",
    ast.Global: "`global`",
    ast.Nonlocal: "`nonlocal`",
    ast.Import: "`import`",
    ast.ImportFrom: "`import`",
    ast.Match: "`match`",
}
