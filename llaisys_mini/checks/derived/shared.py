"""What wrong calls of a reference are made from: arrays in the form that kernels get, and one result changed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from llaisys_mini.contract import ArraySpec, Contract

Pair = tuple[str, Callable]
"""A sentence, and a function like the reference."""


def as_kernels_see(array: np.ndarray, spec: ArraySpec) -> np.ndarray:
    """In the form that kernels get: the leading dimensions as one."""
    return array.reshape(-1, *array.shape[array.ndim - len(spec.dims) + 1 :]) if spec.any_leading else array


def names_of(spec: ArraySpec) -> Iterator[tuple[int, str]]:
    """(axis, what is counted along it) of the dimensions that kernels see."""
    for axis, dim in enumerate(spec.dims):
        yield axis - len(spec.dims), dim if dim != "..." else "rows" if len(spec.dims) > 1 else "elements"


def with_result(operator: Contract, name: str, change: Callable) -> Callable:
    """The reference with one result changed: change(result as kernels see it, arguments)."""
    number, spec = list(operator.results).index(name), operator.outputs[name]

    def variant(*arguments):
        results = listed(operator.reference(*arguments))
        result = np.asarray(results[number])
        results[number] = change(as_kernels_see(result, spec), arguments).reshape(result.shape)
        return tuple(results)

    return variant


def listed(result: Any) -> list[np.ndarray]:
    return list(result) if isinstance(result, tuple) else [result]
