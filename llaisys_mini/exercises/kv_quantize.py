"""kv_quantize: keys by channel, values by position."""

import numpy as np

from llaisys_mini.exercise import exercise
from llaisys_mini.quantisation import grid, kv


@exercise
def kv_quantize(keys, values, bits, block):
    """Keys and values [S, D] of one head after rounding to `bits` bits: (keys [S, D], values [S, D]).

    Keys: the numbers of a channel in a block of `block` positions share a scale and a zero point; a last block that is
    not full stays as it is. Values: the D numbers of a position share them. Numbers lo .. hi are rounded so:
    lo = min(0, the smallest), hi = max(0, the largest), scale = (hi - lo) / (2^bits - 1), or 1 if that is 0;
    zero = round(-lo / scale); q = round(w / scale) + zero, clipped to 0 .. 2^bits - 1; the result is scale (q - zero).
    Source: Liu et al. 2024 (arXiv:2402.02750).
    """
    return kv.by_channel(keys, bits, block), kv.by_position(values, bits)


kv_quantize.stands_in_package(kv, "by_channel by_position")
kv_quantize.stands_in_package(grid, "rounded_asymmetric")
kv_quantize.leaves_alone("keys", "values")


@kv_quantize.use
def use(answer, keys, values, bits, block):
    rounded_keys, rounded_values = answer(keys, values, bits, block)
    return {"keys": rounded_keys, "values": rounded_values}


@kv_quantize.cases
def cases(rng):
    def inputs(s, d, bits, block, large=(), moved=0.0):
        keys, values = rng.normal(size=(2, s, d))
        for channel in large:
            keys[:, channel] = 20 + keys[:, channel]
        return dict(keys=keys + moved, values=values + moved, bits=bits, block=block)

    yield "one channel is large", inputs(8, 4, 2, 8, large=[2])
    yield "two blocks", inputs(16, 6, 3, 8, large=[0])
    yield "a block that is not full", inputs(19, 5, 2, 8, large=[1])
    yield "fewer positions than a block", inputs(5, 4, 2, 8)
    yield "all numbers are positive", inputs(12, 4, 3, 4, moved=9.0)
    yield "all numbers are negative", inputs(12, 4, 3, 4, moved=-9.0)
    zeros = inputs(8, 4, 2, 4)
    zeros["keys"][:, 1] = 0
    zeros["values"][3] = 0
    yield "a channel and a position of zeros", zeros
    s, d = (int(i) for i in rng.integers(5, 40, size=2))
    yield "some sizes", inputs(s, d, 4, 8, large=[d // 2])


@kv_quantize.mistake("keys are rounded by position as values are: a large channel spoils all others")
def keys_by_position(keys, values, bits, block):
    return kv.by_position(keys, bits), kv.by_position(values, bits)


@kv_quantize.mistake("values are rounded by channel as keys are")
def values_by_channel(keys, values, bits, block):
    return kv.by_channel(keys, bits, block), kv.by_channel(values, bits, block)


@kv_quantize.mistake("keys and values are swapped: values by channel, keys by position")
def swapped(keys, values, bits, block):
    return kv.by_position(keys, bits), kv.by_channel(values, bits, block)


@kv_quantize.mistake("one block holds all positions: a channel has one scale for the whole text")
def one_block(keys, values, bits, block):
    return kv.by_channel(keys, bits, max(len(keys), 1)), kv.by_position(values, bits)


@kv_quantize.mistake("the last block is rounded although it is not full")
def last_block_too(keys, values, bits, block):
    full = len(keys) // block * block
    rest = kv.by_channel(keys[full:], bits, max(len(keys) - full, 1))
    return np.concatenate([kv.by_channel(keys[:full], bits, block), rest]), kv.by_position(values, bits)


@kv_quantize.mistake("the zero point is not subtracted")
def zero_forgotten(keys, values, bits, block):
    def asymmetric(groups):
        lowest = np.minimum(groups.min(axis=1, keepdims=True), 0)
        scale = (np.maximum(groups.max(axis=1, keepdims=True), 0) - lowest) / (2**bits - 1)
        scale = np.where(scale == 0, 1, scale)
        return scale * (np.rint(groups / scale) + np.rint(-lowest / scale)).clip(0, 2**bits - 1)

    return _with(asymmetric, keys, values, block)


@kv_quantize.mistake("rounding is symmetric, with max |w| / (2^(bits - 1) - 1) as the scale")
def symmetric(keys, values, bits, block):
    def both_sides(groups):
        scales = grid.plain_scales(groups, bits)
        return scales[:, None] * grid.numbers(groups, scales, bits)

    return _with(both_sides, keys, values, block)


def _with(round_groups, keys, values, block):
    rounded_keys = np.array(keys)
    for first in range(0, len(keys) // block * block, block):
        rounded_keys[first : first + block] = round_groups(rounded_keys[first : first + block].T).T
    return rounded_keys, round_groups(np.asarray(values))
