"""Reading a cell: from the function under @kernel to all that it uses, each part looked at by its own rules."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from llaisys_mini.kernels.language import vocabulary
from llaisys_mini.kernels.language.bodies import Body
from llaisys_mini.kernels.language.constants import Evaluator
from llaisys_mini.kernels.language.findings import Finding, NotPermitted
from llaisys_mini.kernels.language.heads import Heads
from llaisys_mini.kernels.language.module import Meaning, Module
from llaisys_mini.kernels.language.vocabulary import HOST, KERNEL


@dataclass(frozen=True)
class Needed:
    """What a kernel is made of: statements of the cell in their order, and the imported names that they use."""

    statements: list[ast.stmt]
    imports: dict[ast.stmt, list[tuple[str, str]]]  # import statement -> (dotted path, name)


class Reader:
    """Finds what a kernel needs, and notes in `findings` what of it is not permitted."""

    def __init__(self, tree: ast.Module, operator: str, device: str):
        self.findings: set[Finding] = set()
        self._module = Module(tree)
        self._operator, self._device = operator, device
        self._entry = self._module.kernel(operator, device)
        self._pending: list[tuple[str, ast.AST]] = []
        self._seen: set[str] = set()
        self._launched = {
            statement.name
            for statement in tree.body
            if isinstance(statement, ast.FunctionDef) and device == "cuda" and self._is_compiled(statement)
        }
        self._functions: list[ast.FunctionDef] = []
        self._constants: set[ast.stmt] = set()
        self._imports: dict[ast.stmt, list[tuple[str, str]]] = {}
        self._calls: dict[str, set[str]] = {}  # function -> names that it uses
        self._launching: set[str] = set()

    def _note(self, node: ast.AST, reason: str) -> None:
        self.findings.add(Finding(getattr(node, "lineno", 1), reason))

    def read(self) -> Needed:
        """What the kernel needs. What is not permitted is in `findings` then."""
        self._look_at_entry()
        self._need([(self._entry.name, self._entry)])
        while self._pending:
            name, node = self._pending.pop()
            if name not in self._seen:
                self._seen.add(name)
                self._resolve(name, node)
        ordered = [s for s in self._module.body if s in self._constants or s in self._functions or s in self._imports]
        self._evaluate(ordered)
        if self._device == "cuda":
            self._look_for_launch()
        return Needed(ordered, self._imports)

    def _need(self, names: Iterable[tuple[str, ast.AST]]) -> None:
        self._pending += [(name, node) for name, node in names if name not in self._seen]

    def _is_compiled(self, function: ast.FunctionDef) -> bool:
        return any(self._module.path(_called(d)) in vocabulary.JITS for d in function.decorator_list)

    def _look_at_entry(self) -> None:
        entry, decorators = self._entry, [self._module.path(_called(d)) for d in self._entry.decorator_list]
        at = decorators.index(vocabulary.KERNEL_DECORATOR)
        if self._device == "cpu" and not (at == 0 and set(decorators[1:]) & vocabulary.JITS):
            self._note(entry, "the kernel is not compiled: it runs as Python and NumPy. Put @njit below @kernel")
        if self._device == "cuda" and set(decorators) & vocabulary.JITS:
            self._note(entry, "the function under @kernel launches a kernel under @cuda.jit; it is none itself")

    # ---- names of the top level --------------------------------------------------------------------------------------

    def _resolve(self, name: str, node: ast.AST) -> None:
        meaning = self._module.names.get(name)
        if meaning is None:  # `from math import *`
            path = self._module.path(ast.Name(name, ast.Load()))
            for module, statement in self._module.stars:
                if path is not None and module == "math":
                    self._imports.setdefault(statement, []).append((path, name))
                    break
            return
        kinds = [kind for kind in (meaning.imports, meaning.constants, meaning.functions) if kind]
        if meaning.others or len(kinds) != 1 or len({path for path, _ in meaning.imports}) > 1:
            binds = [*meaning.others, *meaning.constants, *meaning.functions, *(s for _, s in meaning.imports)]
            where = max(meaning.others or binds, key=lambda statement: statement.lineno)
            what = "is bound twice" if not meaning.others else "is made in a way that is not graded"
            self._note(where, f"{name} {what}: a graded cell holds imports, constants and functions")
        elif meaning.functions:
            self._function(name, meaning.functions[-1])
        elif meaning.imports:
            self._import(name, meaning)
        else:
            self._constant(name, meaning)

    def _import(self, name: str, meaning: Meaning) -> None:
        path, statement = meaning.imports[-1]
        if path.startswith("."):
            self._note(statement, "it imports from the file of another kernel: a graded cell stands alone")
        taken = self._imports.setdefault(statement, [])
        if (path, name) not in taken:
            taken.append((path, name))

    def _constant(self, name: str, meaning: Meaning) -> None:
        for statement in self._module.methods.get(name, ()):
            self._note(statement, f"{name} is changed in a way that is not graded")
        for statement in meaning.constants:
            if statement in self._constants:
                continue
            self._constants.add(statement)
            if (value := statement.value) is not None:  # type: ignore[attr-defined]
                self._need(_loaded([value]))
            self._need((other, statement) for other in _stored(statement))

    def _function(self, name: str, function: ast.FunctionDef) -> None:
        if name == self._entry.name and function is not self._entry:
            self._note(function, f"{name} is defined again below the kernel")
        self._functions.append(function)
        self._need(_loaded([*function.decorator_list, *function.args.defaults]))
        self._need(_loaded(filter(None, function.args.kw_defaults)))
        role = KERNEL if self._device == "cpu" or self._is_compiled(function) else HOST
        body = Body(self._module, self._device, role, self._launched, self._note)
        body.look(function)
        self._need(body.needed.items())
        self._calls[name] = set(body.needed)
        if body.launches:
            self._launching.add(name)

    # ---- once everything is known ------------------------------------------------------------------------------------

    def _evaluate(self, ordered: list[ast.stmt]) -> None:
        evaluator = Evaluator(self._module.path)
        heads = Heads(self._module, self._device, evaluator, self._note)
        for statement in ordered:
            try:
                if statement in self._constants and not self._is_alias(statement):
                    _assign(statement, evaluator)
                elif isinstance(statement, ast.FunctionDef):
                    heads.look(statement)
            except NotPermitted as problem:
                self.findings.add(problem.finding)

    def _is_alias(self, statement: ast.stmt) -> bool:
        """`exp = math.exp`: what it stands for was judged where it is used."""
        if not self._module.is_alias(statement):
            return False
        path = self._module.path(statement.value)  # type: ignore[attr-defined]
        return path in vocabulary.MODULES or any(path in paths for paths in vocabulary.PATHS.values())

    def _look_for_launch(self) -> None:
        """The launcher, or a function of the cell that it calls, has to launch something."""
        if any(isinstance(n, ast.Name) and n.id == "NotImplementedError" for n in ast.walk(self._entry)):
            return  # it is not written yet
        seen, pending = set(), [self._entry.name]
        while pending:
            name = pending.pop()
            if name in self._launching:
                return
            seen.add(name)
            pending += [called for called in self._calls.get(name, ()) if called in self._calls.keys() - seen]
        self._note(self._entry, "no kernel under @cuda.jit is launched: kernel[blocks, threads](...)")


def _called(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _loaded(nodes: Iterable[ast.AST]) -> list[tuple[str, ast.AST]]:
    """Names that expressions of the top level use."""
    found = (child for node in nodes for child in ast.walk(node))
    return [(node.id, node) for node in found if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]


def _stored(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]  # type: ignore[attr-defined]
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _assign(statement: ast.stmt, evaluator: Evaluator) -> None:
    """Evaluate an assignment of constants."""
    if isinstance(statement, ast.AugAssign):
        assert isinstance(statement.target, ast.Name)
        left = ast.copy_location(ast.Name(statement.target.id, ast.Load()), statement)
        value = evaluator.value(ast.copy_location(ast.BinOp(left, statement.op, statement.value), statement))
        evaluator.values[statement.target.id] = value
        return
    if statement.value is None:  # type: ignore[attr-defined]  # `TILE: int`
        return
    value = evaluator.value(statement.value)  # type: ignore[attr-defined]
    for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:  # type: ignore[attr-defined]
        if isinstance(target, ast.Name):
            evaluator.values[target.id] = value
            continue
        assert isinstance(target, (ast.Tuple, ast.List))
        if not isinstance(value, (tuple, list)) or len(value) != len(target.elts):
            raise NotPermitted("several names are given as many values, side by side", statement)
        for part, item in zip(target.elts, value, strict=True):
            assert isinstance(part, ast.Name)
            evaluator.values[part.id] = item
