"""The public surface of `llaisys_mini`, read off its source and written out for people: `tests/public_surface.txt`.

    python -m tests.public_surface        # accept the present surface: writes the file

Public is what a learner's cell, a lecture, a lab or another program may rely on: the names of `__all__` of the package,
the names without an underscore that the modules of PUBLIC define, the operators, the exercises, and the command line.
Everything else may change without a word. Nothing is imported but the command line, so the file is the same on every
machine.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
FILE = Path(__file__).with_suffix(".txt")

PUBLIC = (
    "cache.cache cache.contiguous cache.paged cache.paged_pass cache.pool console contract course.doctor cpu.exp_vector"
    " cpu.fast_exp cpu.simd cpu.threads cuda cuda.async_copies cuda.narrow cuda.reductions cuda.tensor_cores"
    " cuda.vectors devices devices.small_chip"
    " dtypes engine.conversation engine.engine"
    " engine.generate engine.request engine.scheduler engine.speculation"
    " engine.quality errors exercise inspect.compile_check inspect.occupancy inspect.pictures inspect.timing"
    " kernels.choice kernels.sets lectures.datasets lectures.drawings lectures.networks lectures.plots lectures.widgets"
    " capture.emit capture.formulas layers.linear"
    " models.config models.decoder models.loading models.outliers models.projections"
    " models.quantise models.rope narrow paths"
    " quantisation.awq quantisation.gptq quantisation.grid quantisation.kv quantisation.pruning quantisation.smooth"
    " sanitizer tensor"
    " server.stops text.sampling text.tokenizer training training.decoder training.grpo training.loop"
    " training.policy training.recipe training.sums training.text"
    " weights.checkpoint weights.quantisation widen"
).split()
"""Modules of the package whose names are public."""


def surface(earlier: str | None = None) -> str:
    """The whole surface as text: a section for each module, a line for each name.

    earlier: a surface whose operators and exercises are to be there. New ones are left out: they break nobody's code,
    and adding one touches no list.
    """
    sections = [("llaisys_mini", list(of_package("llaisys_mini")))]
    sections += [(f"llaisys_mini.{name}", list(of_module(f"llaisys_mini.{name}"))) for name in PUBLIC]
    for folder, decorator in (("operators", "operator"), ("exercises", "exercise")):
        lines = [line for line in of_folder(folder, decorator) if earlier is None or f"\n    {_name(line)}" in earlier]
        sections.append((f"llaisys_mini.{folder}", lines))
    sections.append(("the command line", list(of_command_line())))
    head = "# Written by `python -m tests.public_surface`; see the head of tests/public_surface.py.\n"
    return head + "".join(f"\n{title}\n" + "".join(f"    {line}\n" for line in lines) for title, lines in sections)


# ---- modules -----------------------------------------------------------------------------------------------------


def path_of(module: str) -> Path:
    base = ROOT.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def parse(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def of_module(module: str) -> Iterator[str]:
    """The lines of a module: of what it defines, or of what its `__all__` names."""
    tree = parse(module)
    if "__all__" in _assigned(tree):
        yield from of_package(module)
        return
    for statement in tree.body:
        yield from described(statement)


def of_package(module: str) -> Iterator[str]:
    """The lines of a module that gathers names from others: each as its home describes it."""
    for name in sorted(ast.literal_eval(_assigned(parse(module))["__all__"])):
        home, there = _home(module, name)
        if home == "":
            yield f"{name} (module)"
            continue
        for statement in parse(home).body:
            if there in _bound(statement):
                yield from described(statement, only=there)


def _home(module: str, name: str) -> tuple[str, str]:
    """Where a name is defined: (module, name there); ("", name) for a module of this package."""
    tree = parse(module)
    if any(name in _bound(statement) for statement in tree.body):
        return module, name
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name and path_of(f"{node.module}.{alias.name}").is_file():
                    return "", name
                if (alias.asname or alias.name) == name:
                    return ("", name) if node.module == module else _home(node.module, alias.name)
    raise AssertionError(f"{module} neither defines nor imports {name}")


def of_folder(folder: str, decorator: str) -> Iterator[str]:
    """The operators or exercises: one in each file, under the decorator of that name."""
    for path in sorted((ROOT / "llaisys_mini" / folder).glob("[a-z]*.py")):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            marks = [ast.unparse(mark) for mark in getattr(statement, "decorator_list", ())]
            if decorator in marks:
                yield next(described(statement))


def _name(line: str) -> str:
    """`linear(` of "linear(x, weight)", `class tensor_views` of itself."""
    return line[: line.index("(") + 1] if "(" in line else line


# ---- statements --------------------------------------------------------------------------------------------------


def described(statement: ast.stmt, only: str | None = None) -> Iterator[str]:
    """What a statement adds to the surface: nothing, a line, or for a class a line for each member too."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if not statement.name.startswith("_"):
            yield f"{statement.name}{_signature(statement)}"
    elif isinstance(statement, ast.ClassDef):
        if not statement.name.startswith("_"):
            yield from _class(statement)
    else:
        for name in _bound(statement):
            if not name.startswith("_") and only in (None, name):
                yield name


def _class(definition: ast.ClassDef) -> Iterator[str]:
    bases = f"({', '.join(map(ast.unparse, definition.bases))})" if definition.bases else ""
    yield f"class {definition.name}{bases}"
    for member in definition.body:
        if isinstance(member, ast.AnnAssign) and not ast.unparse(member.target).startswith("_"):
            default = f" = {ast.unparse(member.value)}" if member.value is not None else ""
            yield f"    {ast.unparse(member.target)}: {ast.unparse(member.annotation)}{default}"
        elif isinstance(member, ast.FunctionDef) and (member.name == "__init__" or not member.name.startswith("_")):
            marks = {ast.unparse(mark) for mark in member.decorator_list}
            if "property" in marks or "cached_property" in marks:
                returns = f": {ast.unparse(member.returns)}" if member.returns else ""
                yield f"    {member.name}{returns} (property)"
            else:
                kind = " (class method)" if "classmethod" in marks else ""
                yield f"    {member.name}{_signature(member, skip_first=True)}{kind}"
                if member.name == "__init__":
                    yield from (f"    {name}" for name in _attributes(member))


def _attributes(init: ast.FunctionDef) -> list[str]:
    """The public attributes that are set on `self`, in order."""
    stored = [node for node in ast.walk(init) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    own = [node.attr for node in stored if ast.unparse(node.value) == "self" and not node.attr.startswith("_")]
    return list(dict.fromkeys(own))


def _signature(function: ast.FunctionDef | ast.AsyncFunctionDef, skip_first: bool = False) -> str:
    # Of Numba's intrinsics the first parameter is the compiler's business, not the caller's.
    is_intrinsic = any("intrinsic" in ast.unparse(mark) for mark in function.decorator_list)
    arguments = function.args
    if skip_first or is_intrinsic:
        first = "posonlyargs" if arguments.posonlyargs else "args"
        arguments = ast.arguments(**{**dict(ast.iter_fields(arguments)), first: getattr(arguments, first)[1:]})
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"({ast.unparse(arguments)}){returns}"


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a top-level statement defines; what it imports belongs to another module."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return []
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _assigned(tree: ast.Module) -> dict[str, ast.expr]:
    assignments = [statement for statement in tree.body if isinstance(statement, ast.Assign)]
    return {name: statement.value for statement in assignments for name in _bound(statement)}


# ---- the command line --------------------------------------------------------------------------------------------


def of_command_line() -> Iterator[str]:
    """A line for each command: arguments in capitals, options by their long names, with their defaults."""
    from llaisys_mini.cli import main

    for name, command in sorted(main.commands.items()):
        words = [_argument(one) if isinstance(one, click.Argument) else _option(one) for one in command.params]
        yield " ".join(["llaisys-mini", name, *words])


def _argument(argument: click.Argument) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _option(option: click.Option) -> str:
    name = "/".join([max(option.opts, key=len), *option.secondary_opts])
    return f"({name})" if option.required else f"[{name}]"


if __name__ == "__main__":
    FILE.write_text(surface(), encoding="utf-8")
    print(f"written: {FILE.relative_to(ROOT)}. Say in CHANGELOG.md what changed for those who use it.")
