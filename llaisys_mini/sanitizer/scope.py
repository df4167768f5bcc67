"""One function that is being translated: which names are constant, which arrays it writes, where it accesses memory.

Expressions and statements build on it: see operations, calls, expressions and translate.
"""

import ast
import builtins
import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from llaisys_mini import cuda as ours
from llaisys_mini.cuda.jit import CudaKernel
from llaisys_mini.sanitizer import values
from llaisys_mini.sanitizer.conditions import Check
from llaisys_mini.sanitizer.double_precision import narrowed_in
from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.frames import MISSING
from llaisys_mini.sanitizer.machine import Site
from llaisys_mini.sanitizer.shadow import MAX_SITES
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


class Scope:
    """One function that is being translated. definition: its syntax tree; written: the arrays whose elements it writes;
    aliases: per variable the arrays that it may be a view of; named_outside: the names that are defined outside;
    narrowed: the operations whose result becomes a float32 at once, by id."""

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
        within = {n.name for n in ast.walk(self.definition) if isinstance(n, ast.FunctionDef)}
        self.named_outside = {n.id for n in names} - self.locals - within
        self._settled = _assigned_once(self.definition, self.parameters)
        self.narrowed = narrowed_in(self, self.definition)
        self.conditions: list[Check] = []  # in the conditions around what is translated now
        self.inner: dict[str, tuple[Any, list[str]]] = {}  # functions within, and the variables here that they use
        self.written: set[str] = set()
        self.aliases: dict[str, set[str]] = {}

    def expression(self, node, name: str = "") -> Callable:
        """`node` as a function of the frame that gives a value. name: of the variable that the value is for."""
        raise NotImplementedError

    def refuse(self, node, what: str) -> NoReturn:
        """Raise UnsupportedInKernel: `what`, at the line of `node`, is not supported."""
        raise UnsupportedInKernel(f"{what} is not supported by the sanitizer", self.kernel.__name__, node.lineno)

    def reject(self, node, sentence: str) -> NoReturn:
        """Raise DoesNotCompile: numba-cuda refuses what stands at the line of `node`."""
        raise DoesNotCompile(sentence, self.kernel.__name__, node.lineno)

    def site(self, node, verb: str, text: str = "") -> Site:
        """A new source location at which memory is accessed. verb, text: see Site."""
        site = Site(len(self.program.sites), self.kernel, node.lineno, node.col_offset, verb, text or ast.unparse(node))
        if site.number >= MAX_SITES:
            self.refuse(node, f"a kernel with more than {MAX_SITES} accesses of memory")
        self.program.sites.append(site)
        return site

    def constant(self, node):
        """The value of an expression made of globals, attributes and literals; MISSING if it is not one."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name) and node.id not in self.locals:
            for scope in (self.closure, self.globals, vars(builtins)):
                if node.id in scope:
                    value = scope[node.id]
                    return ours if getattr(value, "__name__", "") == "numba.cuda" else value  # the same words
            self.reject(node, f"there is no {node.id}: define or import it above the kernel, in the same cell")
        if isinstance(node, ast.Attribute):
            owner = self.constant(node.value)
            if owner is not MISSING:
                try:
                    return getattr(owner, node.attr)
                except AttributeError as problem:
                    self.refuse(node, f"{ast.unparse(node)} ({problem})")
        if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:  # np.finfo(np.float32)
            is_limit = isinstance(node.func, ast.Attribute) and node.func.attr in ("finfo", "iinfo")
            limits, kind = (self.constant(node.func), self.constant(node.args[0])) if is_limit else (None, None)
            if limits in (np.finfo, np.iinfo) and isinstance(kind, type) and issubclass(kind, np.generic):
                return limits(kind)
        if isinstance(node, ast.Tuple):
            items = [self.constant(item) for item in node.elts]
            return MISSING if MISSING in items else tuple(items)
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            left, right = self.constant(node.left), self.constant(node.right)
            exact = int.__floordiv__ if isinstance(node.op, ast.FloorDiv) else BINARY[type(node.op)].exact
            if type(left) is int and type(right) is int and exact:
                return exact(left, right)
        return MISSING

    def is_reassigned(self, node) -> bool:
        """Whether an expression has a variable that is assigned in several places."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        return bool(names & (self.locals - set(self._settled) - set(self.parameters)))

    def given_once(self, name: str) -> ast.expr | None:
        """What a variable is given, if that is one expression in one place; else None."""
        return self._settled.get(name)

    def known(self, node):
        """What `constant` knows, and what a variable stands for that is given one constant, once; else None."""
        if isinstance(node, ast.Name) and node.id in self.locals:
            given = self._settled.get(node.id)
            return None if given is None or isinstance(given, ast.BinOp) else self.known(given)
        if isinstance(node, ast.Tuple):
            items = [self.known(item) for item in node.elts]
            return None if None in items else tuple(items)
        if isinstance(node, ast.Subscript):
            owner, index = self.known(node.value), self.known(node.slice)
            inside = type(owner) is tuple and type(index) is int and -len(owner) <= index < len(owner)
            return owner[index] if inside else None
        if isinstance(node, ast.IfExp):
            test = self.known(node.test)
            return self.known(node.body if test else node.orelse) if isinstance(test, (bool, int)) else None
        value = self.constant(node)
        return None if value is MISSING else value

    def mark_written(self, node) -> None:
        """The array that expression `node` means is written."""
        self.written |= set(arrays_in(node))


def _assigned_once(definition, parameters) -> dict[str, ast.expr]:
    """The variables of a function that are assigned in one place only, and what they are given there."""
    counts = Counter(n.id for n in ast.walk(definition) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    counts.update(parameters)
    given: dict[str, ast.expr] = {}
    for statement in ast.walk(definition):
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                pairs = [(target, statement.value)]
                if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                    pairs = list(zip(target.elts, statement.value.elts, strict=False))
                given |= {name.id: value for name, value in pairs if isinstance(name, ast.Name)}
    return {name: value for name, value in given.items() if counts[name] == 1}


def arrays_in(node):
    """The names of the arrays that an expression may be a view of."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Subscript):
        yield from arrays_in(node.value)
    elif isinstance(node, ast.IfExp):
        yield from arrays_in(node.body)
        yield from arrays_in(node.orelse)
    elif isinstance(node, ast.Attribute):  # x.T
        yield from arrays_in(node.value)
    elif isinstance(node, (ast.Tuple, ast.Call)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):  # x.reshape(...)
            yield from arrays_in(node.func.value)
        for item in node.elts if isinstance(node, ast.Tuple) else node.args:
            yield from arrays_in(item)


def described(value) -> str:
    """A value as messages name it."""
    if type(value) is View:
        return f"the array {value.memory.name}"
    if type(value) is tuple:
        return f"a tuple of {len(value)}"
    return "None" if value is None else "a number"
