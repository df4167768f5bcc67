"""What an operator and an exercise have in common: a reference, cases to try an answer on, known mistakes, a name.

One decorated function makes a task; further functions of the same file are added to it by decorators:

    @softmax.cases              function(rng) yields (name, {argument: value}) pairs
    @softmax.mistake("...")     a small wrong version, with the sentence that explains it
"""

import difflib
import importlib
import inspect
import pkgutil
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np

from llaisys_mini import paths
from llaisys_mini.errors import ContractError, KernelError


@dataclass(frozen=True)
class Case:
    """One set of inputs, by argument name. For an operator: arrays of the contract's dtypes, numbers, None."""

    name: str
    inputs: dict[str, Any]


@dataclass(frozen=True)
class Mistake:
    """A well-known wrong way: a small function like the reference, and the sentence that explains it."""

    name: str
    sentence: str
    function: Callable


class Task:
    """A reference with cases and known mistakes. Nothing here runs a kernel."""

    def __init__(self, reference: Callable):
        self.name = self.__name__ = reference.__name__
        self.__doc__ = reference.__doc__
        self.__module__ = reference.__module__
        self.reference = reference
        self.mistakes: list[Mistake] = []
        self._draw: Callable[[np.random.Generator], Iterator] | None = None

    def cases(self, function):
        """`function(rng)` yields (name, {argument: value}) pairs."""
        self._draw = function
        return function

    def mistake(self, sentence: str):
        """Register a wrong version with the sentence that explains it."""

        def register(function):
            self.mistakes.append(Mistake(function.__name__.strip("_"), sentence, function))
            return function

        return register

    def inherit_mistakes(self, parent: "Task", adapt: Callable[[Callable], Callable]) -> None:
        """Take over the mistakes of a task that this one contains. adapt: makes of a wrong version of `parent` one of
        this task."""
        for mistake in parent.mistakes:
            self.mistakes.append(Mistake(mistake.name, mistake.sentence, adapt(mistake.function)))

    def drawn_cases(self, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, inputs) as the file's function yields them. Seed 0 is public; the autograder keeps its own.

        Raises ContractError for a task whose file gives none: no answer may pass for want of cases.
        """
        if self._draw is None:
            raise ContractError(f"{self.name} has no cases yet: add a function under @{self.name}.cases to its file")
        return self._draw(np.random.default_rng(seed))

    def hide_answer(self, *still_used: Callable) -> None:
        """Take the answer to this task out of the process: its reference, its cases, its mistakes, and what they are
        made from. For a process that runs a student's answer and must not hold the right one.

        still_used: functions of the task's file whose globals have to stay, and what these need in turn.
        """
        module = sys.modules[self.__module__]
        needed: set[str] = set()
        pending = [function.__code__ for function in still_used]
        while pending:
            code = pending.pop()
            for name in set(code.co_names) - needed:
                pending += _own_code(vars(module).get(name), module)
            needed |= set(code.co_names)
            pending += [constant for constant in code.co_consts if hasattr(constant, "co_names")]
        for name, value in list(vars(module).items()):
            is_needed = name in needed or isinstance(value, types.ModuleType) or name.startswith("__")
            if not is_needed and name != self.name:
                delattr(module, name)
        signature = inspect.signature(self.reference)

        def hidden(*_, **__):
            raise PermissionError(f"{self.name}: the course's answer is not here")

        vars(hidden)["__signature__"] = signature
        self.reference = hidden
        self.mistakes.clear()
        self._draw = hidden


def _own_code(value: Any, module: types.ModuleType) -> list[types.CodeType]:
    """The code of a function, or of a class's methods, that a module defines itself."""
    if getattr(value, "__module__", None) != module.__name__:
        return []
    parts = vars(value).values() if inspect.isclass(value) else [value]
    functions = [getattr(part, "fget", part) for part in parts]
    return [part.__code__ for part in functions if inspect.isfunction(part)]


AnyTask = TypeVar("AnyTask", bound=Task)


class Catalogue(Generic[AnyTask]):
    """The tasks of one folder of the package: every file holds the task of its own name, and no list names them.

    Tasks are found by name, so that kernels can ask what an operator is although operators are built on kernels.
    """

    def __init__(self, folder: str, what: str):
        self._folder = folder
        self._what = what

    @cached_property
    def names(self) -> tuple[str, ...]:
        found = pkgutil.iter_modules([str(paths.PACKAGE / self._folder)])
        return tuple(sorted(module.name for module in found))

    def get(self, name: str) -> AnyTask:
        """The task called `name`. Raises KernelError with the nearest names if there is none."""
        if name not in self.names:
            near = difflib.get_close_matches(name, self.names) or self.names
            raise KernelError(f"there is no {self._what} {name!r}; did you mean {', '.join(near)}?")
        return getattr(importlib.import_module(f"llaisys_mini.{self._folder}.{name}"), name)
