"""Mistakes derived from the arguments: the reference as it is, called with something else than it should be.

An argument that is not read, read one further, always from its first row, twice, with the wrong sign; a sum of which
only the last term is kept, or that is not set back; a first or last row that no thread writes. Like formula_variants
these are hints, told under the same conditions as the mistakes that an operator's file lists.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from llaisys_mini.contract import ArraySpec, Contract
from llaisys_mini.task import Mistake


def argument_variants(operator: Contract) -> list[Mistake]:
    """Wrong calls of the operator's reference, each with its sentence."""
    makers = (_of_arrays, _of_numbers, _of_sums, _of_results, _of_values)
    return [
        Mistake(f"argument_{number}", sentence, function)
        for number, (sentence, function) in enumerate(pair for maker in makers for pair in maker(operator))
    ]


Pair = tuple[str, Callable]


def _as_kernels_see(array: np.ndarray, spec: ArraySpec) -> np.ndarray:
    """In the form that kernels get: the leading dimensions as one."""
    return array.reshape(-1, *array.shape[array.ndim - len(spec.dims) + 1 :]) if spec.any_leading else array


def _changed_as_kernels_see(spec: ArraySpec, change: Callable) -> Callable:
    return lambda array: change(_as_kernels_see(array, spec)).reshape(array.shape)


def _names_of(spec: ArraySpec) -> Iterator[tuple[int, str]]:
    """(axis, what is counted along it) of the dimensions that kernels see."""
    for axis, dim in enumerate(spec.dims):
        yield axis - len(spec.dims), dim if dim != "..." else "rows" if len(spec.dims) > 1 else "elements"


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
        for axis, dim in _names_of(spec):
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


def _of_sums(operator: Contract) -> Iterator[Pair]:
    """Of what is summed over: the dimensions of the arguments that no result has."""
    kept = {dim for spec in operator.results.values() for dim in spec.dims}
    dims = [dim for spec in operator.arrays.values() for dim in spec.dims]
    for dim in dict.fromkeys(dims):
        if dim == "...":
            continue
        if dim not in kept:
            yield (
                f"only the last of the {dim} counts (where they are added up: = in the place of +=)",
                _cut(operator, dim, slice(-1, None)),
            )
            yield f"only the first of the {dim} counts", _cut(operator, dim, slice(0, 1))
            for name, spec in operator.arrays.items():
                if spec.optional:
                    told = f"{name} is added in every round of the loop over {dim}: it belongs behind the loop"
                    yield told, _added_each_time(operator, name, dim)
        yield f"the first of {dim} is left out", _cut(operator, dim, slice(1, None))
        yield f"the last of {dim} is left out: a loop ends one too early", _cut(operator, dim, slice(0, -1))
    for (name, spec), axis in ((item, axis) for item in operator.outputs.items() for axis in (-2, -1)):
        if not spec.is_index and -axis <= len(spec.dims):
            dim = spec.dims[axis]
            where = "from one row to the next" if dim in ("...", spec.dims[0]) else f"over {dim}"
            yield f"the sum for {name} is not set back to 0: it goes on {where}", _running(operator, name, axis)


def _cut(operator: Contract, dim: str, part: slice) -> Callable:
    def variant(*arguments):
        given = list(arguments)
        for position, spec in enumerate(operator.inputs.values()):
            if isinstance(spec, ArraySpec) and dim in spec.dims and given[position] is not None:
                axis = spec.dims.index(dim) - len(spec.dims)
                index = [slice(None)] * given[position].ndim
                index[axis] = part
                given[position] = given[position][tuple(index)]
        return operator.reference(*given)

    return variant


def _added_each_time(operator: Contract, name: str, dim: str) -> Callable:
    position = list(operator.inputs).index(name)
    other, axis = next(
        (number, spec.dims.index(dim) - len(spec.dims))
        for number, spec in enumerate(operator.inputs.values())
        if isinstance(spec, ArraySpec) and dim in spec.dims
    )

    def variant(*arguments):
        given = list(arguments)
        if given[position] is not None:
            given[position] = given[position] * given[other].shape[axis]
        return operator.reference(*given)

    return variant


def _running(operator: Contract, name: str, axis: int) -> Callable:
    """A running sum of an output, to which what may be None (a bias) is added afterwards."""
    number, spec = list(operator.results).index(name), operator.outputs[name]
    optional = [i for i, s in enumerate(operator.inputs.values()) if isinstance(s, ArraySpec) and s.optional]

    def variant(*arguments):
        results = _list(operator.reference(*arguments))
        bare = [None if i in optional else argument for i, argument in enumerate(arguments)]
        without = _list(operator.reference(*bare))[number]
        whole = _as_kernels_see(without, spec)
        results[number] = np.cumsum(whole, axis).reshape(without.shape) + (results[number] - without)
        return tuple(results)

    return variant


def _of_results(operator: Contract) -> Iterator[Pair]:
    """What is not written, and what is written elsewhere."""
    for name, spec in operator.outputs.items():
        if spec.is_index:
            yield f"{name} is counted from 1", _of_result(operator, name, lambda a, given: a + 1)
            yield f"{name} counts on from row to row", _of_result(operator, name, _counted_on)
            continue
        for axis, dim in _names_of(spec):
            unset = {
                f"the first of the {dim} of {name} is never written: a loop starts at 1": slice(1, None),
                f"the last of the {dim} of {name} is never written: a loop ends one too early": slice(0, -1),
                f"only the first of the {dim} of {name} is written": slice(0, 1),
                f"only the last of the {dim} of {name} is written": slice(-1, None),
            }
            for sentence, part in unset.items():
                yield sentence, _of_result(operator, name, _keeps(axis, part, None))
            for number, (other, its) in enumerate(operator.inputs.items()):
                if isinstance(its, ArraySpec) and its.dims == spec.dims:
                    copied = {
                        f"only the first of the {dim} is computed; the others are copied from {other}": _first,
                        f"only the first half along {dim} is computed; the rest is copied from {other}": _half,
                        f"only the second half along {dim} is computed; the rest is copied from {other}": _rest,
                    }
                    for sentence, part_of in copied.items():
                        yield sentence, _of_result(operator, name, _keeps(axis, part_of, number))


def _of_values(operator: Contract) -> Iterator[Pair]:
    """The right results, with something done to them that is too much, or left out at the end."""
    dims = list(dict.fromkeys(dim for spec in operator.arrays.values() for dim in spec.dims if dim != "..."))
    for name, spec in operator.outputs.items():
        if spec.is_index:
            continue
        changes: dict[str, Callable] = {
            f"{name} has the wrong sign": lambda a, given: -a,
            f"{name} is twice as large": lambda a, given: 2 * a,
            f"{name} is half as large": lambda a, given: a / 2,
            f"{name} is 1 minus what it should be": lambda a, given: 1 - a,
            f"the exponential of {name} is stored": lambda a, given: np.exp(a),
            f"the exponential of -{name} is stored": lambda a, given: np.exp(-a),
            f"the logarithm of {name} is stored": lambda a, given: np.log(a),
            f"the square of {name} is stored": lambda a, given: a * a,
            f"the square root of {name} is stored": lambda a, given: np.sqrt(a),
            f"the absolute value of {name} is stored": lambda a, given: np.abs(a),
            f"1 / {name} is stored": lambda a, given: 1 / a,
            f"{name} is never written": lambda a, given: np.full_like(a, np.nan),
        }
        for sentence, change in changes.items():
            yield sentence, _of_result(operator, name, change)
        for dim in dims:
            yield f"{name} is divided by {dim}", _of_result(operator, name, _times_length(operator, dim, -1))
            yield f"{name} is multiplied by {dim}", _of_result(operator, name, _times_length(operator, dim, 1))
        for number, (other, its) in enumerate(operator.inputs.items()):
            if isinstance(its, ArraySpec) and its.dims[:-1] == spec.dims:
                first = _of_result(operator, name, lambda a, given, n=number: given[n][..., 0].reshape(a.shape))
                yield f"{name} is the first element of each row of {other}", first


def _times_length(operator: Contract, dim: str, power: int) -> Callable:
    def change(result, given):
        for spec, value in zip(operator.inputs.values(), given, strict=True):
            if isinstance(spec, ArraySpec) and dim in spec.dims and value is not None:
                return result * float(value.shape[spec.dims.index(dim) - len(spec.dims)]) ** power
        raise ValueError(f"no argument has {dim}")

    return change


def _first(length: int) -> slice:
    return slice(0, 1)


def _half(length: int) -> slice:
    return slice(0, length // 2)


def _rest(length: int) -> slice:
    return slice(length // 2, None)


def _keeps(axis: int, part: slice | Callable[[int], slice], copied: int | None) -> Callable:
    """Of a result only the part along an axis; the rest is that of an argument (its number), or is not written."""

    def change(result, given):
        if copied is None:
            kept = np.full_like(result, np.nan)
        else:
            kept = given[copied].reshape(result.shape).astype(result.dtype)
        index = [slice(None)] * result.ndim
        index[axis] = part if isinstance(part, slice) else part(result.shape[axis])
        kept[tuple(index)] = result[tuple(index)]
        return kept

    return change


def _counted_on(index: np.ndarray, given: list) -> np.ndarray:
    return index + np.arange(index.size) * given[0].shape[-1]


def _of_result(operator: Contract, name: str, change: Callable) -> Callable:
    """The reference with one result changed: change(result as kernels see it, arguments)."""
    number, spec = list(operator.results).index(name), operator.outputs[name]

    def variant(*arguments):
        results = _list(operator.reference(*arguments))
        result = np.asarray(results[number])
        results[number] = change(_as_kernels_see(result, spec), arguments).reshape(result.shape)
        return tuple(results)

    return variant


def _list(result: Any) -> list[np.ndarray]:
    return list(result) if isinstance(result, tuple) else [result]
