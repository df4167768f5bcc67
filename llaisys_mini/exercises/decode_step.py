"""decode_step: attention of one new token, with the keys and values of all earlier ones from the cache."""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.exercise import exercise


@exercise
def decode_step(query, key, value, keys, values, length, scale):
    """Attention of the next position. query [1, H, D], key and value [1, K, D] belong to it; keys and values
    [capacity, K, D] hold those of the first `length` positions, and anything behind.

    Stores key and value at position `length` of the cache, and returns the attention of the query over the length + 1
    positions: float32 [1, H, D].
    """
    keys[length], values[length] = key[0], value[0]
    seen = length + 1
    result = ops.attention.exact(*(np.asarray(a, np.float64) for a in (query, keys[:seen], values[:seen])), scale)
    return result.astype(np.float32)


@decode_step.cases
def cases(rng):
    def inputs(length, capacity, heads, kv_heads, width):
        def f32(*shape):
            return rng.normal(size=shape).astype(np.float32)

        return dict(
            query=f32(1, heads, width),
            key=f32(1, kv_heads, width),
            value=f32(1, kv_heads, width),
            keys=f32(capacity, kv_heads, width),
            values=f32(capacity, kv_heads, width),
            length=length,
            scale=width**-0.5,
        )

    yield "the first token", inputs(0, 4, 2, 2, 4)
    yield "the second token", inputs(1, 4, 2, 1, 4)
    yield "the cache becomes full", inputs(7, 8, 4, 2, 6)
    yield "a long cache", inputs(20, 64, 6, 3, 8)
    length, width = (int(i) for i in rng.integers(2, 30, size=2))
    yield "some sizes", inputs(length, length + 5, 4, 2, width)


@decode_step.use
def use(answer, **inputs):
    result = answer(**inputs)
    return {"the result": result, "keys of the cache": inputs["keys"], "values of the cache": inputs["values"]}


@decode_step.mistake("the new position is stored but not attended to: the query sees `length` positions, not one more")
def own_left_out(query, key, value, keys, values, length, scale):
    keys[length], values[length] = key[0], value[0]
    seen = max(length, 1)
    return ops.attention.reference(query, keys[:seen], values[:seen], scale)


@decode_step.mistake("the whole cache is attended to, with what lies behind the filled part")
def all_of_it(query, key, value, keys, values, length, scale):
    keys[length], values[length] = key[0], value[0]
    return ops.attention.reference(query, keys, values, scale)


@decode_step.mistake("the cache is not written")
def not_stored(query, key, value, keys, values, length, scale):
    return decode_step.reference(query, key, value, keys.copy(), values.copy(), length, scale)


@decode_step.mistake("key and value are stored one position too late")
def one_too_late(query, key, value, keys, values, length, scale):
    place = min(length + 1, len(keys) - 1)
    keys[place], values[place] = key[0], value[0]
    return ops.attention.reference(query, keys[: place + 1], values[: place + 1], scale)


@decode_step.mistake("the key is stored in both halves of the cache")
def value_lost(query, key, value, keys, values, length, scale):
    return decode_step.reference(query, key, key, keys, values, length, scale)


@decode_step.mistake("the scores are not scaled")
def not_scaled(query, key, value, keys, values, length, scale):
    return decode_step.reference(query, key, value, keys, values, length, 1.0)
