"""Finding a learner's kernel in a notebook, by what it defines, and cutting out what it needs. Nothing is executed.

Only this cut has a part in the grading: the kernel's function and the imports, helpers and tables that it uses,
directly or not. What else stands in the notebook (plots, prints, experiments, attacks) has none. If a cell was split,
what is missing is looked for in the cells around it. What a kernel may be made of, kernels/language says.
"""

import ast
import builtins
import re
import warnings
from collections import defaultdict
from dataclasses import dataclass

from autograder.reading.notebook import Cell, Reading
from autograder.tasks import Plan, Task
from llaisys_mini.checks.syntax import last_name

_HEADING = re.compile(
    r"^@(?:\w+\.)*(?:kernel|answer)\(\s*[\"'](\w+)[\"'](?:\s*,\s*(?:device\s*=\s*)?[\"'](\w+)[\"'])?", re.M
)
MAX_CANDIDATES = 4
_NEAREST = 200  # cells around a damaged one that are looked at
_LONGEST = 200_000  # characters of a cell


@dataclass(frozen=True)
class Cut:
    """What is run for a task. source: a module; problem: why it cannot be run, or None; blank: nothing was written."""

    source: str
    problem: str | None = None
    blank: bool = False


def candidates(plan: Plan, task: Task, reading: Reading) -> tuple[list[Cut], list[str]]:
    """Cuts for a task, the likeliest first, and notes about accidents. Several only where cells were damaged."""
    code, notes = reading.code, []
    own = [i for i, cell in enumerate(code) if task.grade_id in (cell.grade_id, cell.id)]
    own = [i for i in own if _defines(code, i, task)] or own
    positions = own
    if len(own) != 1 or not _defines(code, own[0], task):
        others = {t.grade_id for t in plan.tasks} - {task.grade_id}
        free = [
            i
            for i, cell in enumerate(code)
            if _defines(code, i, task) and not {cell.grade_id, cell.id} & others and i not in own
        ]
        if not own and not free:
            return [], ["its cell is gone"]
        notes = ["its cell was copied"] if len(own) > 1 else ["it was found by its name: its cell had lost its mark"]
        same = [t for t in plan.tasks if (t.name, t.device) == (task.name, task.device)]
        if not own and len(free) == len(same):  # several versions of one kernel: the order tells them apart
            free = [free[same.index(task)]]
        positions = [*reversed(own), *reversed(free)]
    cuts = [cut(code, i, task) for i in positions[:MAX_CANDIDATES]]
    written = [c for c in cuts if not c.blank]
    return (written or cuts[:1]), notes if written else []


def _defines(code: list[Cell], position: int, task: Task) -> bool:
    for match in _HEADING.finditer(code[position].source):
        device = match[2] or ("python" if "answer(" in match[0] else "cpu")
        if (match[1], device) == (task.name, task.device):
            return True
    return False


def cut(code: list[Cell], position: int, task: Task) -> Cut:
    """The part of a notebook that the task's function at code cell `position` needs."""
    source = code[position].source
    if len(source) > _LONGEST:
        return Cut("", f"the cell has {len(source):,} characters; at most {_LONGEST:,} are graded")
    if _plain(source) == _plain(task.stub):
        return Cut(source, blank=True)
    text = without_magics(source)
    tree = _parse(text)
    if tree is not None and position + 1 < len(code) and _begins_inside(code[position + 1].source):
        joined = text + "\n" + without_magics(code[position + 1].source)
        if (whole := _parse(joined)) is not None:  # split within the function, where both halves are Python
            text, tree = joined, whole
    if tree is None or _function(tree, task) is None:
        for other in range(position + 1, min(position + 3, len(code))):  # the cell may have been split in the middle
            text += "\n" + without_magics(code[other].source)
            tree = _parse(text)
            if tree is not None and _function(tree, task) is not None:
                break
        else:
            text = without_magics(source)
            tree = _parse(text)
    if tree is None:
        return Cut(text, _syntax_problem(text))
    function = _function(tree, task)
    if function is None:
        return Cut(text, f"the cell defines no function under @kernel or @answer for {task.name}")
    kept, missing = _needed(tree.body, {function}, _names(function))
    outside: list[str] = []
    order = [*range(position - 1, -1, -1), *range(position + 1, len(code))]
    for other in order[:_NEAREST] if missing else ():
        if not missing:
            break
        other_text = without_magics(code[other].source)
        other_tree = _parse(other_text)
        if other_tree is None or any(_is_task(s) for s in other_tree.body if missing & _bound(s)):
            continue
        found, left = _needed(other_tree.body, set(), missing)
        if found:
            outside.insert(0, _keep_lines(other_text, other_tree.body, found).strip("\n"))
            missing = left
    return Cut("\n".join([*outside, _keep_lines(text, tree.body, kept)]) + "\n")


def without_magics(source: str) -> str:
    """The source with the parser's ends of lines; where it is not Python, without lines for IPython alone (%, !, ?)."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    if _parse(text) is not None:
        return text
    return "\n".join(
        "" if re.match(r"\s*[%!]|.*\?\s*$", line) and "#" not in line else line for line in text.split("\n")
    )


def _begins_inside(source: str) -> bool:
    """Whether the first line of code is indented: then it continues what stood before."""
    first = next((line for line in source.split("\n") if line.strip() and not line.lstrip().startswith("#")), "")
    return first[:1] in (" ", "\t")


def _parse(text):
    if len(text) > _LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _syntax_problem(text):
    try:
        ast.parse(text)
    except SyntaxError as problem:
        return f"line {problem.lineno} of the cell is not Python: {problem.msg}"
    except (ValueError, RecursionError, MemoryError):
        pass
    return "the cell is not Python"


def _plain(source):
    return re.sub(r"\s+", " ", source).strip()


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _function(tree, task):
    """The last statement that defines the task's function: under its decorator, else under its name."""
    by_decorator = by_name = None
    for statement in tree.body:
        if isinstance(statement, _DEFINITIONS):
            for name, device in _headings(statement):
                if (name, device) == (task.name, task.device):
                    by_decorator = statement
            if statement.name == task.name:
                by_name = statement
    return by_decorator or (by_name if by_name is not None and _is_task(by_name) else None)


def _headings(statement):
    for decorator in getattr(statement, "decorator_list", ()):
        if isinstance(decorator, ast.Call):
            kind = last_name(decorator.func)
            given = [*decorator.args, *(k.value for k in decorator.keywords if k.arg in ("operator", "name", "device"))]
            words = [w.value for w in given if isinstance(w, ast.Constant) and isinstance(w.value, str)]
            if kind in ("kernel", "answer") and words:
                default = "python" if kind == "answer" else "cpu"
                yield words[0], (words[1] if len(words) > 1 else default)


def _is_task(statement):
    return any(True for _ in _headings(statement))


def _names(statement) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _bound(statement) -> set[str]:
    """Names that a top-level statement binds, or changes in place (`table[0] = 1`)."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name.partition(".")[0]) for alias in node.names}
        elif isinstance(node, _DEFINITIONS):
            names.add(node.name)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            names.add(node.value.id)
    return names


def _needed(body, kept, wanted):
    """The statements that bind what is wanted, and what those want in turn; and the names that nothing binds."""
    binding = defaultdict(list)
    for statement in body:
        if not isinstance(statement, ast.Expr):
            for name in _bound(statement):
                binding[name].append(statement)
    kept, wanted = set(kept), set(wanted)
    pending = list(wanted)
    while pending:
        for statement in binding[pending.pop()]:
            if statement not in kept and not _is_task(statement):
                kept.add(statement)
                new = _names(statement) - wanted
                wanted |= new
                pending += new
    bound = {name for statement in kept for name in _bound(statement)} | set(dir(builtins))
    inside = {a.arg for s in kept for n in ast.walk(s) if isinstance(n, ast.arguments) for a in _arguments(n)}
    stored = {n.id for s in kept for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return kept, {name for name in wanted if name not in bound | inside | stored}


def _arguments(node):
    return [*node.posonlyargs, *node.args, *node.kwonlyargs, *filter(None, (node.vararg, node.kwarg))]


def _keep_lines(text, body, kept):
    """The text with every line blanked that belongs to no kept statement: line numbers stay."""
    lines = text.split("\n")
    wanted = set()
    for statement in body:
        if statement in kept:
            first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
            wanted |= set(range(first - 1, statement.end_lineno))
    return "\n".join(line if number in wanted else "" for number, line in enumerate(lines)).rstrip()
