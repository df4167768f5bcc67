"""qwen_heads: project, normalise, rotate."""

from llaisys_mini import answer, operators


@answer("qwen_heads")
def qwen_heads(x, positions, layer, config):
    ### BEGIN SOLUTION
    length, heads, kv_heads, width = len(x), config["heads"], config["kv_heads"], config["head_dim"]
    h = operators.rms_norm(x, layer["input_norm"], config["eps"])
    query = operators.linear(h, layer["query"], layer["query_bias"]).reshape(length, heads, width)
    key = operators.linear(h, layer["key"], layer["key_bias"]).reshape(length, kv_heads, width)
    value = operators.linear(h, layer["value"], layer["value_bias"]).reshape(length, kv_heads, width)
    if layer["query_norm"] is not None:
        query = operators.rms_norm(query, layer["query_norm"], config["eps"])
        key = operators.rms_norm(key, layer["key_norm"], config["eps"])
    query = operators.rope(query, positions, config["theta"])
    key = operators.rope(key, positions, config["theta"])
    return query, key, value
    ### END SOLUTION
