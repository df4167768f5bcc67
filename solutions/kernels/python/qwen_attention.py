"""qwen_attention: query, key and value, attention, the output projection, and the stream."""

from llaisys_mini import answer, exercises, operators


@answer("qwen_attention")
def qwen_attention(x, positions, layer, config):
    heads = exercises.get("qwen_heads")
    ### BEGIN SOLUTION
    query, key, value = heads(x, positions, layer, config)
    mixed = operators.attention(query, key, value, config["head_dim"] ** -0.5)
    return operators.add(x, operators.linear(mixed.reshape(len(x), -1), layer["output"]))
    ### END SOLUTION
