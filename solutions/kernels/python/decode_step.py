"""decode_step: store, then attend over the filled part."""

from llaisys_mini import answer, operators


@answer("decode_step")
def decode_step(query, key, value, keys, values, length, scale):
    ### BEGIN SOLUTION
    keys[length] = key[0]
    values[length] = value[0]
    return operators.attention(query, keys[: length + 1], values[: length + 1], scale)
    ### END SOLUTION
