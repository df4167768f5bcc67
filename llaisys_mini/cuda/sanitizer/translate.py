"""From a kernel's source to something the machine can run: each node of the syntax tree becomes a small closure.

An expression becomes a function of the frame that gives a value, uniform or per lane; a statement gives nothing.
The nodes below are all that the sanitizer knows; everything else is refused by name. Line numbers are those of the
user's file or notebook cell.
"""

import ast
import builtins
import inspect
import textwrap
import types
from collections.abc import Callable

import numpy as np

from llaisys_mini.cuda.jit import CudaKernel, Primitive
from llaisys_mini.cuda.sanitizer import findings, meaning, values
from llaisys_mini.cuda.sanitizer.findings import Halt, UnsupportedInKernel
from llaisys_mini.cuda.sanitizer.frames import MISSING, Frame, Loop, merged
from llaisys_mini.cuda.sanitizer.machine import Site
from llaisys_mini.cuda.sanitizer.memory import MAX_SITES
from llaisys_mini.cuda.sanitizer.views import View


class Program:
    """A kernel with the device functions that it calls, translated. sites: the places where memory is accessed."""

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
            self.functions[kernel] = _Translator(self, kernel).function()
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
                raise UnsupportedInKernel(f"line {machine.line}: {self.name}: {problem}") from None
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


_BINARY = {
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


class _Translator:
    """Translates one function."""

    def __init__(self, program: Program, kernel: CudaKernel):
        self.program = program
        self.kernel = kernel
        python_function = kernel.py_func
        self.definition = _source(python_function)
        self.globals = python_function.__globals__
        self.closure = inspect.getclosurevars(python_function).nonlocals
        self.parameters = [a.arg for a in self.definition.args.args]
        if self.definition.args.vararg or self.definition.args.kwarg or self.definition.args.kwonlyargs:
            self.refuse(self.definition, "*arguments, **arguments or keyword-only arguments")
        names = [node for node in ast.walk(self.definition) if isinstance(node, ast.Name)]
        self.locals = set(self.parameters) | {n.id for n in names if isinstance(n.ctx, ast.Store)}
        self.written: set[str] = set()
        self.aliases: dict[str, set[str]] = {}

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

    # ---- helpers -------------------------------------------------------------------------------------------------

    def refuse(self, node, what: str):
        raise UnsupportedInKernel(
            f"{self.kernel.__name__}, line {node.lineno}: {what} is not supported in kernels by the sanitizer"
        )

    def site(self, node, verb: str) -> Site:
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
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            left, right = self.constant(node.left), self.constant(node.right)
            exact = _BINARY[type(node.op)].exact or {ast.FloorDiv: int.__floordiv__}.get(type(node.op))
            if type(left) is int and type(right) is int and exact:
                return exact(left, right)
        return MISSING

    def mark_written(self, node) -> None:
        """The array that expression `node` means is written."""
        self.written |= set(_arrays(node))

    # ---- statements ----------------------------------------------------------------------------------------------

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
                self.aliases.setdefault(name, set()).update(_arrays(value_node))
            return lambda frame, value: frame.assign(name, value)
        if isinstance(node, ast.Tuple):
            targets = [self.target(item) for item in node.elts]
            line = node.lineno

            def unpack(frame, value):
                if type(value) is not tuple or len(value) != len(targets):
                    raise UnsupportedInKernel(f"line {line}: {len(targets)} names cannot take {_describe(value)}")
                for assign, item in zip(targets, value, strict=True):
                    assign(frame, item)

            return unpack
        if isinstance(node, ast.Subscript):
            self.mark_written(node.value)
            array, index, site = self.expression(node.value), self.index(node.slice), self.site(node, "writes")

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
        test, body, orelse = self.expression(node.test), self.block(node.body), self.block(node.orelse)

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

        def run(frame):
            entered, machine = frame.active, frame.machine
            loop = Loop(entered.crew.nobody)
            frame.loops.append(loop)
            done = entered.crew.nobody
            rounds = 0
            while frame.active.size:
                condition = values.truth(test(frame))
                if type(condition) is bool:
                    if not condition:
                        break
                else:
                    going_on = frame.active.only(condition)
                    if going_on.size != frame.active.size:
                        done = done.united(frame.active.without(going_on))
                        frame.active = going_on
                        if not going_on.size:
                            break
                body(frame)
                frame.active, loop.continued = frame.active.united(loop.continued), entered.crew.nobody
                rounds += 1
                if rounds > machine.loop_limit:
                    _runaway(machine, frame, line, f"does not end within {machine.loop_limit} rounds")
            frame.loops.pop()
            frame.rejoin(entered, done, frame.active, loop.broken)

        return run

    def do_For(self, node):
        if node.orelse:
            self.refuse(node, "`else` of a loop")
        assign, body, line = self.target(node.target), self.block(node.body), node.lineno
        call = node.iter
        if not (isinstance(call, ast.Call) and self.constant(call.func) is range and not call.keywords):
            if isinstance(call, ast.Tuple) or type(self.constant(call)) is tuple:
                items = self.expression(call)
                return lambda frame: _loop_over(frame, items(frame), assign, body)
            self.refuse(node, f"`for ... in {ast.unparse(call)}`: loop over range(...)")
        bounds = [self.expression(argument) for argument in call.args]

        def run(frame):
            limits = [bound(frame) for bound in bounds]
            start, stop, step = (0, limits[0], 1) if len(limits) == 1 else (*limits, 1)[:3]
            if np.any(np.asarray(step) == 0):
                _runaway(frame.machine, frame, line, "has a step of 0")
            if any(type(limit) is np.ndarray for limit in (start, stop, step)):
                _loop_per_lane(frame, start, stop, step, assign, body)
            else:
                _loop_over(frame, range(start, stop, step), assign, body)

        return run

    def do_Break(self, node):
        def run(frame):
            loop = frame.loops[-1]
            loop.broken = loop.broken.united(frame.active)
            frame.active = frame.active.crew.nobody

        return run

    def do_Continue(self, node):
        def run(frame):
            loop = frame.loops[-1]
            loop.continued = loop.continued.united(frame.active)
            frame.active = frame.active.crew.nobody

        return run

    def do_Return(self, node):
        value = self.expression(node.value) if node.value is not None else None
        is_kernel = not self.kernel.is_device

        def run(frame):
            result = value(frame) if value is not None else None
            if is_kernel:
                frame.machine.exited |= frame.active.bits
            frame.give_back(result)

        return run

    def do_Raise(self, node):
        self.refuse(node, "`raise` (a GPU loses it silently); raise on the host, before the launch. It")

    # ---- expressions ---------------------------------------------------------------------------------------------

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
        name, line, function = node.id, node.lineno, self.kernel.__name__
        if name not in self.locals:
            return self.of_global(node)

        def read(frame):
            value = frame.variables.get(name, MISSING)
            if value is MISSING:
                raise UnsupportedInKernel(f"{function}, line {line}: {name} is read before it has a value")
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
                raise UnsupportedInKernel(f"line {line}: {_describe(value)} has no .{name}")
            return getattr(value, name)

        return read

    def of_Tuple(self, node):
        items = [self.expression(item) for item in node.elts]
        return lambda frame: tuple([item(frame) for item in items])

    def index(self, node) -> Callable:
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
            raise UnsupportedInKernel(f"line {site.line}: {_describe(value)} cannot be indexed")

        return read

    def operation(self, node) -> Callable:
        """`a <op> b` as a function of the frame and the two values."""
        apply = _BINARY.get(type(node.op))
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
                raise UnsupportedInKernel(f"line {line}: no arithmetic with {_describe(a)} and {_describe(b)}")
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
            result = True
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
            callee = callee.body
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
                raise UnsupportedInKernel(f"line {line}: view({dtype.name}) of {_describe(value)} of another size")
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


_NUMBERS = (int, np.generic, np.ndarray)
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


def _plain_name(node) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _arrays(node):
    """The names of the arrays that an expression may be a view of."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Subscript):
        yield from _arrays(node.value)
    elif isinstance(node, ast.IfExp):
        yield from _arrays(node.body)
        yield from _arrays(node.orelse)
    elif isinstance(node, (ast.Tuple, ast.Call)):
        for item in node.elts if isinstance(node, ast.Tuple) else node.args:
            yield from _arrays(item)


def _view(value, site) -> View:
    if type(value) is not View:
        raise UnsupportedInKernel(f"line {site.line}: {_describe(value)} is no array and cannot be written")
    return value


def _describe(value) -> str:
    if type(value) is View:
        return f"the array {value.memory.name}"
    if type(value) is tuple:
        return f"a tuple of {len(value)}"
    return "None" if value is None else "a number"


def _runaway(machine, frame, line, what):
    thread = machine.launch.thread_name(frame.active.select(machine.crew.thread)[0])
    site = Site(-1, machine.function, line, 0, "")
    machine.report(findings.RUNAWAY, site, f"this loop {what} for {thread}", thread)
    raise Halt


def _loop_over(frame, items, assign, body):
    """A `for` loop whose items are the same for all lanes."""
    entered = frame.active
    loop = Loop(entered.crew.nobody)
    frame.loops.append(loop)
    for item in items:
        assign(frame, item)
        body(frame)
        if loop.continued.size:
            frame.active, loop.continued = frame.active.united(loop.continued), entered.crew.nobody
        if not frame.active.size:
            break
        if frame.active.size == entered.size:
            frame.active = entered
    frame.loops.pop()
    frame.rejoin(entered, frame.active, loop.broken)


def _loop_per_lane(frame, start, stop, step, assign, body):
    """A `for` loop over ranges that differ between lanes."""
    entered = frame.active
    nobody = entered.crew.nobody
    loop = Loop(nobody)
    frame.loops.append(loop)
    counter = np.full(entered.crew.size, start) if type(start) is not np.ndarray else start.astype(np.int64)
    upwards = np.asarray(step) > 0
    done = nobody
    while True:
        going_on = frame.active.only(np.where(upwards, counter < stop, counter > stop))
        if going_on.size != frame.active.size:
            done = done.united(frame.active.without(going_on))
            frame.active = going_on
        if not going_on.size:
            break
        assign(frame, counter)
        body(frame)
        if loop.continued.size:
            frame.active, loop.continued = frame.active.united(loop.continued), nobody
        counter = counter + step
    frame.loops.pop()
    frame.rejoin(entered, done, loop.broken)
