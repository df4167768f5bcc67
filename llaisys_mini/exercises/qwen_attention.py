"""qwen_attention: the first half of a Qwen3 block."""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.exercise import exercise


@exercise
def qwen_attention(x, positions, layer, config, past):
    """x + output(attention(...)) of the normalised x [L, E]. The L tokens stand at `positions`, after S - L others.

    layer: float32 arrays input_norm [E], query [H D, E], key and value [K D, E], query_norm and key_norm [D],
    output [E, H D]. config: heads, kv_heads, head_dim, eps, theta. past: None, or (keys, values) of the earlier tokens,
    each [S - L, K, D], keys already rotated.
    Returns (x [L, E], (keys, values)) with the keys and values of all S tokens.
    Source: transformers, models/qwen3/modeling_qwen3.py, Qwen3Attention.
    """
    x = np.asarray(x, np.float64)
    h = ops.rms_norm.exact(x, np.asarray(layer["input_norm"], np.float64), config["eps"])
    mixed, cache = attend(h, positions, layer, config, past)
    return x + mixed, cache


def attend(h, positions, layer, config, past):
    """Everything between the norm and the residual."""
    w = {name: np.asarray(value, np.float64) for name, value in layer.items()}
    length, width, eps = len(h), config["head_dim"], config["eps"]
    query = ops.linear.exact(h, w["query"]).reshape(length, config["heads"], width)
    key, value = (ops.linear.exact(h, w[name]).reshape(length, config["kv_heads"], width) for name in ("key", "value"))
    query = ops.rope.exact(ops.rms_norm.exact(query, w["query_norm"], eps), positions, config["theta"])
    key = ops.rope.exact(ops.rms_norm.exact(key, w["key_norm"], eps), positions, config["theta"])
    if past is not None:
        key, value = (np.concatenate([old, new]) for old, new in zip(past, (key, value), strict=True))
    mixed = ops.attention.exact(query, key, value, width**-0.5).reshape(length, -1)
    return ops.linear.exact(mixed, w["output"]), (key, value)


def parameters(rng, width, heads, kv_heads, head_dim):
    """Random weights of a layer's attention."""

    def f32(*shape):
        return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    def norm(size):
        return (1 + 0.3 * rng.normal(size=size)).astype(np.float32)

    return dict(
        input_norm=norm(width),
        query=2 * f32(heads * head_dim, width),
        key=2 * f32(kv_heads * head_dim, width),
        value=2 * f32(kv_heads * head_dim, width),
        query_norm=norm(head_dim),
        key_norm=norm(head_dim),
        output=f32(width, heads * head_dim),
    )


@qwen_attention.cases
def cases(rng):
    def inputs(length, earlier, width, heads, kv_heads, head_dim, theta=1e4):
        config = dict(heads=heads, kv_heads=kv_heads, head_dim=head_dim, eps=1e-6, theta=theta)
        past = None
        if earlier:
            past = tuple(rng.normal(size=(earlier, kv_heads, head_dim)).astype(np.float32) for _ in range(2))
        return dict(
            x=rng.normal(size=(length, width)).astype(np.float32),
            positions=np.arange(earlier, earlier + length),
            layer=parameters(rng, width, heads, kv_heads, head_dim),
            config=config,
            past=past,
        )

    yield "one token, no past", inputs(1, 0, 6, 2, 2, 4)
    yield "a prompt", inputs(5, 0, 8, 4, 2, 4)
    yield "a prompt, another theta", inputs(4, 0, 8, 2, 1, 6, theta=100.0)
    yield "one token after seven", inputs(1, 7, 8, 4, 2, 4)
    yield "three tokens after six", inputs(3, 6, 8, 4, 2, 6)
    a, b, width = (int(i) for i in rng.integers(2, 9, size=3))
    yield "some sizes", inputs(a, b, width, 6, 3, 8)


@qwen_attention.use
def use(answer, **inputs):
    x, (keys, values) = answer(**inputs)
    return {"the result": x, "keys": keys, "values": values}


qwen_attention.leaves_alone("x")


def _changed(**replace):
    """The reference on inputs of which some were changed first: name=function(inputs)."""

    def mistaken(x, positions, layer, config, past):
        inputs = dict(x=x, positions=positions, layer=layer, config=config, past=past)
        return qwen_attention.reference(**inputs | {name: change(inputs) for name, change in replace.items()})

    return mistaken


@qwen_attention.mistake("the residual is missing: x has to be added at the end")
def no_residual(x, positions, layer, config, past):
    result, cache = qwen_attention.reference(x, positions, layer, config, past)
    return result - x, cache


qwen_attention.mistake("positions are counted from 0 for the new tokens, not from where the text stands")(
    _changed(positions=lambda i: np.arange(len(i["x"])))
)
qwen_attention.mistake("query and key are not rotated: rope is missing")(
    _changed(positions=lambda i: np.zeros(len(i["x"]), np.int64))
)
qwen_attention.mistake("the norm of the query is used for the key too")(
    _changed(layer=lambda i: i["layer"] | {"key_norm": i["layer"]["query_norm"]})
)
qwen_attention.mistake("the norms of query and key are forgotten, or do not use their weights")(
    _changed(layer=lambda i: i["layer"] | {n: np.ones_like(i["layer"][n]) for n in ("query_norm", "key_norm")})
)
qwen_attention.mistake("the earlier tokens are forgotten: past is not used")(_changed(past=lambda i: None))


@qwen_attention.mistake("x goes into the projections without its norm")
def not_normalised(x, positions, layer, config, past):
    mixed, cache = attend(x, positions, layer, config, past)
    return x + mixed, cache
