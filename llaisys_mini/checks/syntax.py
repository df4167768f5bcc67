"""What several checks ask of a syntax tree: which name an expression ends in, and whether a decorator is @kernel."""

import ast


def last_name(node: ast.expr) -> str:
    """`prange` of prange and of numba.prange; "" of an expression that is no name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_kernel(decorator: ast.expr) -> bool:
    """Whether a decorator is @kernel(...)."""
    return last_name(decorator.func if isinstance(decorator, ast.Call) else decorator) == "kernel"
