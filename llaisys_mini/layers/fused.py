"""fused: linear maps of the same input as one, for a single row.

A decode step on a GPU is hundreds of short kernels, and each costs the time of its launch. Query, key and value read
the same row, and so do gate and up: with their weights one below the other in memory, one launch computes them all.
Each number is the same dot product as before. Of several rows the results of a map would not be contiguous, so those
are computed map by map, with weights that are parts of the same memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llaisys_mini.layers.quantised import AnyLinear
from llaisys_mini.tensor import Tensor

_WIDTH = 64
"""Outputs of each map are multiples of it, so every part begins where a kernel may load 16 bytes at once."""


def fuse(layers: Sequence[AnyLinear]) -> tuple[AnyLinear | None, Sequence[AnyLinear]]:
    """The maps as one, x [1, in] -> [1, sum of their outputs], and each of them over the memory of that one. None and
    the maps as they were where they are stored in different ways. All must lie on one device."""
    widths = [len(layer.weight) for layer in layers]
    if len({_form(layer) for layer in layers}) > 1 or any(width % _WIDTH for width in widths):
        return None, layers
    arrays = {name: _below_each_other([vars(layer)[name] for layer in layers]) for name in vars(layers[0])}
    fused, first = [], 0
    for layer, width in zip(layers, widths, strict=True):
        fused.append(
            _with(layer, {name: whole and whole.slice(0, first, first + width) for name, whole in arrays.items()})
        )
        first += width
    return _with(layers[0], arrays), fused


def _form(layer: AnyLinear) -> tuple:
    """What maps must have in common: the kind, and of each array the dtype and all but the number of rows."""
    return type(layer), *(array and (array.dtype, array.shape[1:]) for array in vars(layer).values())


def _with(layer: AnyLinear, arrays: Mapping[str, Any]) -> AnyLinear:
    """The map with these arrays in place of its own."""
    return replace(layer, **{name: array and array.freeze() for name, array in arrays.items()})


def _below_each_other(parts: Sequence[Tensor | None]) -> Tensor | None:
    """The rows of all these arrays in one; None if there is no array."""
    given = [part for part in parts if part is not None]
    if not given:
        return None
    whole = Tensor.empty((sum(map(len, given)), *given[0].shape[1:]), given[0].dtype, given[0].storage.device)
    first = 0
    for part in given:
        whole.slice(0, first, first + len(part)).load(part)
        first += len(part)
    return whole
