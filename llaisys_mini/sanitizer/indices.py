"""What stands between the brackets of an array: whole numbers, slices, `...` and None. Where in memory they lead stands
in `views`."""

import numpy as np

from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.lanes import Active

NO_INDEX = "an index is a whole number; this one is a "
_OF_PARTS = frozenset({slice, type(None), type(Ellipsis)})


def indices_of(index) -> tuple:
    """The index of each dimension: x[i] has one, x[i, j] two."""
    return index if type(index) is tuple else (index,)


def means_part(index: tuple, ndim: int) -> bool:
    """Whether an index means a view rather than an element."""
    return len(index) < ndim or not _OF_PARTS.isdisjoint(map(type, index))


def for_every_axis(index: tuple, ndim: int, name: str) -> list:
    """The index with whole slices for `...`, or behind it. name: of the array."""
    if len(index) == 1 and index[0] is None:
        raise DoesNotCompile("x[None] does not compile for a GPU: write x[None, :]")
    missing = ndim - sum(i is not None and i is not Ellipsis for i in index)
    if missing < 0:
        raise UnsupportedInKernel(f"{name} has {ndim} dimensions but is given more indices")
    whole = [slice(None)] * missing
    at = next((n for n, i in enumerate(index) if i is Ellipsis), len(index))
    return [*index[:at], *whole, *index[at + 1 :]]


def steps_of_slice(part: slice, length: int, active: Active):
    """(start, how many, step) of a slice of `length` elements. The start may differ between lanes; raises
    UnsupportedInKernel where the number does."""
    if not any(type(bound) is np.ndarray for bound in (part.start, part.stop, part.step)):
        bounds = [None if b is None else whole_number(b) for b in (part.start, part.stop, part.step)]
        steps = range(length)[slice(*bounds)]
        return (steps.start if steps else 0), len(steps), steps.step
    if part.step not in (None, 1):
        raise UnsupportedInKernel("a slice with a step and bounds that differ between threads is not supported")
    low, high = (0 if part.start is None else part.start), (length if part.stop is None else part.stop)
    low, high = (
        np.clip(np.where(bound < 0, bound + length, bound), 0, length) for bound in map(np.asarray, (low, high))
    )
    counts = np.broadcast_to(np.maximum(high - low, 0), active.resident.size)
    own = active.select(counts)
    if own.size and (own != own[0]).any():
        raise UnsupportedInKernel("a slice whose length differs between threads is not supported by the sanitizer")
    return low, int(own[0]) if own.size else 0, 1


def whole_number(value) -> int:
    """An index, or a bound of a slice, that is the same for all threads. Raises UnsupportedInKernel where it differs
    between them or is None, DoesNotCompile for anything else that is no whole number."""
    if type(value) is np.ndarray:
        raise UnsupportedInKernel("the bounds of a slice must be the same for all threads")
    if value is None:
        raise UnsupportedInKernel("None as an index, for a new dimension, is not supported by the sanitizer")
    if type(value) is bool or not isinstance(value, (int, np.integer)):
        raise DoesNotCompile(NO_INDEX + type(value).__name__)
    return int(value)
