"""Expressions of a kernel: each becomes a function of the frame that gives a value, uniform or per lane.

The methods `of_<node>` are all that the sanitizer knows; everything else is refused by name.
"""

import ast
import builtins
import inspect
import types
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NoReturn

import numpy as np

from llaisys_mini.cuda.jit import CudaKernel, Primitive
from llaisys_mini.sanitizer import findings, meaning, values
from llaisys_mini.sanitizer.findings import UnsupportedInKernel
from llaisys_mini.sanitizer.frames import MISSING, merged
from llaisys_mini.sanitizer.machine import Site
from llaisys_mini.sanitizer.memory import MAX_SITES
from llaisys_mini.sanitizer.views import View

BINARY = {
    ast.Add: values.ADD,
    ast.Sub: values.SUBTRACT,
    ast.Mult: values.MULTIPLY,
    ast.Div: values.DIVIDE,
    ast.FloorDiv: values.FLOOR_DIVIDE,
    ast.Mod: values.REMAINDER,
    ast.Pow: values.POWER,
    ast.BitAnd: values.AND,
    ast.BitOr: values.OR,
    ast.BitXor: values.XOR,
    ast.LShift: values.SHIFT_LEFT,
    ast.RShift: values.SHIFT_RIGHT,
}
_UNARY = {ast.USub: values.negative, ast.UAdd: lambda value: value, ast.Invert: values.inverted}
_COMPARE = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}


class Expressions:
    """Translates the expressions of one function. definition: its syntax tree."""

    def __init__(self, program, kernel: CudaKernel, definition: ast.FunctionDef):
        self.program = program
        self.kernel = kernel
        python_function = kernel.py_func
        self.definition = definition
        self.globals = python_function.__globals__
        self.closure = inspect.getclosurevars(python_function).nonlocals
        self.parameters = [a.arg for a in self.definition.args.args]
        if self.definition.args.vararg or self.definition.args.kwarg or self.definition.args.kwonlyargs:
            self.refuse(self.definition, "*arguments, **arguments or keyword-only arguments")
        names = [node for node in ast.walk(self.definition) if isinstance(node, ast.Name)]
        self.locals = set(self.parameters) | {n.id for n in names if isinstance(n.ctx, ast.Store)}
        self.written: set[str] = set()
        self.aliases: dict[str, set[str]] = {}

    # ---- helpers -------------------------------------------------------------------------------------------------

    def refuse(self, node, what: str) -> NoReturn:
        """Raise UnsupportedInKernel: `what`, at the line of `node`, is not supported."""
        raise UnsupportedInKernel(
            f"{self.kernel.__name__}, line {node.lineno}: {what} is not supported in kernels by the sanitizer"
        )

    def site(self, node, verb: str) -> Site:
        """A new place of the source at which memory is accessed. verb: what is done there, for messages."""
        site = Site(len(self.program.sites), self.kernel, node.lineno, node.col_offset, verb)
        if site.number >= MAX_SITES:
            self.refuse(node, f"a kernel that accesses memory in more than {MAX_SITES} places")
        self.program.sites.append(site)
        return site

    def constant(self, node):
        """The value of an expression made of globals, attributes and literals; MISSING if it is not one."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name) and node.id not in self.locals:
            for scope in (self.closure, self.globals, vars(builtins)):
                if node.id in scope:
                    return scope[node.id]
            raise UnsupportedInKernel(f"{self.kernel.__name__}, line {node.lineno}: there is no {node.id!r}")
        if isinstance(node, ast.Attribute):
            owner = self.constant(node.value)
            if owner is not MISSING:
                try:
                    return getattr(owner, node.attr)
                except AttributeError as problem:
                    raise UnsupportedInKernel(f"{self.kernel.__name__}, line {node.lineno}: {problem}") from None
        if isinstance(node, ast.Tuple):
            items = [self.constant(item) for item in node.elts]
            return MISSING if MISSING in items else tuple(items)
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            left, right = self.constant(node.left), self.constant(node.right)
            exact = int.__floordiv__ if isinstance(node.op, ast.FloorDiv) else BINARY[type(node.op)].exact
            if type(left) is int and type(right) is int and exact:
                return exact(left, right)
        return MISSING

    def mark_written(self, node) -> None:
        """The array that expression `node` means is written."""
        self.written |= set(arrays_in(node))

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
                raise UnsupportedInKernel(f"{function.__name__}, line {line}: {name} is read before it has a value")
            if name in frame.partial and (without := frame.lanes_without(name)) is not None:
                _report_unset(frame, site, name, without)
            return value

        return read

    def of_global(self, node):
        value = self.constant(node)
        word = meaning.value_of(value)
        if word is not None:
            return word
        if isinstance(value, np.ndarray):
            self.refuse(node, f"the global array {ast.unparse(node)}; pass it as an argument. This")
        if isinstance(value, (types.ModuleType, types.FunctionType, CudaKernel)):
            self.refuse(node, f"{ast.unparse(node)} as a value")
        value = values.from_python(value)
        return lambda frame: value

    def of_Attribute(self, node):
        if self.constant(node) is not MISSING:
            return self.of_global(node)
        owner, name = self.expression(node.value), node.attr
        if name not in ("shape", "size", "ndim", "dtype"):
            self.refuse(node, f"`.{name}` of a value")
        line = node.lineno

        def read(frame):
            value = owner(frame)
            if type(value) is not View:
                raise UnsupportedInKernel(f"line {line}: {described(value)} has no .{name}")
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
        if isinstance(node, ast.Tuple):
            items = [self.index(item) for item in node.elts]
            return lambda frame: tuple([item(frame) for item in items])
        return self.expression(node)

    def of_Subscript(self, node):
        owner, index, site = self.expression(node.value), self.index(node.slice), self.site(node, "reads")

        def read(frame):
            value = owner(frame)
            if type(value) is View:
                return value.load(index(frame), frame.active, site)
            if type(value) is tuple:
                return value[index(frame)]
            raise UnsupportedInKernel(f"line {site.line}: {described(value)} cannot be indexed")

        return read

    def operation(self, node) -> Callable:
        """`a <op> b` as a function of the frame and the two values."""
        apply = BINARY.get(type(node.op))
        if apply is None:
            self.refuse(node, f"the operator of `{ast.unparse(node)}`")
        line, function = node.lineno, self.kernel
        site = Site(-1, function, line, node.col_offset, "")
        divides = type(node.op) in (ast.FloorDiv, ast.Mod)
        exponent = self.constant(node.right) if isinstance(node, ast.BinOp) and type(node.op) is ast.Pow else None

        def run(frame, a, b):
            machine = frame.machine
            if divides and values.dtype_of(b).kind in "iu":
                zero = frame.active.select(b == 0) if type(b) is np.ndarray else np.full(frame.active.size, b == 0)
                if zero.any():
                    thread = machine.launch.thread_name(frame.active.select(machine.crew.thread)[np.argmax(zero)])
                    machine.report(findings.DIVISION, site, f"{thread} divides an integer by zero", thread)
            if type(exponent) is int and values.dtype_of(a).kind == "f":
                b = values.cast(b, values.dtype_of(a))  # Numba multiplies x ** 2 out, in the type of x

            def lost_float32():
                machine.report(
                    findings.FLOAT64,
                    site,
                    "a float32 meets a float64 or an integer, and the operation is done in float64, which is slow on a "
                    "GPU: wrap literals and integers in np.float32(...)",
                )

            return apply(a, b, lost_float32)

        return run

    def of_BinOp(self, node):
        left, right, operation = self.expression(node.left), self.expression(node.right), self.operation(node)
        line = node.lineno

        def run(frame):
            a, b = left(frame), right(frame)
            if not isinstance(a, _NUMBERS) or not isinstance(b, _NUMBERS):
                raise UnsupportedInKernel(f"line {line}: no arithmetic with {described(a)} and {described(b)}")
            return operation(frame, a, b)

        return run

    def of_UnaryOp(self, node):
        operand = self.expression(node.operand)
        if isinstance(node.op, ast.Not):

            def negate(frame):
                value = values.truth(operand(frame))
                return not value if type(value) is bool else ~value

            return negate
        apply = _UNARY[type(node.op)]
        return lambda frame: apply(operand(frame))

    def of_Compare(self, node):
        operands = [self.expression(operand) for operand in (node.left, *node.comparators)]
        if all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops) and len(node.ops) == 1:
            wanted = isinstance(node.ops[0], ast.Is)
            return lambda frame: (operands[0](frame) is operands[1](frame)) == wanted
        compare = [_COMPARE.get(type(op)) or self.refuse(node, f"`{ast.unparse(node)}`") for op in node.ops]

        def run(frame):
            left = operands[0](frame)
            result: Any = True
            for apply, operand in zip(compare, operands[1:], strict=True):
                right = operand(frame)
                one = apply(left, right)
                result = one if result is True else result & one
                left = right
            return result if type(result) is np.ndarray else bool(result)

        return run

    def of_BoolOp(self, node):
        operands = [self.expression(operand) for operand in node.values]
        is_and = isinstance(node.op, ast.And)

        def run(frame):
            before, result = frame.active, None
            for operand in operands:
                condition = values.truth(operand(frame))
                if result is None:
                    result = condition
                else:
                    result = (result & condition) if is_and else (result | condition)
                if type(condition) is bool:
                    if condition != is_and:
                        break
                    continue
                frame.active = frame.active.only(condition if is_and else ~condition)
                if not frame.active.size:
                    break
            frame.active = before
            return result

        return run

    def of_IfExp(self, node):
        test, body, orelse = map(self.expression, (node.test, node.body, node.orelse))

        def run(frame):
            condition = values.truth(test(frame))
            if type(condition) is bool:
                return (body if condition else orelse)(frame)
            before = frame.active
            chosen = before.only(condition)
            if chosen.size in (0, before.size):
                return (body if chosen.size else orelse)(frame)
            frame.active = chosen  # either side sees only its own lanes: `x[i] if i < n else 0` is a guard
            first = body(frame)
            frame.active = before.without(chosen)
            second = orelse(frame)
            frame.active = before
            return merged(chosen.bits, first, second)

        return run

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
        translate = meaning.call_of(callee)
        if translate is None:
            what = f"calling `{ast.unparse(node.func)}`"
            if isinstance(callee, types.FunctionType):
                what += " (a helper of a kernel stands under @cuda.jit(device=True))"
            self.refuse(node, what)
        return translate(self, node, name)

    def bits_as(self, node):
        """`number.view(np.uint32)`: the same bits as another type of the same size."""
        dtype = meaning.dtype_named(self.constant(node.args[0])) if len(node.args) == 1 else None
        if dtype is None or node.keywords:
            self.refuse(node, f"`{ast.unparse(node)}`: view takes the name of a type. This")
        number, line = self.expression(node.func.value), node.lineno

        def run(frame):
            value = number(frame)
            if not isinstance(value, _NUMBERS) or values.dtype_of(value).itemsize != dtype.itemsize:
                raise UnsupportedInKernel(f"line {line}: view({dtype.name}) of {described(value)} of another size")
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

        def run(frame):
            machine, line, caller = frame.machine, frame.machine.line, frame.machine.function
            values_ = [argument(frame) for argument in arguments]
            result = function.call(machine, frame.active, values_, {k: v(frame) for k, v in named.items()})
            machine.line, machine.function = line, caller
            return result

        return run

    def call_of_primitive(self, node, primitive):
        if node.keywords:
            self.refuse(node, f"`{ast.unparse(node)}` with named arguments")
        site = Site(-1, self.kernel, node.lineno, node.col_offset, "")
        call, aligned = self.call_of_function(node, primitive.body), primitive.aligned
        place = [self.expression(argument) for argument in node.args[:2]] if aligned > 1 else None

        def run(frame):
            machine, outer = frame.machine, frame.machine.caller
            machine.caller = outer or site
            if place is not None:
                array, index = place
                array(frame).check_aligned(index(frame), aligned, frame.active, site)
            is_one = place is not None and machine.counters is not None
            with machine.counters.one_access(machine.caller) if is_one else nullcontext():
                result = call(frame)
            machine.caller = outer
            return result

        return run


_NUMBERS = (int, np.generic, np.ndarray)
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


def arrays_in(node):
    """The names of the arrays that an expression may be a view of."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Subscript):
        yield from arrays_in(node.value)
    elif isinstance(node, ast.IfExp):
        yield from arrays_in(node.body)
        yield from arrays_in(node.orelse)
    elif isinstance(node, (ast.Tuple, ast.Call)):
        for item in node.elts if isinstance(node, ast.Tuple) else node.args:
            yield from arrays_in(item)


def described(value) -> str:
    """A value in words, for messages."""
    if type(value) is View:
        return f"the array {value.memory.name}"
    if type(value) is tuple:
        return f"a tuple of {len(value)}"
    return "None" if value is None else "a number"


def _report_unset(frame, site, name, without):
    machine = frame.machine
    thread = machine.launch.thread_name(machine.crew.thread[np.argmax(without)])
    message = f"{thread} reads the variable {name}, which has got no value on its way here"
    machine.report(findings.UNWRITTEN, site, message, thread)
