"""What may stand above a function's body, which Python runs: decorators with literal options, and default arguments."""

import ast
from typing import Any

from llaisys_mini.kernels.language import vocabulary
from llaisys_mini.kernels.language.bodies import Note, why_not
from llaisys_mini.kernels.language.constants import Evaluator
from llaisys_mini.kernels.language.findings import NotPermitted, told
from llaisys_mini.kernels.language.module import Module


class Heads:
    """Looks at the heads of the functions of one cell."""

    def __init__(self, module: Module, device: str, evaluator: Evaluator, note: Note):
        self._module, self._device, self._evaluator, self._note = module, device, evaluator, note

    def look(self, function: ast.FunctionDef) -> None:
        if function.args.kwarg or getattr(function, "type_params", None):
            self._note(function, f"{function.name} takes `**` or types as arguments: name what it takes")
        for decorator in function.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            path = self._module.path(called)
            if path == vocabulary.KERNEL_DECORATOR:
                self._kernel(decorator)
            elif path in vocabulary.PATHS[self._device, vocabulary.HEAD]:
                if isinstance(decorator, ast.Call):
                    self._options(decorator)
            elif path is None:
                self._note(decorator, f"the decorator @{told(called)} is not among those of graded cells")
            else:
                self._note(decorator, why_not(f"@{told(called)}", path, self._device, vocabulary.HEAD))
        for default in [*function.args.defaults, *filter(None, function.args.kw_defaults)]:
            self._value(default)

    def _value(self, node: ast.expr) -> Any:
        try:
            return self._evaluator.value(node)
        except NotPermitted as problem:
            self._note(node, problem.finding.reason)
            return None

    def _kernel(self, decorator: ast.expr) -> None:
        if not isinstance(decorator, ast.Call):
            self._note(decorator, '@kernel names its operator: @kernel("...", device="...")')
            return
        for keyword in decorator.keywords:
            if keyword.arg not in ("operator", "device"):
                self._note(decorator, f"{keyword.arg or '**'}= of @kernel is not part of a graded cell")
        for given in (*decorator.args, *(k.value for k in decorator.keywords if k.arg in ("operator", "device"))):
            if not (isinstance(given, ast.Constant) and isinstance(given.value, str)):
                self._note(decorator, "operator and device of @kernel are given as text")

    def _options(self, decorator: ast.Call) -> None:
        for signature in decorator.args:
            if not self._is_signature(signature):
                self._note(
                    decorator, "no signature is needed, and none as text is graded: Numba takes the types of each call"
                )
        permitted = vocabulary.OPTIONS[self._device]
        for keyword in decorator.keywords:
            if keyword.arg == "fastmath":
                self._fastmath(keyword.value)
            elif keyword.arg in permitted:
                value = self._value(keyword.value)
                if not any(_fits(value, one) for one in permitted[keyword.arg]):
                    self._note(decorator, self._why(keyword))
            else:
                self._note(decorator, self._why(keyword))

    def _why(self, keyword: ast.keyword) -> str:
        if keyword.arg in ("nopython", "forceobj", "looplift"):
            return f"{keyword.arg}={told(keyword.value)}: object mode runs Python, not a kernel"
        if keyword.arg is None:
            return "options of a decorator are given by name"
        return f"{keyword.arg}={told(keyword.value)} is not among the options of graded cells"

    def _fastmath(self, node: ast.expr) -> None:
        flags = node.elts if isinstance(node, (ast.Set, ast.Tuple, ast.List)) else None
        if flags is None:
            if not _fits(self._value(node), bool):
                self._note(node, "fastmath is True, False or a set of flags")
        elif not all(isinstance(flag, ast.Constant) and flag.value in vocabulary.FASTMATH for flag in flags):
            self._note(node, f"the flags of fastmath are {', '.join(sorted(vocabulary.FASTMATH))}")

    def _is_signature(self, node: ast.expr) -> bool:
        """Whether it is made of Numba's types: `float32(float32[:, ::1], int64)`."""
        if isinstance(node, (ast.Tuple, ast.List)):
            return all(map(self._is_signature, node.elts))
        if isinstance(node, ast.Call):
            return not node.keywords and all(map(self._is_signature, (node.func, *node.args)))
        if isinstance(node, ast.Subscript):
            axes = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return self._is_signature(node.value) and all(map(_is_axis, axes))
        return self._module.path(node) in vocabulary.TYPES_OF_NUMBA


def _is_axis(node: ast.expr) -> bool:
    """`:` or `::1`"""
    if not isinstance(node, ast.Slice) or node.lower is not None or node.upper is not None:
        return False
    return node.step is None or (isinstance(node.step, ast.Constant) and node.step.value == 1)


def _fits(value: Any, permitted: Any) -> bool:
    if not isinstance(permitted, type):
        return type(value) is type(permitted) and value == permitted
    if permitted is tuple:
        return isinstance(value, tuple) and all(type(part) is int for part in value)
    return type(value) is permitted
