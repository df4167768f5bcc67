"""Slips that show when a kernel's source is read: they explain why nothing arrived in an output."""

import ast
from collections.abc import Iterator

from llaisys_mini.checks.syntax import is_kernel
from llaisys_mini.checks.unset_arrays import updated_before_set
from llaisys_mini.contract import Contract


def slips(operator: Contract, source: str) -> list[str]:
    """Sentences, with line numbers, about the function under @kernel; a source that does not parse has none."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and any(map(is_kernel, function.decorator_list)):
            return list(dict.fromkeys(_slips_of(function, operator)))
    return []


def _slips_of(function: ast.FunctionDef, operator: Contract) -> Iterator[str]:
    names = [argument.arg for argument in function.args.args]
    outputs = names[len(operator.inputs) :]
    for node in _of_this_function(function):
        if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
            yield (
                f"line {node.lineno}: the kernel returns its result, and nobody takes it. "
                f"Write it into {' and '.join(outputs)}, element by element"
            )
        for target in _bound_names(node):
            if target.id in outputs:
                yield (
                    f"line {target.lineno}: {target.id} = ... gives the name {target.id} to another array. "
                    f"To write into the array that was given, name its elements: {target.id}[...] = ..."
                )
    for name, line in updated_before_set(function, outputs):
        yield (
            f"line {line}: it adds to what stands in {name}, and {name} is not 0 in the beginning: "
            "add up in a variable and store that, or set the element first"
        )
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    for name in outputs:
        if name not in used:
            yield f"the kernel never mentions its output {name}"


def _of_this_function(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of the function without those of functions inside of it."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop(0)
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)


def _bound_names(node: ast.AST) -> list[ast.Name]:
    """The names that a statement binds anew."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    flat = [t for target in targets for t in (target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target])]
    return [target for target in flat if isinstance(target, ast.Name)]


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
