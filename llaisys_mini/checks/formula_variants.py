"""Mistakes derived from the formula: the reference of an operator with one thing changed, as a slip changes it.

A plus for a minus, a forgotten root, a factor or a term that is missing, one argument in the place of another, the sum
in the place of the mean, `>=` for `>`: each is the reference's own source with one node of its syntax tree replaced.
The helpers that it calls are changed too. What is derived is a hint like the mistakes that an operator's file lists,
and it is told under the same conditions (recognise.py).
"""

import ast
import copy
import inspect
import math
import re
import textwrap
import types
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from llaisys_mini.contract import Contract
from llaisys_mini.task import Mistake

_MOST = 400  # variants of one reference
_LONGEST = 70  # characters of a formula that is quoted


def docstring_variants(operator: Contract) -> list[Mistake]:
    """Variants of the formula in the docstring of an operator that works element by element; none of others."""
    return _mistakes("docstring", _of_docstring(operator))


def formula_variants(operator: Contract) -> list[Mistake]:
    """Variants of the operator's reference, each with its sentence; none where its source is not there."""
    return _mistakes("formula", _variants(operator.reference, depth=3))


def _mistakes(kind: str, variants: Iterator[tuple[str, Callable]]) -> list[Mistake]:
    named = enumerate(islice(variants, _MOST))
    return [Mistake(f"{kind}_{number}", sentence, function) for number, (sentence, function) in named]


def _of_docstring(operator: Contract) -> Iterator[tuple[str, Callable]]:
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
    for sentence, changed in _changed_trees(ast.fix_missing_locations(definition)):
        yield sentence, _function(changed, words, operator.reference)


class _Whole(ast.NodeTransformer):
    """x[i] -> x; `a if c else b` -> where(c, a, b)."""

    def visit_Subscript(self, node):
        return node.value

    def visit_IfExp(self, node):
        self.generic_visit(node)
        return ast.Call(ast.Name("where", ast.Load()), [node.test, node.body, node.orelse], [])


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
    for sentence, changed in _changed_trees(definition):
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


def _function(definition: ast.FunctionDef, globals_: dict, original: types.FunctionType) -> Callable:
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


# ---- changes ---------------------------------------------------------------------------------------------------------


def _changed_trees(definition: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(sentence, the definition with one node replaced)"""
    names = _names(definition)
    nodes = [node for node in ast.walk(definition) if isinstance(node, ast.expr)]
    within = {child: node for node in ast.walk(definition) for child in ast.iter_child_nodes(node)}
    for number, node in enumerate(nodes):
        for replacement in _replacements(node, within, names):
            changed = copy.deepcopy(definition)
            twin = [n for n in ast.walk(changed) if isinstance(n, ast.expr)][number]
            before, after = _quoted(node, replacement, within)
            _replace(changed, twin, replacement)
            yield f"`{after}` is computed in the place of `{before}`", changed
    for number, statement in enumerate(definition.body):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            for word, replacement in _of_variable(statement.value):
                changed = copy.deepcopy(definition)
                changed.body[number].value = replacement  # type: ignore[attr-defined]
                yield f"{word} `{statement.targets[0].id} = {_text(statement.value)}`", changed


def _of_variable(value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Changes of what a variable is given."""
    for word, name in (("the square root is taken of", "sqrt"), ("degrees are taken for radians in", "radians")):
        yield word, ast.Call(ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load()), [value], [])
    yield "the sign is wrong of", ast.UnaryOp(ast.USub(), value)
    yield "there is a factor of 2 on", ast.BinOp(ast.Constant(2), ast.Mult(), value)
    yield "there is a factor of 1/2 on", ast.BinOp(value, ast.Div(), ast.Constant(2))
    yield "the inverse is taken of", ast.BinOp(ast.Constant(1), ast.Div(), value)


def _quoted(node: ast.expr, replacement: ast.expr, within: dict) -> tuple[str, str]:
    """The text of a formula before and after: of the smallest expression around the node that tells something."""
    outer: ast.AST = node
    while isinstance(outer, (ast.Name, ast.Constant)) or len(ast.unparse(outer)) < _ENOUGH:
        above = within.get(outer)
        if not isinstance(above, (ast.expr, ast.keyword)) or len(ast.unparse(above)) > _LONGEST:
            break
        outer = above
    if outer is node:
        return _text(outer), _text(replacement)
    twin = copy.deepcopy(outer)
    position = [n for n in ast.walk(outer) if isinstance(n, ast.expr)].index(node)
    _replace(twin, [n for n in ast.walk(twin) if isinstance(n, ast.expr)][position], replacement)
    return _text(outer), _text(twin)


def _text(node: ast.AST) -> str:
    """As a reader writes it: with `a if c else b`, and not too long."""
    text = ast.unparse(_Conditional().visit(copy.deepcopy(node)))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


class _Conditional(ast.NodeTransformer):
    """where(c, a, b) -> `a if c else b`."""

    def visit_Call(self, node):
        self.generic_visit(node)
        is_where = isinstance(node.func, ast.Name) and node.func.id == "where" and len(node.args) == 3
        return ast.IfExp(*node.args) if is_where else node


_ENOUGH = 12


def _replace(tree: ast.AST, node: ast.expr, replacement: ast.expr) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, copy.deepcopy(replacement))
            elif isinstance(value, list) and any(entry is node for entry in value):
                setattr(parent, name, [copy.deepcopy(replacement) if entry is node else entry for entry in value])


def _names(definition: ast.FunctionDef) -> list[str]:
    """The arguments and variables of a function."""
    stored = [n.id for n in ast.walk(definition) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys([*(argument.arg for argument in definition.args.args), *stored]))


def _replacements(node: ast.expr, within: dict, names: list[str]) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp):
        yield from _of_operation(node)
        if isinstance(node.left, ast.Name) and ast.dump(node.left) == ast.dump(node.right):
            yield from (
                ast.BinOp(ast.Name(n, ast.Load()), node.op, ast.Name(n, ast.Load())) for n in names if n != node.left.id
            )
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        if not isinstance(within.get(node), ast.keyword):
            yield node.operand
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for operator in _COMPARISONS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [operator()], node.comparators)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        if not isinstance(within.get(node), ast.Attribute):
            if isinstance(within.get(node), ast.BinOp):
                yield ast.BinOp(node, ast.Mult(), node)
            yield from (ast.Name(name, ast.Load()) for name in names if name != node.id)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield from _of_number(node, within.get(node))
        if isinstance(within.get(node), (ast.Call, ast.IfExp)) and isinstance(node.value, int) and len(names) < 4:
            for name in names:
                yield ast.Name(name, ast.Load())
                yield ast.UnaryOp(ast.USub(), ast.Name(name, ast.Load()))
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value


_COMPARISONS = {
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Eq: (ast.NotEq,),
}
_OTHER_OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mod,),
    ast.Mod: (ast.FloorDiv,),
}


def _of_operation(node: ast.BinOp) -> Iterator[ast.expr]:
    yield node.left
    if not isinstance(node.op, (ast.Div, ast.Pow, ast.FloorDiv, ast.Mod)):
        yield node.right
    for operator in _OTHER_OPERATORS.get(type(node.op), ()):
        yield ast.BinOp(node.left, operator(), node.right)
    if isinstance(node.op, ast.Pow):
        yield ast.BinOp(node.left, ast.Mult(), node.right)
        yield ast.BinOp(node.right, ast.Div(), node.left)
        yield ast.BinOp(node.right, node.op, node.left)
    if isinstance(node.op, ast.FloorDiv):
        yield ast.BinOp(node.left, ast.Sub(), ast.BinOp(node.left, ast.Mod(), node.right))
    if isinstance(node.op, ast.MatMult):
        yield ast.BinOp(_summed(node.left, -1), ast.Add(), _summed(node.right, -2))
    if isinstance(node.op, (ast.Sub, ast.Div)):
        yield ast.BinOp(node.right, node.op, node.left)
    if isinstance(node.op, (ast.Mult, ast.Div)):  # a factor twice
        yield ast.BinOp(ast.BinOp(node.left, node.op, node.right), node.op, node.right)
    if isinstance(node.op, ast.Div):
        root = ast.Call(ast.Attribute(ast.Name("np", ast.Load()), "sqrt", ast.Load()), [node.right], [])
        yield ast.BinOp(node.left, ast.Div(), root)


def _summed(node: ast.expr, axis: int) -> ast.expr:
    of_numpy = ast.Attribute(ast.Name("np", ast.Load()), "sum", ast.Load())
    given = [ast.keyword("axis", ast.Constant(axis)), ast.keyword("keepdims", ast.Constant(True))]
    return ast.Call(of_numpy, [node], given)


_WITHOUT = {"sqrt", "exp", "log", "abs", "square", "cos", "sin", "tanh", "erf", "radians", "_erf"}
_OTHER_FUNCTIONS = {
    "cos": ("sin",),
    "sin": ("cos",),
    "mean": ("sum", "max"),
    "sum": ("mean", "max"),
    "max": ("min", "mean"),
    "min": ("max",),
    "maximum": ("minimum",),
    "minimum": ("maximum",),
    "argmax": ("argmin",),
    "exp": ("exp2",),
    "log": ("log2", "log10", "log1p"),
    "sqrt": ("square",),
    "var": ("std",),
}


def _of_call(node: ast.Call) -> Iterator[ast.expr]:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name in _WITHOUT and len(node.args) == 1:
        yield node.args[0]
    if isinstance(node.func, ast.Attribute):
        for other in _OTHER_FUNCTIONS.get(name, ()):
            yield ast.Call(ast.Attribute(node.func.value, other, ast.Load()), node.args, node.keywords)
    for keyword in node.keywords:
        if keyword.arg == "axis":
            for axis in (ast.Constant(0), ast.Constant(None)):
                others = [axis_of if axis_of is not keyword else ast.keyword("axis", axis) for axis_of in node.keywords]
                yield ast.Call(node.func, node.args, others)
    if len(node.args) == 2 and name not in ("maximum", "minimum"):
        yield ast.Call(node.func, node.args[::-1], node.keywords)


def _of_number(node: ast.Constant, parent: ast.AST | None) -> Iterator[ast.expr]:
    if isinstance(parent, (ast.BinOp, ast.Compare, ast.UnaryOp, ast.Call, ast.IfExp)):
        for number in dict.fromkeys((0, 1, -node.value, node.value + 1, node.value - 1, node.value * 2)):
            if number != node.value:
                yield ast.Constant(number)
