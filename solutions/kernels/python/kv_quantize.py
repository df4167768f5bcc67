"""kv_quantize: one function that rounds along an axis, called for each block of keys and once for the values."""

import numpy as np

from llaisys_mini import answer


### BEGIN SOLUTION
def rounded(x, bits, axis):
    lowest = np.minimum(x.min(axis=axis, keepdims=True), 0)
    highest = np.maximum(x.max(axis=axis, keepdims=True), 0)
    scale = (highest - lowest) / (2**bits - 1)
    scale[scale == 0] = 1
    zero = np.round(-lowest / scale)
    return scale * ((np.round(x / scale) + zero).clip(0, 2**bits - 1) - zero)


### END SOLUTION
@answer("kv_quantize")
def kv_quantize(keys, values, bits, block):
    ### BEGIN SOLUTION
    rounded_keys = keys.copy()
    for first in range(0, len(keys) - block + 1, block):
        rounded_keys[first : first + block] = rounded(keys[first : first + block], bits, axis=0)
    return rounded_keys, rounded(values, bits, axis=1)
    ### END SOLUTION
