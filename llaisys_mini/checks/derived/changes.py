"""Changes of a formula's syntax tree, one node at a time, as slips change a formula; and the words for each.

A plus for a minus, a forgotten root, a factor or a term that is missing or counts twice, one variable in the place of
another, the sum in the place of the mean, `>=` for `>`.
"""

import ast
import copy
from collections.abc import Iterator
from typing import Any

from llaisys_mini.checks.syntax import last_name

_LONGEST = 70  # characters of a formula that is quoted


def changed_trees(definition: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
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
        if not isinstance(above, (ast.expr, ast.keyword)):
            break
        if len(ast.unparse(above)) > _LONGEST and not isinstance(outer, (ast.Name, ast.Constant)):
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
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 + 5 :]}"


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
    name = last_name(node.func)
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
        value: Any = node.value
        for number in dict.fromkeys((0, 1, -value, value + 1, value - 1, value * 2)):
            if number != value:
                yield ast.Constant(number)
