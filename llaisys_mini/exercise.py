"""An exercise is to ordinary Python what an operator is to a kernel: from one decorated function follows its check.

    @exercise
    def perceptron_update(weights, bias, x, label):
        '''What is asked for.'''
        return ...                       # the reference

    @perceptron_update.cases             # function(rng) yields (name, {argument: value})
    @perceptron_update.mistake("...")    # a wrong version, with the sentence that explains it

An answer that is used again and again, such as a class, is driven through a list of events by a harness, which keeps
the log that is compared (trace.py):

    @page_pool.trace                     # function(answer, log, **inputs) notes what is asked and what comes back

Files in `exercises/` hold exercises as those in `operators/` hold operators. The learner's answer stands under
`@answer("perceptron_update")` and is saved as `student/python/perceptron_update.py`, as a kernel is in its own folder.
"""

import copy
import inspect
import sys
from collections.abc import Callable

import numpy as np

from llaisys_mini.errors import KernelError
from llaisys_mini.kernels.answers import answering
from llaisys_mini.kernels.decorator import enter
from llaisys_mini.kernels.registry import PYTHON, Kernel
from llaisys_mini.task import Case, Catalogue, Task
from llaisys_mini.trace import Log

EXERCISES: Catalogue["Exercise"] = Catalogue("exercises", "exercise")


UNCHANGED, CHANGED = "as it was", "changed by the answer"
"""What is told of an input that is to be left alone."""


class Exercise(Task):
    """A task with a reference, cases and known mistakes. An answer is a function or class with the reference's
    arguments. Results are numbers, text, None, arrays, or tuples, lists and dicts of these; or a log, see trace."""

    def __init__(self, reference: Callable):
        super().__init__(reference)
        self.accuracy = 1e-4  # of floats, relative to the largest number of the expected array
        self._use: Callable = lambda answer, **inputs: answer(**inputs)
        self.judge: Callable[..., str | None] | None = None
        self._harness: Callable | None = None
        self._adapter: Callable | None = None
        self.left_alone: tuple[str, ...] = ()
        self.building_blocks: tuple[str, ...] = ()
        self._in_package: list[tuple[object, str]] = []

    def builds_on(self, *names: str) -> None:
        """An answer may call these exercises, besides all operators, also where the judge runs it."""
        self.building_blocks = names

    def stands_in_package(self, owner: object, names: str) -> None:
        """These attributes of a class or module of the package would be an answer: they are not there when one is
        judged."""
        self._in_package += [(owner, name) for name in names.split()]

    def use(self, function):
        """`function(answer, **inputs)` runs an answer on a case and returns what is compared. Default: calls it."""
        self._use = function
        return function

    def judged_by(self, function):
        """`function(result, **inputs)` says in a sentence what is wrong with a result, or None. For a task with many
        right answers: it takes the place of comparing with the reference, and runs where no answer's code does."""
        self.judge = function
        return function

    def trace(self, function):
        """`function(answer, log, **inputs)` drives an answer through the events of a case, and notes them in a Log.
        What is compared is this log, event by event."""
        self._harness = function
        return function

    def adapter(self, function):
        """`function(answer)` gives what is used and traced in the answer's place. It runs in the process of the answer,
        also where the judge keeps that apart from what drives it: for an answer that is made of more than functions,
        iterators and objects with methods, or works on objects of the package."""
        self._adapter = function
        return function

    def adapted(self, answer: Callable) -> Callable:
        """What is driven of an answer: itself, or what the adapter makes of it."""
        return answer if self._adapter is None else self._adapter(answer)

    @property
    def is_trace(self) -> bool:
        """Whether the results of answers are logs."""
        return self._harness is not None

    def leaves_alone(self, *names: str) -> None:
        """An answer may not change the inputs of these names."""
        self.left_alone = names

    @property
    def arguments(self) -> list[str]:
        """The names of what an answer is called with, in order."""
        return list(inspect.signature(self.reference).parameters)

    def make_cases(self, seed: int = 0) -> list[Case]:
        """The cases drawn with `seed`; 0 is public. Raises ContractError for an exercise whose file gives none."""
        return [Case(name, inputs) for name, inputs in self.drawn_cases(seed)]

    def run(self, answer: Callable, case: Case):
        """What `answer` gives on a copy of the case's inputs, and which of them it left alone."""
        inputs = copy.deepcopy(case.inputs)
        return self.with_inputs_after(self.run_on(answer, inputs), case, inputs)

    def run_on(self, answer: Callable, inputs: dict[str, object]):
        """What `answer` gives on these very inputs."""
        return self.drive(self.adapted(answer), inputs)

    def drive(self, answer: Callable, inputs: dict[str, object]):
        """What an adapted answer gives on these very inputs. The judge calls this in a process of its own."""
        if self._harness is None:
            return self._use(answer, **inputs)
        log = Log()
        self._harness(answer, log, **inputs)
        return log.entries

    def with_inputs_after(self, result, case: Case, after: dict[str, object]):
        """The result, and for each input that is to be left alone whether it was. after: the inputs after the call."""
        if not self.left_alone:
            return result
        entries = result if isinstance(result, dict) else {"the result": result}
        states = {n: UNCHANGED if _same(case.inputs[n], after.get(n)) else CHANGED for n in self.left_alone}
        return entries | {f"the given {n}": state for n, state in states.items()}

    def __call__(self, *arguments, **named):
        """The learner's answer if it passed its check, else the course's, else the reference."""
        return self.answering()(*arguments, **named)

    def answering(self) -> Callable:
        """The answer that counts now."""
        return answering(self.name, self.reference)

    def hide_answer(self, *still_used: Callable) -> None:
        super().hide_answer(*([self._adapter] if self._adapter else []), *still_used)

    def hide_package_answers(self) -> None:
        """Take out of the process what stands_in_package names: for one that runs an answer to this exercise."""
        for owner, name in self._in_package:
            delattr(owner, name)


def _same(before, after) -> bool:
    """Whether two inputs are equal to the last bit."""
    if isinstance(before, np.ndarray):
        alike = isinstance(after, np.ndarray) and (after.dtype, after.shape) == (before.dtype, before.shape)
        return alike and after.tobytes() == before.tobytes()
    if type(before) is not type(after):
        return False
    if isinstance(before, dict):
        return list(before) == list(after) and all(_same(value, after[key]) for key, value in before.items())
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_same, before, after))
    return before == after or before != before != after != after  # NaN equals nothing, not even itself


def exercise(function: Callable) -> Exercise:
    """Turn a reference into an Exercise. See the head of this file."""
    return Exercise(function)


def answer(name: str) -> Callable:
    """Register the function or class below as the answer to the exercise `name`.

    In a notebook cell, or in a script that is run, it also saves the cell or script as `student/python/<name>.py`.
    Raises KernelError if there is no such exercise, if the arguments differ from the asked ones, or if the cell uses
    names that it does not define.
    """
    asked = EXERCISES.get(name)

    def register(function: Callable) -> Callable:
        found = list(inspect.signature(function).parameters)
        if not inspect.isclass(function) and found != asked.arguments:
            raise KernelError(f"{name} takes ({', '.join(asked.arguments)}), but this one takes ({', '.join(found)})")
        return enter(Kernel(name, PYTHON, "", function), sys._getframe(1))

    return register
