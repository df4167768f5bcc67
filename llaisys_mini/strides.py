"""Shapes and strides: how the indices of a tensor walk through memory, worked out without touching a number."""

import math
from functools import lru_cache

import numpy as np

from llaisys_mini.errors import UserError


class TensorError(UserError, ValueError):
    """A tensor cannot be made, viewed or filled as asked."""


def flattened(sizes: tuple) -> tuple[int, ...]:
    """Accept view(2, 3) and view((2, 3)) alike."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes


@lru_cache(maxsize=1024)
def completed(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """`shape` with its one -1 worked out so that it holds `size` elements."""
    known = math.prod(length for length in shape if length != -1)
    if shape.count(-1) == 1 and known > 0 and size % known == 0:
        shape = tuple(size // known if length == -1 else length for length in shape)
    if any(length < 0 for length in shape) or math.prod(shape) != size:
        raise TensorError(f"view: {shape} does not hold {size} elements")
    return shape


def strides_of_view(old_shape, old_strides, new_shape) -> tuple[int, ...] | None:
    """Strides that walk `new_shape` through the same memory, or None where no strides can.

    Old dimensions fall into blocks that can be walked with one constant step; each new dimension must lie
    inside one block. Both are matched from the last dimension forwards.
    """
    if math.prod(new_shape) == 0:
        return contiguous_strides(new_shape)
    blocks: list[tuple[int, int]] = []  # (elements, step of the innermost element), last block first
    for length, stride in zip(reversed(old_shape), reversed(old_strides), strict=True):
        if length == 1:
            continue
        if blocks and stride == blocks[-1][0] * blocks[-1][1]:
            blocks[-1] = (blocks[-1][0] * length, blocks[-1][1])
        else:
            blocks.append((length, stride))
    remaining = iter(blocks or [(1, 1)])
    left, step = next(remaining)
    strides = []
    for length in reversed(new_shape):
        if left == 1 and length != 1:
            left, step = next(remaining)
        if left % length:
            return None
        strides.append(step)
        left //= length
        step *= length
    return tuple(reversed(strides))


@lru_cache(maxsize=1024)
def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a tensor of this shape whose elements lie next to each other."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= max(int(length), 1)
    return tuple(reversed(strides))


def bytes_under(array: np.ndarray) -> np.ndarray:
    """The bytes from the first element of `array` to its last, as a flat uint8 array over the same memory."""
    if array.size == 0:
        return np.empty(0, np.uint8)
    if array.flags.c_contiguous:
        return array.reshape(-1).view(np.uint8)
    last = sum((length - 1) * step for length, step in zip(array.shape, array.strides, strict=True))
    first_element = array[(slice(0, 1),) * array.ndim].reshape(1).view(np.uint8)
    return np.lib.stride_tricks.as_strided(first_element, (last + array.dtype.itemsize,), (1,))
