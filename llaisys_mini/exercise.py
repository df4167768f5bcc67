"""An exercise is to ordinary Python what an operator is to a kernel: from one decorated function follows its check.

    @exercise
    def perceptron_update(weights, bias, x, label):
        '''What is asked for.'''
        return ...                       # the reference

    @perceptron_update.cases             # function(rng) yields (name, {argument: value})
    @perceptron_update.mistake("...")    # a wrong version, with the sentence that explains it

Files in `exercises/` hold exercises as those in `operators/` hold operators. The learner's answer stands under
`@answer("perceptron_update")` and is saved as `student/python/perceptron_update.py`, as a kernel is in its own folder.
"""

import copy
import inspect
import sys
from collections.abc import Callable, Iterator

import numpy as np

from llaisys_mini.contract import Case, Mistake
from llaisys_mini.errors import KernelError

PYTHON = "python"
"""Where an answer runs: it takes the place that "cpu" and "cuda" have for kernels."""


class Exercise:
    """A task with a reference, cases and known mistakes. An answer is a function or class with the reference's
    arguments. Results are numbers, text, None, arrays, or tuples, lists and dicts of these."""

    def __init__(self, reference: Callable):
        self.name = reference.__name__
        self.__doc__ = reference.__doc__
        self.__name__ = reference.__name__
        self.reference = reference
        self.mistakes: list[Mistake] = []
        self.accuracy = 1e-4  # of floats, relative to the largest number of the expected array
        self._make_cases: Callable[[np.random.Generator], Iterator] | None = None
        self._use: Callable = lambda answer, **inputs: answer(**inputs)
        self.left_alone: tuple[str, ...] = ()

    def cases(self, function):
        """`function(rng)` yields (name, {argument: value}) pairs."""
        self._make_cases = function
        return function

    def mistake(self, sentence: str):
        """Register a wrong version with the sentence that explains it."""

        def register(function):
            self.mistakes.append(Mistake(function.__name__.strip("_"), sentence, function))
            return function

        return register

    def use(self, function):
        """`function(answer, **inputs)` runs an answer on a case and returns what is compared. Default: calls it."""
        self._use = function
        return function

    def leaves_alone(self, *names: str) -> None:
        """An answer may not change the inputs of these names."""
        self.left_alone = names

    @property
    def arguments(self) -> list[str]:
        return list(inspect.signature(self.reference).parameters)

    def make_cases(self, seed: int = 0) -> list[Case]:
        """The cases drawn with `seed`; 0 is public. Raises KernelError for an exercise whose file gives none."""
        if self._make_cases is None:
            raise KernelError(f"{self.name} has no cases yet: add a function under @{self.name}.cases to its file")
        return [Case(name, inputs) for name, inputs in self._make_cases(np.random.default_rng(seed))]

    def run(self, answer: Callable, case: Case):
        """What `answer` gives on a copy of the case's inputs, and which of them it left alone."""
        inputs = copy.deepcopy(case.inputs)
        return self.with_inputs_after(self.run_on(answer, inputs), case, inputs)

    def run_on(self, answer: Callable, inputs: dict[str, object]):
        """What `answer` gives on these very inputs."""
        return self._use(answer, **inputs)

    def with_inputs_after(self, result, case: Case, after: dict[str, object]):
        """The result, and for each input that is to be left alone whether it was. after: the inputs after the call."""
        if not self.left_alone:
            return result
        entries = result if isinstance(result, dict) else {"the result": result}
        return entries | {f"{n} is left alone": _same(case.inputs[n], after.get(n)) for n in self.left_alone}

    def __call__(self, *arguments, **named):
        """The learner's answer if it passed its check, else the course's, else the reference."""
        return answering(self.name)(*arguments, **named)


def _same(before, after) -> bool:
    """Whether two inputs are equal to the last bit."""
    if isinstance(before, np.ndarray):
        alike = isinstance(after, np.ndarray) and (after.dtype, after.shape) == (before.dtype, before.shape)
        return alike and after.tobytes() == before.tobytes()
    return type(before) is type(after) and before == after


def exercise(function: Callable) -> Exercise:
    """Turn a reference into an Exercise. See the head of this file."""
    return Exercise(function)


def answer(name: str) -> Callable:
    """Register the function or class below as the answer to the exercise `name`.

    In a notebook cell, or in a script that is run, it also saves the cell or script as `student/python/<name>.py`.
    Raises KernelError if there is no such exercise, if the arguments differ from the asked ones, or if the cell uses
    names that it does not define.
    """
    from llaisys_mini import exercises
    from llaisys_mini.kernels.registry import Kernel, enter

    asked = exercises.get(name)

    def register(function: Callable) -> Callable:
        found = list(inspect.signature(function).parameters)
        if not inspect.isclass(function) and found != asked.arguments:
            raise KernelError(f"{name} takes ({', '.join(asked.arguments)}), but this one takes ({', '.join(found)})")
        return enter(Kernel(name, PYTHON, "", function), sys._getframe(1))

    return register


def answering(name: str) -> Callable:
    """The learner's answer if it passed, else the course's, else the reference."""
    from llaisys_mini import exercises
    from llaisys_mini.kernels import verdicts
    from llaisys_mini.kernels.sets import solutions_set, student_set

    if verdicts.passed_storages(name, PYTHON):
        return student_set().get(name, PYTHON).function
    if solutions_set().has(name, PYTHON):
        return solutions_set().get(name, PYTHON).function
    return exercises.get(name).reference
