"""Whether the loops over prange of a CPU kernel do its work, or only start threads beside a serial loop that does.

    for n in prange(N):
        out[n] = 0                  # all of it is overwritten
    for n in range(N):
        out[n] = ...

Read, this is hard to tell from a kernel that computes its blocks in parallel and the rest behind them. Run, it is easy:
without its loops over prange an honest kernel leaves its outputs unwritten, or wrong; this one gives the same.

So that few kernels are compiled once more for it, it is first read whether anything serial stands beside those loops.
"""

import ast
import copy
import dataclasses
from typing import Any

import numpy as np

from llaisys_mini.checks.compare import empty_outputs
from llaisys_mini.checks.prange_races import names_of_prange
from llaisys_mini.checks.syntax import is_kernel
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.operator import Operator
from llaisys_mini.task import Case

_MOST_SERIAL = 0.5
"""If more of the output's elements than this are the same without the loops, the work is done elsewhere."""


def is_done_elsewhere(contract: Operator, kernel: Kernel, source: str, case: Case, outputs: list[np.ndarray]) -> bool:
    """Whether the kernel gives most of `outputs`, its results on `case`, also without its loops over prange.

    False where that is not known: where it does not run without them, or reaches none of them on this case. source: of
    the module that the kernel stands in.
    """
    tree = ast.parse(source)
    if not _has_serial_work(kernel, tree):
        return False
    without = empty_outputs(contract, case.inputs)
    try:
        contract.run_with(_changed(kernel, tree, _NoRounds), case.inputs, without)
    except Exception:  # the change has broken something; Numba's errors are of many kinds
        return False
    same = sum(int(np.sum(_same(a, b))) for a, b in zip(outputs, without, strict=True))
    if same <= _MOST_SERIAL * sum(output.size for output in outputs):
        return False
    try:  # a case that is too small for its threads tells nothing
        contract.run_with(_changed(kernel, tree, _Raises), case.inputs, without)
    except RuntimeError:
        return True
    except Exception:
        pass
    return False


def _has_serial_work(kernel: Kernel, tree: ast.Module) -> bool:
    """Whether anything that may write arrays stands before or behind a loop over prange, in the same run."""
    change = _Change(tree)
    function: Any = kernel.function
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        beside = _beside_parallel(node.body, change)
        if beside is not None and (node.name != function.py_func.__name__ or any(map(_may_write, beside))):
            return True  # what stands beside a loop in another function, its callers decide
    return False


def _beside_parallel(body: list[ast.stmt], change: "_Change") -> list[ast.stmt] | None:
    """The statements that run before or behind a loop over prange; None if there is no such loop. Of a condition, one
    side runs."""
    found: list[ast.stmt] | None = None
    for statement in body:
        inner: list[ast.stmt] | None = None
        if isinstance(statement, ast.For) and change.is_parallel(statement):
            inner = []
        else:
            for block in ("body", "orelse"):
                deeper = _beside_parallel(getattr(statement, block, []), change)
                if deeper is not None:
                    inner = (inner or []) + deeper
        if inner is not None:
            others = [s for s in body if s is not statement]
            serial = [s for s in others if not (isinstance(s, ast.For) and change.is_parallel(s))]
            found = (found or []) + inner + serial
    return found


def _may_write(statement: ast.stmt) -> bool:
    """Whether it stores an element, or calls a function that may: any but those of modules, such as np.empty."""
    return any(
        (isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in _OF_NUMBERS)
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fill")
        for node in ast.walk(statement)
    )


_OF_NUMBERS = frozenset("int float bool abs min max len range round".split())


def _changed(kernel: Kernel, tree: ast.Module, change: "type[_Change]") -> Kernel:
    """The kernel from its module, with a change in it. Statements that only do something are left out."""
    changed = change(tree).visit(copy.deepcopy(tree))
    kinds = ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef
    changed.body = [statement for statement in changed.body if isinstance(statement, kinds)]
    space: dict[str, Any] = {"__name__": f"{kernel.operator}_without_threads"}
    exec(compile(ast.fix_missing_locations(changed), space["__name__"], "exec"), space)
    function: Any = kernel.function
    return dataclasses.replace(kernel, function=space[function.py_func.__name__])


class _Change(ast.NodeTransformer):
    """Takes off what registers the kernel, and the options that a module without a file cannot have, or needs not."""

    def __init__(self, tree: ast.Module):
        self.prange = names_of_prange(tree)

    def is_parallel(self, node: ast.For) -> bool:
        called = node.iter.func if isinstance(node.iter, ast.Call) else None
        return getattr(called, "id", None) in self.prange or getattr(called, "attr", None) == "prange"

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        kept = []
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call):
                if is_kernel(decorator):
                    continue
                decorator.keywords = [k for k in decorator.keywords if k.arg not in ("cache", "parallel")]
            kept.append(decorator)
        node.decorator_list = kept
        return node


class _NoRounds(_Change):
    def visit_For(self, node: ast.For) -> ast.stmt:
        self.generic_visit(node)
        if self.is_parallel(node):
            node.iter = ast.parse("range(0)", mode="eval").body
        return node


class _Raises(_Change):
    def visit_For(self, node: ast.For) -> ast.stmt:
        self.generic_visit(node)
        return ast.parse("raise RuntimeError").body[0] if self.is_parallel(node) else node


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Element by element; NaN, with which outputs are filled, equals itself."""
    return (a == b) | ((a != a) & (b != b))
