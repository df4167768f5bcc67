"""A page per operator and per exercise, made from its contract: nothing about them is written down here."""

import inspect
import re
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from docs.site.pages import ROOT, linked
from llaisys_mini.contract import ArraySpec, Contract
from llaisys_mini.course.labs import find_labs
from llaisys_mini.exercise import Exercise
from llaisys_mini.kernels.registry import DEVICES
from llaisys_mini.kernels.sets import expert_set, plain_set
from llaisys_mini.task import Task

every_lab = cache(find_labs)  # each lab is a notebook to be read
_FORMULA = re.compile(r"\w+(\[[^\]]*\])? += ")  # out[n, m] = ...
_PAPER = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def operator_page(operator: Contract, repository: str) -> str:
    first, rest = prose(operator)
    return "\n\n".join(
        [
            f"# {operator.name}",
            first,
            f"```python\n{_call(operator)}\n```",
            rest,
            "## Arguments and results",
            table(["name", "", "dtype", "shape", "besides"], _arguments(operator)),
            _letters(operator),
            "## Kernels",
            table(["device", "plain", "expert", "your own"], _kernels(operator.name, repository)),
            "*Plain* is what a lab asks for. An *expert* kernel answers the calls that are large enough for it. "
            f"Without any, the NumPy reference answers, which stands in {_file(operator, repository)}.",
            "## Cases",
            "A kernel is checked on these shapes, with values that are drawn anew for grading"
            + (f", and with weights stored as {_listed(operator.storages)}." if len(operator.storages) > 1 else "."),
            table(["case", "arguments"], [[text(c.name), _shapes(c.inputs)] for c in _cases(operator)]),
            _mistakes(operator),
        ]
    )


def exercise_page(exercise: Exercise, repository: str) -> str:
    first, rest = prose(exercise)
    labs = _labs("python", exercise.name)
    return "\n\n".join(
        [
            f"# {exercise.name}",
            first,
            f"```python\n{exercise.name}({', '.join(exercise.arguments)})\n```",
            rest,
            f"Asked for in {labs}. The contract stands in {_file(exercise, repository)}."
            if labs
            else f"The contract stands in {_file(exercise, repository)}.",
            "## Cases",
            "\n".join(f"- {text(name)}" for name, _ in exercise.drawn_cases(0)),
            _mistakes(exercise),
        ]
    )


def index_page(heading: str, introduction: str, tasks: Sequence[Task]) -> str:
    points = "\n".join(_point(task) for task in tasks)
    names = "\n".join(task.name for task in tasks)
    toctree = f"```{{toctree}}\n:hidden:\n\n{names}\n```"
    return "\n\n".join([f"# {heading}", introduction, points, toctree])


def _point(task: Task) -> str:
    labs = _all_labs(task.name)
    return f"- [{task.name}]({task.name}.md): {' '.join(prose(task)[0].split())}" + (f" In {labs}." if labs else "")


# ---- words -------------------------------------------------------------------------------------------------------


def prose(task: Task) -> tuple[str, str]:
    """The docstring of a task as Markdown: its first paragraph and the rest.

    What is indented is set as it stands, and so is a formula that begins a paragraph: in a docstring that has nothing
    else behind its first line, ruff takes the indentation away.
    """
    parts: list[tuple[str, list[str]]] = []
    kind, line_before = "text", ""
    for line in inspect.cleandoc(task.__doc__ or "").splitlines():
        if line.startswith("    "):
            kind = "indented"
        elif _FORMULA.match(line) and (kind == "formula" or not line_before):
            kind = "formula"
        elif line:
            kind = "text"
        if not parts or parts[-1][0] != kind:
            parts.append((kind, []))
        parts[-1][1].append(line)
        line_before = line
    made = []
    for kind, lines in parts:
        block = "\n".join(lines).strip("\n")
        made.append(text(block) if kind == "text" else f"```text\n{textwrap.dedent(block)}\n```")
    first, _, rest = "\n\n".join(made).partition("\n\n")
    return first, rest


def text(words: str) -> str:
    """Plain words as Markdown: code spans and **bold** stay, other signs stand for themselves. Papers become links."""
    pieces = re.split(r"(`[^`]+`|\*\*[^*]+\*\*)", words)
    for i in range(0, len(pieces), 2):
        pieces[i] = re.sub(r"([\\*_\[\]<>$#~|{}^])", r"\\\1", pieces[i])
    return _PAPER.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", "".join(pieces))


def table(head: list[str], rows: list[list[str]]) -> str:
    """Without the columns that are empty in every row."""
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = [[line[i] for i in kept] for line in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)


def _listed(names) -> str:
    names = [f"`{name}`" for name in names]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# ---- parts of a page ---------------------------------------------------------------------------------------------


def _call(operator: Contract) -> str:
    arguments = ", ".join(
        f"{name}={operator.defaults[name]!r}" if name in operator.defaults else name for name in operator.inputs
    )
    results = ", ".join(operator.outputs)
    return (
        f"{results} = operators.{operator.name}({arguments})" if results else f"operators.{operator.name}({arguments})"
    )


def _arguments(operator: Contract) -> list[list[str]]:
    rows = [_argument(name, "in", spec, operator) for name, spec in operator.inputs.items()]
    return rows + [_argument(name, "out", spec, operator) for name, spec in operator.outputs.items()]


def _argument(name: str, way: str, spec: Any, operator: Contract) -> list[str]:
    notes = [f"default `{operator.defaults[name]!r}`"] if name in operator.defaults else []
    if not isinstance(spec, ArraySpec):
        return [f"`{name}`", way, f"`{getattr(spec, '__name__', spec)}`", "a number", ", ".join(notes)]
    notes += ["may be `None`"] * spec.optional + ["written into"] * spec.written
    dtypes = " or ".join(f"`{dtype.name}`" for dtype in spec.allowed)
    return [f"`{name}`", way, dtypes, f"`[{', '.join(spec.dims)}]`", ", ".join(notes)]


def _letters(operator: Contract) -> str:
    dots = any(spec.any_leading for spec in (*operator.arrays.values(), *operator.outputs.values()))
    more = "; `...` stands for any number of dimensions in front" if dots else ""
    return f"The [glossary](../docs/glossary.md) says what the letters of shapes stand for{more}."


def _kernels(name: str, repository: str) -> list[list[str]]:
    rows = []
    for device in DEVICES:
        plain, expert = plain_set().path(name, device), expert_set().path(name, device)
        found = [_kernel(plain, repository), _kernel(expert, repository) if expert != plain else ""]
        rows.append([device, *(cell or "–" for cell in (*found, _labs(device, name)))])
    return rows


def _kernel(path: Path, repository: str) -> str:
    return linked("yes", path.relative_to(ROOT).as_posix(), repository) if path.is_file() else ""


def _file(task: Task, repository: str) -> str:
    path = f"{task.__module__.replace('.', '/')}.py"
    return linked(f"`{path}`", path, repository)


def _labs(device: str, name: str) -> str:
    """The labs that ask for this, as links."""
    return ", ".join(
        f"[lab {lab.title}](../{lab.path.relative_to(ROOT).as_posix()})"
        for lab in every_lab()
        if (device, name) in lab.tasks
    )


def _all_labs(name: str) -> str:
    links = [found for device in (*DEVICES, "python") if (found := _labs(device, name))]
    return ", ".join(dict.fromkeys(", ".join(links).split(", "))) if links else ""


def _cases(operator: Contract) -> list:
    return operator.make_cases(storages=operator.storages[:1])


def _shapes(inputs: dict[str, Any]) -> str:
    return ", ".join(f"`{name} {_shape(value)}`" for name, value in inputs.items())


def _shape(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"[{', '.join(map(str, value.shape))}]"
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def _mistakes(task: Task) -> str:
    sentences = dict.fromkeys(mistake.sentence for mistake in task.mistakes)
    points = "\n".join(f"- {text(sentence)}" for sentence in sentences)
    return f"## Known mistakes\n\nWhat the check names when results look like this:\n\n{points}"
