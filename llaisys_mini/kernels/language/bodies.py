"""What may stand in the body of a function: statements and expressions by their kinds, names by what they stand for.

A compiled function (KERNEL) computes. A launcher of CUDA kernels (HOST) is run by Python: it may choose sizes and
launch. The arrays it is given are opaque when the judge runs it (devices.opaque): none of its words can see a number.
"""

import ast
import builtins
from collections.abc import Callable

from llaisys_mini.kernels.language import vocabulary
from llaisys_mini.kernels.language.findings import told
from llaisys_mini.kernels.language.module import Module
from llaisys_mini.kernels.language.scopes import Scope, parts
from llaisys_mini.kernels.language.vocabulary import HOST, KERNEL

_STATEMENTS: dict[str, tuple[type, ...]] = {
    HOST: (
        *(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.For, ast.While, ast.Break, ast.Continue, ast.Pass),
        *(ast.Return, ast.Raise, ast.Assert, ast.Expr),
    )
}
_STATEMENTS[KERNEL] = (*_STATEMENTS[HOST], ast.FunctionDef)
_EXPRESSIONS: dict[str, tuple[type, ...]] = {
    HOST: (
        *(ast.Name, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
        *(ast.Subscript, ast.Slice, ast.Attribute, ast.Call, ast.Starred, ast.JoinedStr, ast.FormattedValue),
        *(ast.ListComp, ast.GeneratorExp),
    )
}
_EXPRESSIONS[KERNEL] = (*_EXPRESSIONS[HOST], ast.Lambda)
_PLACE = {KERNEL: "a kernel", HOST: "a launcher"}

Note = Callable[[ast.AST, str], None]


class Body:
    """Looks at one function. needed: the names of the cell's top level that it uses, by the first node that does."""

    def __init__(self, module: Module, device: str, role: str, launched: set[str], note: Note):
        """launched: names of the CUDA kernels of the cell."""
        self._module, self._device, self._role, self._launched = module, device, role, launched
        self._note = note
        self.needed: dict[str, ast.AST] = {}
        self.launches = False

    def look(self, function: ast.FunctionDef) -> None:
        scope = Scope.of(function)
        pending: list[tuple[ast.AST, Scope]] = [(statement, scope) for statement in reversed(function.body)]
        while pending:
            node, scope = pending.pop()
            if self._is_known(node):
                pending += self._look_at(node, scope)

    def _is_known(self, node: ast.AST) -> bool:
        if isinstance(node, ast.stmt):
            good = isinstance(node, _STATEMENTS[self._role])
        elif isinstance(node, ast.expr):
            good = isinstance(node, _EXPRESSIONS[self._role])
        else:
            good = True
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._note(node, "imports stand at the top of the cell")
        elif not good:
            names = (child.id for child in ast.walk(node) if isinstance(child, ast.Name))
            known = next((name for name in names if name in vocabulary.WHY_NOT), None)
            reason = f": {vocabulary.WHY_NOT[known].format(known)}" if known else ""
            self._note(node, f"`{told(node)}` does not belong in {_PLACE[self._role]}{reason}")
        return good

    def _look_at(self, node: ast.AST, scope: Scope):
        """Judge one node; what of its parts is still to be looked at."""
        if isinstance(node, ast.Name):
            self._name(node, scope, is_called=False)
            return []
        if isinstance(node, ast.Attribute):
            return self._attribute(node, scope)
        if isinstance(node, ast.Call):
            return self._call(node, scope)
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.MatMult):
            self._note(node, "the @ operator calls BLAS, a finished library: write the loops")
        elif isinstance(node, ast.Constant) and isinstance(node.value, bytes):
            self._note(node, f"`{told(node)}` does not belong in {_PLACE[self._role]}")
        elif isinstance(node, ast.FunctionDef) and (node.decorator_list or node.args.kwarg or _type_parameters(node)):
            self._note(node, "a function within a kernel has plain arguments and no decorator")
        elif isinstance(node, ast.comprehension) and node.is_async:
            self._note(node, "an asynchronous loop does not belong in a kernel")
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):  # `launch = kernel[blocks, threads]`
            self.launches |= node.value.id in self._launched and node.value.id not in scope
        return parts(node, scope)

    # ---- names -------------------------------------------------------------------------------------------------------

    def _name(self, node: ast.Name, scope: Scope, is_called: bool) -> None:
        name = node.id
        if name in scope:
            return
        meaning = self._module.names.get(name)
        path = self._module.path(node)
        if path is not None:
            self.needed.setdefault(name, node)
            if path in vocabulary.MODULES and not self._is_permitted(path):
                self._note(node, f"`{name}` alone: name what you use of it")
            elif not self._is_permitted(path):
                self._refuse(node, name, path)
        elif meaning is not None:
            self.needed.setdefault(name, node)
        elif name in vocabulary.BUILTINS[self._role]:
            if not is_called and name not in vocabulary.BUILTIN_TYPES | vocabulary.EXCEPTIONS:
                self._note(node, f"`{name}` is used without being called")
        elif hasattr(builtins, name):
            self._refuse(node, name, name)
        elif self._module.stars:
            self._note(self._module.stars[0][1], f"import {name} by name: `import *` hides where names come from")
        else:
            self._note(node, f"{name} is not defined in this cell")

    def _attribute(self, node: ast.Attribute, scope: Scope):
        if not isinstance(node.ctx, ast.Load):
            self._note(node, "it replaces something in another object")
        path = self._path_in(node, scope)
        if path is None:
            if node.attr not in vocabulary.ATTRIBUTES[self._role]:
                self._refuse(node, f".{node.attr}", node.attr)
            return [(node.value, scope)]
        self.needed.setdefault(_root(node).id, node)  # type: ignore[attr-defined]  # it has a path, so it is a name
        if not self._is_permitted(path):
            self._refuse(node, told(node), path)
        return []

    def _call(self, node: ast.Call, scope: Scope):
        if any(keyword.arg is None for keyword in node.keywords):
            self._note(node, "`**` does not belong in a kernel: name the arguments")
        arguments = [(argument, scope) for argument in (*node.args, *(keyword.value for keyword in node.keywords))]
        if isinstance(node.func, ast.Name):
            self._name(node.func, scope, is_called=True)
        elif isinstance(node.func, ast.Attribute):
            arguments += self._attribute(node.func, scope)
        elif self._role == HOST and isinstance(node.func, ast.Subscript) and self._is_launched(node.func.value, scope):
            self.launches = True
            arguments.append((node.func, scope))
        else:
            self._note(node, f"`{told(node.func)}` is called: call a function by its name")
        if self._path_in(node.func, scope) == vocabulary.TO_DEVICE and self._role == HOST:
            arguments = [part for argument, _ in arguments for part in self._new_array(argument, scope)]
        return arguments

    def _new_array(self, node: ast.AST, scope: Scope):
        """`cuda.to_device(np.zeros(...))`: an array of the host that nothing can read after it was copied."""
        path = self._path_in(node.func, scope) if isinstance(node, ast.Call) else None
        if path not in vocabulary.NEW_ON_HOST:
            return [(node, scope)]
        assert isinstance(node, ast.Call)
        self.needed.setdefault(_root(node.func).id, node)  # type: ignore[attr-defined]
        return [(argument, scope) for argument in (*node.args, *(keyword.value for keyword in node.keywords))]

    def _path_in(self, node: ast.AST, scope: Scope) -> str | None:
        root = _root(node)
        return self._module.path(node) if isinstance(root, ast.Name) and root.id not in scope else None

    def _is_launched(self, node: ast.AST, scope: Scope) -> bool:
        """Whether it is a CUDA kernel of the cell, or an argument, which may be one."""
        return isinstance(node, ast.Name) and (node.id in self._launched or node.id in scope)

    def _is_permitted(self, path: str) -> bool:
        is_reported = path.startswith(".")  # with the import
        return is_reported or path in vocabulary.PATHS[self._device, self._role]

    def _refuse(self, node: ast.AST, name: str, path: str) -> None:
        self._note(node, why_not(name, path, self._device, self._role))


def why_not(name: str, path: str, device: str, role: str) -> str:
    """Why a name may not be used."""
    for part in path.split("."):
        if part in vocabulary.WHY_NOT:
            return f"{name}: {vocabulary.WHY_NOT[part].format(part)}"
    if path.startswith("numba.cuda"):
        return f"{name}: write `from llaisys_mini import cuda`, which has the same functions and needs no GPU"
    if device == "cuda" and path in vocabulary.PATHS["cpu", KERNEL] | vocabulary.PATHS["cpu", vocabulary.HEAD]:
        if path.startswith("numpy.") and role == HOST:
            return f"{name} is NumPy on the host: the kernel has to compute"
        return f"{name} is for kernels of the CPU; here every number comes from a CUDA kernel"
    where = "" if name == path or name.startswith(".") else f" ({path})"
    return f"`{name}`{where} is not among what a graded cell may use in {_PLACE.get(role, 'its head')}"


def _root(node: ast.AST) -> ast.AST:
    """What the attributes are of: `cuda` in cuda.threadIdx.x."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _type_parameters(node: ast.FunctionDef) -> bool:
    return bool(getattr(node, "type_params", None))
