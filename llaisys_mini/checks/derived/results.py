"""Mistakes derived from the results: sums that miss a term or go on, what is not written, what is stored instead.

A sum of which only the last term is kept, or that is not set back; a first or last row that no thread writes; the
exponential, the square, twice the number.
"""

from collections.abc import Callable, Iterator

import numpy as np

from llaisys_mini.checks.derived.shared import Pair, as_kernels_see, listed, names_of, with_result
from llaisys_mini.contract import ArraySpec, Contract


def of_results(operator: Contract) -> Iterator[Pair]:
    """Wrong sums, and right results of which something is missing or to which something is done."""
    yield from _of_sums(operator)
    yield from _of_places(operator)
    yield from _of_values(operator)


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
                given[position] = given[position][tuple(index)]  # perhaps nothing: the sum of that is 0
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
        results = listed(operator.reference(*arguments))
        bare = [None if i in optional else argument for i, argument in enumerate(arguments)]
        without = listed(operator.reference(*bare))[number]
        whole = as_kernels_see(without, spec)
        results[number] = np.cumsum(whole, axis).reshape(without.shape) + (results[number] - without)
        return tuple(results)

    return variant


def _of_places(operator: Contract) -> Iterator[Pair]:
    """What is not written, and what is written elsewhere."""
    for name, spec in operator.outputs.items():
        if spec.is_index:
            yield f"{name} is counted from 1", with_result(operator, name, lambda a, given: a + 1)
            yield f"{name} counts on from row to row", with_result(operator, name, _counted_on)
            continue
        for axis, dim in names_of(spec):
            unset = {
                f"the first of the {dim} of {name} is never written: a loop starts at 1": slice(1, None),
                f"the last of the {dim} of {name} is never written: a loop ends one too early": slice(0, -1),
                f"only the first of the {dim} of {name} is written": slice(0, 1),
                f"only the last of the {dim} of {name} is written": slice(-1, None),
            }
            for sentence, part in unset.items():
                yield sentence, with_result(operator, name, _keeps(axis, part, None))
            for number, (other, its) in enumerate(operator.inputs.items()):
                if isinstance(its, ArraySpec) and its.dims == spec.dims:
                    copied = {
                        f"only the first of the {dim} is computed; the others are copied from {other}": _first,
                        f"only the first half along {dim} is computed; the rest is copied from {other}": _half,
                        f"only the second half along {dim} is computed; the rest is copied from {other}": _rest,
                    }
                    for sentence, part_of in copied.items():
                        yield sentence, with_result(operator, name, _keeps(axis, part_of, number))


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
            yield sentence, with_result(operator, name, change)
        for dim in dims:
            yield f"{name} is divided by {dim}", with_result(operator, name, _times_length(operator, dim, -1))
            yield f"{name} is multiplied by {dim}", with_result(operator, name, _times_length(operator, dim, 1))
        for number, (other, its) in enumerate(operator.inputs.items()):
            if isinstance(its, ArraySpec) and its.dims[:-1] == spec.dims:
                first = with_result(operator, name, lambda a, given, n=number: given[n][..., 0].reshape(a.shape))
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
