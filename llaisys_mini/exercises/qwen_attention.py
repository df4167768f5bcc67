"""qwen_attention: the first half of a Qwen block, for a text from its beginning."""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.exercise import exercise
from llaisys_mini.exercises.qwen_heads import attention_inputs, qwen_heads


@exercise
def qwen_attention(x, positions, layer, config):
    """x [L, E] plus what attention adds to it. The L tokens are a text from its beginning, at `positions`, 0 to L - 1.

    layer, config: as for qwen_heads, and output [E, H D]. Returns [L, E].
    Source: transformers, models/qwen3/modeling_qwen3.py, Qwen3Attention and Qwen3DecoderLayer.
    """
    x = np.asarray(x, np.float64)
    query, key, value = qwen_heads.reference(x, positions, layer, config)
    mixed = ops.attention.exact(query, key, value, config["head_dim"] ** -0.5).reshape(len(x), -1)
    return ops.add.exact(x, ops.linear.exact(mixed, np.asarray(layer["output"], np.float64)))


qwen_attention.builds_on("qwen_heads")
qwen_attention.leaves_alone("x")


@qwen_attention.cases
def cases(rng):
    yield "one token", attention_inputs(rng, 1, 0, 6, 2, 2, 4)
    yield "a prompt", attention_inputs(rng, 5, 0, 8, 4, 2, 4)
    yield "another theta", attention_inputs(rng, 4, 0, 8, 2, 1, 6, theta=100.0)
    yield "as in Qwen2: biases, and no norms of heads", attention_inputs(rng, 3, 0, 8, 4, 2, 6, qwen2=True)
    length, width = (int(i) for i in rng.integers(2, 9, size=2))
    yield "some sizes", attention_inputs(rng, length, 0, width, 6, 3, 8)


@qwen_attention.mistake("the residual is missing: x has to be added at the end")
def no_residual(x, positions, layer, config):
    return qwen_attention.reference(x, positions, layer, config) - x


@qwen_attention.mistake("the normalised x is added at the end; it has to be x itself")
def residual_of_norm(x, positions, layer, config):
    h = ops.rms_norm.reference(np.asarray(x, np.float64), np.asarray(layer["input_norm"], np.float64), config["eps"])
    return no_residual(x, positions, layer, config) + h


@qwen_attention.mistake("the scores are not scaled by 1 / sqrt(D)")
def not_scaled(x, positions, layer, config):
    query, key, value = qwen_heads.reference(x, positions, layer, config)
    mixed = ops.attention.reference(query, key, value, 1.0).reshape(len(x), -1)
    return x + mixed @ np.asarray(layer["output"], np.float64).T


@qwen_attention.mistake("the scale is made of the hidden width E; it is that of one head, 1 / sqrt(D)")
def scaled_by_width(x, positions, layer, config):
    query, key, value = qwen_heads.reference(x, positions, layer, config)
    mixed = ops.attention.reference(query, key, value, x.shape[1] ** -0.5).reshape(len(x), -1)
    return x + mixed @ np.asarray(layer["output"], np.float64).T


@qwen_attention.mistake("key and value are handed to attention in the other order")
def key_for_value(x, positions, layer, config):
    query, key, value = qwen_heads.reference(x, positions, layer, config)
    mixed = ops.attention.reference(query, value, key, config["head_dim"] ** -0.5).reshape(len(x), -1)
    return x + mixed @ np.asarray(layer["output"], np.float64).T
