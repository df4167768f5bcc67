"""Wrong ways that several operators share, each written once. An operator's file says which of them apply to it."""

from collections.abc import Sequence

import numpy as np

from llaisys_mini.contract import ArraySpec, Contract

TAILS = (4, 8, 16, 32)  # widths of vectors and blocks that loops are cut into


def add_tail_mistakes(operator: Contract, dimension: str, of_what: str) -> None:
    """The sum over `dimension` stops at a multiple of a vector's width, or one too early. of_what: such as "inputs"."""

    @operator.mistake(f"the last of the {of_what} is left out of the sum: the loop ends one too early")
    def last_dropped(*arguments):
        return operator.reference(*map(_cut(operator, dimension, None), operator.inputs.values(), arguments))

    for width in TAILS:

        @operator.mistake(f"the last {of_what}, those past a multiple of {width}, are left out of the sum")
        def tail_dropped(*arguments, width=width):
            return operator.reference(*map(_cut(operator, dimension, width), operator.inputs.values(), arguments))


def _cut(operator: Contract, dimension: str, width: int | None):
    """A function (spec, value) -> the value without what lies past a multiple of `width` along the dimension, or for
    None without the last."""

    def cut(spec, value):
        if isinstance(spec, ArraySpec) and dimension in spec.dims and value is not None:
            axis = spec.dims.index(dimension) - len(spec.dims)
            value = np.moveaxis(value, axis, 0)
            value = np.moveaxis(value[: len(value) // width * width if width else -1], 0, axis)
        return value

    return cut


def add_fixed_scalar_mistakes(operator: Contract, argument: str, values: Sequence[float]) -> None:
    """The number `argument` is not read: the kernel computes with one of these values whatever is given."""
    position = list(operator.inputs).index(argument)
    for fixed in values:

        @operator.mistake(f"{argument} is not read: the kernel always computes with {fixed:g}")
        def scalar_fixed(*arguments, fixed=fixed):
            return operator.reference(*arguments[:position], fixed, *arguments[position + 1 :])


def add_bias_mistakes(operator: Contract) -> None:
    """The ways to get the bias of a projection wrong; its last argument is the bias, or None."""

    @operator.mistake("the bias is added by row, bias[n], instead of by output, bias[m]")
    def bias_by_row(*arguments):
        bias = arguments[-1]
        out = operator.reference(*arguments[:-1], None)
        return out if bias is None else out + bias[np.arange(len(out)) % len(bias)][:, None]

    @operator.mistake("every output gets the first bias")
    def first_bias_only(*arguments):
        bias = arguments[-1]
        return operator.reference(*arguments[:-1], None if bias is None else np.broadcast_to(bias[:1], bias.shape))


def add_rotation_mistakes(operator: Contract) -> None:
    """The ways to rotate pairs wrongly; its first arguments are x [L, H, D] and positions [L]."""

    @operator.mistake("neighbours are paired (2i, 2i + 1) as in the paper; Qwen pairs i with i + D/2")
    def interleaved(x, positions, *rest):
        rotated = operator.reference(np.concatenate([x[:, :, 0::2], x[:, :, 1::2]], axis=2), positions, *rest)
        out = np.empty_like(rotated)
        out[:, :, 0::2], out[:, :, 1::2] = np.split(rotated, 2, axis=2)
        return out

    @operator.mistake("it rotates the wrong way: the signs of the sine terms are swapped")
    def backwards(x, positions, *rest):
        return operator.reference(x, -positions, *rest)

    @operator.mistake("the index of the row is used as its position; `positions` is never read")
    def ignores_positions(x, positions, *rest):
        return operator.reference(x, np.arange(len(positions)), *rest)

    @operator.mistake("only the first head is rotated; the others are copied")
    def first_head_only(x, positions, *rest):
        return np.concatenate([operator.reference(x[:, :1], positions, *rest), x[:, 1:]], axis=1)

    @operator.mistake("sine and cosine are exchanged")
    def exchanged(x, positions, *rest):
        first, second = np.split(x, 2, axis=2)
        turned, other = np.split(
            operator.reference(np.concatenate([second, first], axis=2), positions, *rest), 2, axis=2
        )
        return np.concatenate([-turned, other], axis=2)

    @operator.mistake("positions are counted from 1")
    def from_one(x, positions, *rest):
        return operator.reference(x, positions + 1, *rest)

    @operator.mistake("the second half is rotated with values of the first half that were already overwritten")
    def overwritten(x, positions, *rest):
        first = operator.reference(x, positions, *rest)[:, :, : x.shape[2] // 2]
        second = x[:, :, x.shape[2] // 2 :]
        mixed = operator.reference(np.concatenate([first.astype(x.dtype), second], axis=2), positions, *rest)
        return np.concatenate([first, mixed[:, :, x.shape[2] // 2 :]], axis=2)
