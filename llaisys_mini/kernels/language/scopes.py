"""Which names of a function are its own, as Python decides it: a name that a function binds anywhere is local to it.

Functions within functions, lambdas and comprehensions have names of their own and see those around them.
"""

import ast
from collections.abc import Iterator

_COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, *_COMPREHENSIONS)


class Scope:
    """The names that one function binds, and the scope around it."""

    def __init__(self, names: set[str], around: "Scope | None" = None):
        self.names, self.around = names, around

    def __contains__(self, name: str) -> bool:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return True
            scope = scope.around
        return False

    @classmethod
    def of(cls, function: ast.FunctionDef | ast.Lambda, around: "Scope | None" = None) -> "Scope":
        """The scope of a function's body."""
        body: list[ast.AST] = [*function.body] if isinstance(function, ast.FunctionDef) else [function.body]
        return cls({argument.arg for argument in all_arguments(function.args)} | _bound(body), around)


def all_arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from filter(None, (arguments.vararg, arguments.kwarg))


def _bound(nodes: list[ast.AST]) -> set[str]:
    """Names that these bind in their own scope."""
    names, pending = set(), [*nodes]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        if not isinstance(node, _SCOPES):
            pending += ast.iter_child_nodes(node)
    return names


def parts(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.AST, Scope]]:
    """What a node consists of, each with the scope in which its names are looked up. Annotations are left out."""
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        inner = Scope.of(node, scope)
        defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        yield from ((default, scope) for default in defaults)
        body: list[ast.AST] = [*node.body] if isinstance(node, ast.FunctionDef) else [node.body]
        yield from ((part, inner) for part in body)
    elif isinstance(node, _COMPREHENSIONS):
        loops = node.generators
        inner = Scope(_bound([loop.target for loop in loops]), scope)
        yield loops[0].iter, scope
        for number, loop in enumerate(loops):
            yield from ((part, inner) for part in (loop.target, *loop.ifs, *([loop.iter] if number else [])))
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        yield from ((result, inner) for result in results)
    elif isinstance(node, ast.AnnAssign):
        yield from ((part, scope) for part in (node.target, node.value) if part is not None)
    else:
        yield from ((part, scope) for part in ast.iter_child_nodes(node))
