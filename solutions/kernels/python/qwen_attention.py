"""qwen_attention: project, normalise, rotate, remember, attend, project."""

import numpy as np

from llaisys_mini import answer, operators


@answer("qwen_attention")
def qwen_attention(x, positions, layer, config, past):
    ### BEGIN SOLUTION
    length, heads, kv_heads, width = len(x), config["heads"], config["kv_heads"], config["head_dim"]
    h = operators.rms_norm(x, layer["input_norm"], config["eps"])
    query = operators.linear(h, layer["query"]).reshape(length, heads, width)
    key = operators.linear(h, layer["key"]).reshape(length, kv_heads, width)
    value = operators.linear(h, layer["value"]).reshape(length, kv_heads, width)
    query = operators.rms_norm(query, layer["query_norm"], config["eps"])
    key = operators.rms_norm(key, layer["key_norm"], config["eps"])
    query = operators.rope(query, positions, config["theta"])
    key = operators.rope(key, positions, config["theta"])
    if past is not None:
        key = np.concatenate([past[0], key])
        value = np.concatenate([past[1], value])
    mixed = operators.attention(query, key, value, width**-0.5).reshape(length, heads * width)
    return operators.add(x, operators.linear(mixed, layer["output"])), (key, value)
    ### END SOLUTION
