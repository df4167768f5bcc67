"""Mistakes derived from the arguments: the reference as it is, called with something else than it should be.

An argument that is not read, read one further, always from its first row, twice, with the wrong sign, in the place of
another one.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from llaisys_mini.checks.derived.shared import Pair, as_kernels_see, names_of
from llaisys_mini.contract import ArraySpec, Contract


def of_arguments(operator: Contract) -> Iterator[Pair]:
    """Calls of the reference with one or two arguments changed."""
    yield from _of_numbers(operator)
    yield from _of_arrays(operator)


def _changed_as_kernels_see(spec: ArraySpec, change: Callable) -> Callable:
    return lambda array: change(as_kernels_see(array, spec)).reshape(array.shape)


def _with(operator: Contract, name: str, change: Callable[[Any], Any]) -> Callable:
    """The reference with one argument changed."""
    position = list(operator.inputs).index(name)

    def variant(*arguments):
        given = list(arguments)
        if given[position] is not None:
            given[position] = change(given[position])
        return operator.reference(*given)

    return variant


def _of_arrays(operator: Contract) -> Iterator[Pair]:
    for name, spec in operator.arrays.items():
        if spec.is_index:
            yield f"{name} is taken one too large", _with(operator, name, lambda a: a + 1)
            yield f"{name} is taken one too small", _with(operator, name, lambda a: a - 1)
        else:
            changes: dict[str, Callable] = {
                f"{name} is not read: it computes as if all of it were 1": np.ones_like,
                f"{name} is not read: it computes as if all of it were 0": np.zeros_like,
                f"{name} counts twice": lambda a: 2 * a,
                f"{name} has the wrong sign": lambda a: -a,
                f"{name} is multiplied in twice: its square is taken": lambda a: a * a,
                f"the absolute value of {name} is taken": np.abs,
                f"1 / {name} is taken": lambda a: 1 / a,
                f"{name} is rounded to whole numbers": np.trunc,
                f"{name} is rounded to float16": lambda a: a.astype(np.float16).astype(a.dtype),
            }
            for sentence, change in changes.items():
                yield sentence, _with(operator, name, change)
        for axis, dim in names_of(spec):
            yield from _along(operator, name, spec, axis, dim)
        if len(spec.dims) == 2 and not spec.any_leading:
            first, second = spec.dims
            told = f"{name} is read as if it were stored [{second}, {first}]"
            yield told, _with(operator, name, lambda a: a.reshape(a.shape[::-1]).T)
    floats = [n for n, spec in enumerate(operator.inputs.values()) if isinstance(spec, ArraySpec) and not spec.is_index]
    yield "the arguments are rounded to float16", _in_half(operator, floats)
    for first, second in _alike(operator):
        yield f"{first} and {second} are exchanged", _exchanged(operator, first, second)
        yield f"{first} is read in the place of {second}", _taken(operator, first, second)
        yield f"{second} is read in the place of {first}", _taken(operator, second, first)


def _in_half(operator: Contract, floats: list[int]) -> Callable:
    def variant(*arguments):
        given = list(arguments)
        for n in floats:
            if given[n] is not None:
                given[n] = given[n].astype(np.float16).astype(given[n].dtype)
        return operator.reference(*given)

    return variant


def _along(operator: Contract, name: str, spec: ArraySpec, axis: int, dim: str) -> Iterator[Pair]:
    """Changes of one argument along one of its dimensions."""

    def first(a):
        return np.broadcast_to(np.take(a, [0], axis), a.shape).copy()

    changes = {
        f"{name} is read one too far along {dim}": lambda a: np.roll(a, -1, axis),
        f"{name} is read one too early along {dim}": lambda a: np.roll(a, 1, axis),
        f"{name} is always read at the first of {dim}": first,
        f"the mean of {name} over {dim} is used": lambda a: np.broadcast_to(a.mean(axis, keepdims=True), a.shape),
        f"{name} is read from its end along {dim}": lambda a: np.flip(a, axis),
    }
    for sentence, change in changes.items():
        yield sentence, _with(operator, name, _changed_as_kernels_see(spec, change))


def _alike(operator: Contract) -> Iterator[tuple[str, str]]:
    arrays = [(name, spec) for name, spec in operator.arrays.items() if not spec.is_index]
    for number, (first, spec) in enumerate(arrays):
        for second, other in arrays[number + 1 :]:
            if spec.dims == other.dims:
                yield first, second


def _exchanged(operator: Contract, first: str, second: str) -> Callable:
    i, j = (list(operator.inputs).index(name) for name in (first, second))

    def variant(*arguments):
        given = list(arguments)
        given[i], given[j] = given[j], given[i]
        return operator.reference(*given)

    return variant


def _taken(operator: Contract, first: str, second: str) -> Callable:
    i, j = (list(operator.inputs).index(name) for name in (first, second))

    def variant(*arguments):
        given = list(arguments)
        given[j] = given[i]
        return operator.reference(*given)

    return variant


def _of_numbers(operator: Contract) -> Iterator[Pair]:
    for name, kind in operator.inputs.items():
        if kind is not float and kind is not int:
            continue
        changes: dict[str, Callable] = {
            f"{name} is not read: it computes as if it were 0": lambda number: 0 * number,
            f"{name} is not read: it computes as if it were 1": lambda number: 0 * number + 1,
            f"1 / {name} is taken": lambda number: 1 / number,
            f"the square of {name} is taken": lambda number: number * number,
            f"the square root of {name} is taken": lambda number: number**0.5,
            f"{name} has the wrong sign": lambda number: -number,
            f"{name} counts twice": lambda number: 2 * number,
            f"{name} is taken one too large": lambda number: number + 1,
            f"{name} is taken one too small": lambda number: number - 1,
        }
        for sentence, change in changes.items():
            yield sentence, _with(operator, name, change)
