"""What the names at the top level of a cell stand for: an import, a constant, a function, or something else.

Nothing is decided here about what is permitted, and what the kernel does not use is not looked at.
"""

import ast
import math
from dataclasses import dataclass, field

from llaisys_mini.kernels.language.findings import NotPermitted
from llaisys_mini.kernels.language.vocabulary import KERNEL_DECORATOR, STANDS_FOR

Function = ast.FunctionDef
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)


@dataclass
class Meaning:
    """Everything at the top level that binds one name: statements, in their order."""

    imports: list[tuple[str, ast.stmt]] = field(default_factory=list)  # dotted path, statement
    constants: list[ast.stmt] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    others: list[ast.stmt] = field(default_factory=list)  # a loop, a class, `TABLE[0] = 1`, ...


class Module:
    """The top level of a cell: `names` says what each name stands for."""

    def __init__(self, tree: ast.Module):
        self.body = tree.body
        self.names: dict[str, Meaning] = {}
        self.methods: dict[str, list[ast.stmt]] = {}  # `TABLE.sort()`, which matters where it is a constant
        self.stars: list[tuple[str, ast.stmt]] = []
        for statement in tree.body:
            self._note(statement)

    def _of(self, name: str) -> Meaning:
        return self.names.setdefault(name, Meaning())

    def _note(self, statement: ast.stmt) -> None:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                if alias.name == "*":
                    self.stars.append((_imported_module(statement), statement))
                else:
                    name, path = bound_by_import(statement, alias)
                    self._of(name).imports.append((path, statement))
        elif isinstance(statement, Function):
            self._of(statement.name).functions.append(statement)
        elif isinstance(statement, _ASSIGNMENTS) and (names := _plain_targets(statement)) is not None:
            for name in names:
                self._of(name).constants.append(statement)
        else:
            for name in _changed(statement):
                self._of(name).others.append(statement)
            called = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute):
                for name in _root(called.func):
                    self.methods.setdefault(name, []).append(statement)

    # ---- what a name stands for --------------------------------------------------------------------------------------

    def path(self, node: ast.AST) -> str | None:
        """The dotted path of an imported name, or of an attribute of one; None for everything else.

        `np.exp` is "numpy.exp", and so is `exp` after `from numpy import exp` or `exp = np.exp`.
        """
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        owner = self._path_of_name(node.id)
        return ".".join([owner, *reversed(attributes)]) if owner else None

    def _path_of_name(self, name: str) -> str | None:
        meaning = self.names.get(name)
        if meaning is None:
            return next((f"math.{name}" for module, _ in self.stars if module == "math" and _is_of_math(name)), None)
        if meaning.functions or meaning.others:
            return None
        if len({path for path, _ in meaning.imports}) == 1 and not meaning.constants:
            return meaning.imports[0][0]
        if len(meaning.constants) == 1 and not meaning.imports:
            return self._path_of_alias(meaning.constants[0])
        return None

    def _path_of_alias(self, statement: ast.stmt) -> str | None:
        """`exp = math.exp`: another name for what was imported."""
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            return None
        value = statement.value
        while isinstance(value, ast.Attribute):
            value = value.value
        if not isinstance(value, ast.Name):
            return None
        meaning = self.names.get(value.id)
        is_import = meaning is not None and meaning.imports and not meaning.constants
        return self.path(statement.value) if is_import else None

    def is_alias(self, statement: ast.stmt) -> bool:
        return self._path_of_alias(statement) is not None

    def kernel(self, operator: str, device: str) -> Function:
        """The function under @kernel(operator, device), the last one if there are several. Raises NotPermitted."""
        found = None
        for statement in self.body:
            if isinstance(statement, Function):
                for decorator in statement.decorator_list:
                    if self.heading(decorator) == (operator, device):
                        found = statement
        if found is None:
            last = max((s.lineno for s in self.body if isinstance(s, Function)), default=1)
            raise NotPermitted(f"no function stands under @kernel({operator!r}, device={device!r})", last)
        return found

    def heading(self, decorator: ast.expr) -> tuple[object, object] | None:
        """Operator and device of `@kernel(...)`; None for another decorator."""
        if not isinstance(decorator, ast.Call) or self.path(decorator.func) != KERNEL_DECORATOR:
            return None
        given: dict[str | None, object] = {"device": "cpu"}
        for name, value in [
            *zip(("operator", "device"), decorator.args, strict=False),
            *((keyword.arg, keyword.value) for keyword in decorator.keywords),
        ]:
            given[name] = value.value if isinstance(value, ast.Constant) else None
        return given.get("operator"), given["device"]


def bound_by_import(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> tuple[str, str]:
    """The name that an import binds, and the dotted path that it stands for."""
    if isinstance(statement, ast.Import):
        name = alias.asname or alias.name.partition(".")[0]
        path = alias.name if alias.asname else name
    else:
        name, path = alias.asname or alias.name, f"{_imported_module(statement)}.{alias.name}"
    return name, STANDS_FOR.get(path, path)


def _imported_module(statement: ast.ImportFrom | ast.Import) -> str:
    if isinstance(statement, ast.Import):
        return ""
    module = "." * statement.level + (statement.module or "")
    return STANDS_FOR.get(module, module)


def _is_of_math(name: str) -> bool:
    return not name.startswith("_") and hasattr(math, name)


def _plain_targets(statement: ast.stmt) -> list[str] | None:
    """Names that an assignment binds, where it binds names and nothing else."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]  # type: ignore[attr-defined]
    names = []
    for target in targets:
        for part in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
            if not isinstance(part, ast.Name):
                return None
            names.append(part.id)
    return names


def _changed(statement: ast.stmt) -> set[str]:
    """Names that a statement of another kind binds, or whose value it may change."""
    names = {getattr(statement, "name", "")} - {""}
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            names.add(node.id)
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            names |= _root(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {bound_by_import(node, alias)[0] for alias in node.names}
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            names |= set(node.names)
    return names


def _root(node: ast.AST) -> set[str]:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
