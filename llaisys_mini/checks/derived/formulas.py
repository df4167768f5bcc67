"""Mistakes derived from the formula: the reference of an operator with one thing changed, as a slip changes it.

Each is the reference's own source with one node of its syntax tree replaced (changes.py). The helpers that it calls are
changed too.
"""

import ast
import inspect
import math
import re
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from llaisys_mini.checks.derived.changes import changed_trees
from llaisys_mini.checks.derived.shared import Pair
from llaisys_mini.contract import Contract


def of_docstring(operator: Contract) -> Iterator[Pair]:
    """Changes in the formula of the docstring, where each element stands for itself: `out[i] = x[i] / (1 + ...)`. The
    reference is often another, stable form."""
    formula = re.search(r"out\[i\] = ([^\n]+)", operator.__doc__ or "")
    if not operator.is_elementwise or formula is None:
        return
    words = {**vars(math), "erf": np.vectorize(math.erf, otypes=[float]), "max": np.maximum, "min": np.minimum}
    words |= {"exp": np.exp, "sqrt": np.sqrt, "tanh": np.tanh, "np": np, "where": np.where}
    try:
        tree = _Whole().visit(ast.parse(formula[1].strip(), mode="eval"))
    except SyntaxError:
        return
    parameters = [ast.arg(name) for name in operator.inputs]
    given = ast.arguments([], parameters, None, [], [], None, [])
    definition = ast.FunctionDef(operator.name, given, [ast.Return(tree.body)], [])
    for sentence, changed in changed_trees(ast.fix_missing_locations(definition)):
        yield sentence, _function(changed, words, operator.reference)


class _Whole(ast.NodeTransformer):
    """x[i] -> x; `a if c else b` -> where(c, a, b)."""

    def visit_Subscript(self, node):
        return node.value

    def visit_IfExp(self, node):
        self.generic_visit(node)
        return ast.Call(ast.Name("where", ast.Load()), [node.test, node.body, node.orelse], [])


def of_reference(operator: Contract) -> Iterator[Pair]:
    """Changes in the operator's reference; none where its source is not there."""
    yield from _variants(operator.reference, depth=3)


def _variants(function: Callable, depth: int) -> Iterator[tuple[str, Callable]]:
    """(sentence, function) for each change in the function, then in the functions that it calls."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return
    definition = tree.body[0]
    if not isinstance(function, types.FunctionType) or not isinstance(definition, ast.FunctionDef):
        return
    if function.__closure__:
        return  # its variables cannot be given anew
    definition.decorator_list, definition.returns = [], None
    for argument in definition.args.args:
        argument.annotation = None
    if isinstance(definition.body[0], ast.Expr) and isinstance(definition.body[0].value, ast.Constant):
        del definition.body[0]
    for sentence, changed in changed_trees(definition):
        yield sentence, _function(changed, function.__globals__, function)
    if not depth:
        return
    for name, called, place in _called(definition, function.__globals__):
        for sentence, variant in _variants(called, depth - 1):
            globals_ = function.__globals__ | {name: place(variant)}
            yield (
                sentence,
                types.FunctionType(function.__code__, globals_, function.__name__, function.__defaults__, None),
            )


def _function(definition: ast.FunctionDef, globals_: dict, original: Any) -> Callable:
    module = ast.fix_missing_locations(ast.Module([definition], []))
    code = compile(module, f"<variant of {original.__name__}>", "exec")
    own = next(constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return types.FunctionType(own, globals_, original.__name__, original.__defaults__)


def _called(definition: ast.FunctionDef, globals_: dict) -> Iterator[tuple[str, Callable, Callable]]:
    """(global name, function, what makes a variant of the function stand under the name) of the package's functions
    that are called: helpers, and references of other operators."""
    seen = set()
    for node in ast.walk(definition):
        if not isinstance(node, ast.Call):
            continue
        place: Callable
        if isinstance(node.func, ast.Name):
            value = globals_.get(node.func.id)
            name, place = node.func.id, _itself
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            value = getattr(globals_.get(node.func.value.id), node.func.attr, None)
            is_reference = isinstance(globals_.get(node.func.value.id), Contract) and node.func.attr == "reference"
            if not is_reference:
                continue
            name, place = node.func.value.id, _as_reference
        else:
            continue
        if name not in seen and getattr(value, "__module__", "").startswith("llaisys_mini.operators"):
            seen.add(name)
            yield name, value, place  # type: ignore[misc]


def _itself(variant: Callable) -> Callable:
    return variant


def _as_reference(variant: Callable) -> types.SimpleNamespace:
    return types.SimpleNamespace(reference=variant)
