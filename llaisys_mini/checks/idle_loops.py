"""Loops over `prange` that do nothing, found by reading: threads start, and all the work is done somewhere else.

A round does something if it stores an element of an array that it has not made itself, hands such an array to a
function, or adds to a number that is read after the loop.
"""

import ast
from collections.abc import Iterator

from llaisys_mini.checks.prange_races import array_behind, parsed, prange_loops


def all_are_idle(source: str) -> bool:
    """Whether a module has loops over prange, and none of them does anything."""
    try:
        tree = parsed(source)
    except SyntaxError:
        return False
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    loops = [(function, loop) for function in functions for loop in prange_loops(function)]
    return bool(loops) and not any(_works(function, loop) for function, loop in loops)


def _works(function: ast.FunctionDef, loop: ast.For) -> bool:
    inside = [node for statement in loop.body for node in ast.walk(statement)]
    made = set(_made_in(inside)) | {name.id for name in ast.walk(loop.target) if isinstance(name, ast.Name)}
    for node in inside:
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            if array_behind(node) not in made:
                return True
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in _OF_NUMBERS:
            if any(array_behind(argument) not in made | {None} for argument in node.args):
                return True
    added = {n.target.id for n in inside if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)}
    counted = {id(node) for node in inside}
    return any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in added
        for node in ast.walk(function)
        if id(node) not in counted
    )


_OF_NUMBERS = {"int", "float", "bool", "abs", "min", "max", "len", "range", "prange", "round", "sum", "print"}


def _made_in(nodes: list[ast.AST]) -> Iterator[str]:
    """Names that a round sets to something of its own. `row = out[n]` is not: it is part of an array from outside."""
    for node in nodes:
        if isinstance(node, ast.Assign) and array_behind(node.value) is None:
            for target in node.targets:
                yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name) and _is_set(name))


def _is_set(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
