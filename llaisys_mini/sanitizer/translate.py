"""From a kernel's source to something the machine can run: each node of the syntax tree becomes a small closure.

Statements here become functions of the frame that give nothing; expressions are translated in `expressions`. Line
numbers are those of the user's file or notebook cell.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable

import numpy as np

from llaisys_mini.cuda.jit import CudaKernel
from llaisys_mini.sanitizer import loops, values
from llaisys_mini.sanitizer.conditions import checks_in, checks_of
from llaisys_mini.sanitizer.expressions import Expressions
from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.frames import Frame
from llaisys_mini.sanitizer.machine import Site
from llaisys_mini.sanitizer.scope import arrays_in, described
from llaisys_mini.sanitizer.views import View


class Program:
    """A kernel with the device functions that it calls, translated. sites: where its source accesses memory."""

    def __init__(self, kernel: CudaKernel):
        self.sites: list[Site] = []
        self.functions: dict[CudaKernel, Function] = {}
        self.uses_syncwarp = False
        self._pending: set[CudaKernel] = set()
        self.main = self.function(kernel)

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
                raise UnsupportedInKernel(f"{self.name}: {problem}") from None
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


class _Translator(Expressions):
    """Translates one function: the methods `do_<node>` are the statements that the sanitizer knows."""

    def function(self) -> Function:
        body = self.block(self.definition.body)
        pending = list(self.written)
        while pending:  # a view of an array that is written writes the array
            for name in self.aliases.get(pending.pop(), ()):
                if name not in self.written:
                    self.written.add(name)
                    pending.append(name)
        written = self.written & set(self.parameters)
        return Function(self.kernel.__name__, inspect.signature(self.kernel.py_func), body, written)

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

    def do_Assign(self, node):
        value = self.expression(node.value, name=_plain_name(node.targets[0]))
        targets = [self.target(target, node.value) for target in node.targets]

        def run(frame):
            result = value(frame)
            for assign in targets:
                assign(frame, result)

        return run

    def do_AnnAssign(self, node):
        if node.value is None:
            return None
        value, assign = self.expression(node.value), self.target(node.target, node.value)
        return lambda frame: assign(frame, value(frame))

    def target(self, node, value_node=None) -> Callable:
        """How to assign to `node`: a function of the frame and the value."""
        if isinstance(node, ast.Name):
            name = node.id
            if value_node is not None:
                self.aliases.setdefault(name, set()).update(arrays_in(value_node))
            return lambda frame, value: frame.assign(name, value)
        if isinstance(node, ast.Tuple):
            targets = [self.target(item, value_node) for item in node.elts]
            line = node.lineno

            def unpack(frame, value):
                if type(value) is not tuple or len(value) != len(targets):
                    raise UnsupportedInKernel(f"{len(targets)} names cannot take {described(value)}")
                for assign, item in zip(targets, value, strict=True):
                    assign(frame, item)

            return unpack
        if isinstance(node, ast.Subscript):
            self.mark_written(node.value)
            array, index, site = self.expression(node.value), self.index(node.slice), self.site(node, "writes")
            site.checked_by = checks_of(site, self.conditions, value_node)
            site.copies = value_node is not None and _is_copy(value_node)

            def store(frame, value):
                _view(array(frame), site).store(index(frame), value, frame.active, site)

            return store
        return self.refuse(node, f"assigning to {ast.unparse(node)}")

    def do_AugAssign(self, node):
        operation = self.operation(node)
        value = self.expression(node.value)
        if isinstance(node.target, ast.Name):
            name, read = node.target.id, self.expression(ast.copy_location(ast.Name(node.target.id, ast.Load()), node))
            return lambda frame: frame.assign(name, operation(frame, read(frame), value(frame)))
        if not isinstance(node.target, ast.Subscript):
            self.refuse(node, f"assigning to {ast.unparse(node.target)}")
        self.mark_written(node.target.value)
        array, index = self.expression(node.target.value), self.index(node.target.slice)
        reading, writing = self.site(node.target, "reads"), self.site(node.target, "writes")

        def run(frame):
            view, at = _view(array(frame), writing), index(frame)
            old = view.load(at, frame.active, reading)
            view.store(at, operation(frame, old, value(frame)), frame.active, writing)

        return run

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

    def do_While(self, node):
        if node.orelse:
            self.refuse(node, "`else` of a loop")
        test, body, line = self.expression(node.test), self.block(node.body), node.lineno
        return lambda frame: loops.while_true(frame, test, body, line)

    def do_For(self, node):
        if node.orelse:
            self.refuse(node, "`else` of a loop")
        assign, body, line = self.target(node.target, node.iter), self.block(node.body), node.lineno
        call = node.iter
        if not (isinstance(call, ast.Call) and self.constant(call.func) is range and not call.keywords):
            if isinstance(call, ast.Tuple) or type(self.constant(call)) is tuple:
                items = self.expression(call)
                return lambda frame: loops.over_items(frame, items(frame), assign, body)
            self.refuse(node, f"`for ... in {ast.unparse(call)}`: loop over range(...)")
        bounds = [self.expression(argument) for argument in call.args]

        def run(frame):
            limits = [bound(frame) for bound in bounds]
            start, stop, step = (0, limits[0], 1) if len(limits) == 1 else (*limits, 1)[:3]
            if np.any(np.asarray(step) == 0):
                loops.runaway(frame.machine, frame, line, "has a step of 0")
            if any(type(limit) is np.ndarray for limit in (start, stop, step)):
                loops.over_lanes_ranges(frame, start, stop, step, assign, body)
            else:
                loops.over_items(frame, range(start, stop, step), assign, body)

        return run

    def do_Break(self, node):
        def run(frame):
            loop = frame.loops[-1]
            loop.broken = loop.broken.united(frame.active)
            frame.active = frame.active.resident.no_lanes

        return run

    def do_Continue(self, node):
        def run(frame):
            loop = frame.loops[-1]
            loop.continued = loop.continued.united(frame.active)
            frame.active = frame.active.resident.no_lanes

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
        self.refuse(node, "`raise` (a GPU loses it silently); raise on the host, before the launch. It")


_RETURNS = "a kernel returns nothing, so this does not compile for a GPU: write the result into an array"
_STATEMENTS = {
    ast.Try: "`try`",
    ast.With: "`with`",
    ast.FunctionDef: "a function within a function",
    ast.Assert: "`assert`",
    ast.Delete: "`del`",
    ast.Global: "`global`",
    ast.Nonlocal: "`nonlocal`",
    ast.Import: "`import`",
    ast.ImportFrom: "`import`",
    ast.Match: "`match`",
}


def _plain_name(node) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _is_copy(node) -> bool:
    """Whether an expression is only loaded or constant: `x[i]`, `0`, `np.float32(0)`, `x[i] if i < n else 0`."""
    if isinstance(node, ast.IfExp):
        return _is_copy(node.body) and _is_copy(node.orelse)
    if isinstance(node, ast.Call):
        return len(node.args) == 1 and isinstance(node.args[0], ast.Constant)
    return isinstance(node, (ast.Subscript, ast.Constant))


def _view(value, site) -> View:
    if type(value) is not View:
        raise UnsupportedInKernel(f"{described(value)} is no array and cannot be written")
    return value
