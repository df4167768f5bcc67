"""qwen_heads: what attention reads in a Qwen block: query, key and value of each head."""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.exercise import exercise


@exercise
def qwen_heads(x, positions, layer, config):
    """Query [L, H, D], key and value [L, K, D] of the rows x [L, E], which stand at `positions` [L].

    layer: float32 arrays, or None where a model has none: input_norm [E], query [H D, E], key and value [K D, E],
    query_bias [H D], key_bias and value_bias [K D], query_norm and key_norm [D]. config: heads, kv_heads, head_dim,
    eps, theta. Qwen2 has the biases, Qwen3 the two norms.
    Source: transformers, models/qwen3/modeling_qwen3.py, Qwen3Attention, and models/qwen2/modeling_qwen2.py.
    """
    x = np.asarray(x, np.float64)
    h = ops.rms_norm.exact(x, np.asarray(layer["input_norm"], np.float64), config["eps"])
    query, key, value = projected(h, layer, config)
    query, key = normalised(query, "query_norm", layer, config), normalised(key, "key_norm", layer, config)
    return turned(query, positions, config), turned(key, positions, config), value


def projected(h, layer, config):
    """Query, key and value of the normalised rows, before their own norms."""
    found = []
    for name, heads in (("query", "heads"), ("key", "kv_heads"), ("value", "kv_heads")):
        bias = layer[f"{name}_bias"]
        weight = np.asarray(layer[name], np.float64)
        row = ops.linear.exact(h, weight, None if bias is None else np.asarray(bias, np.float64))
        found.append(row.reshape(len(h), config[heads], config["head_dim"]))
    return found


def normalised(heads, name, layer, config):
    if layer[name] is None:
        return heads
    return ops.rms_norm.exact(heads, np.asarray(layer[name], np.float64), config["eps"])


def turned(heads, positions, config):
    return ops.rope.exact(heads, positions, config["theta"])


def parameters(rng, width, heads, kv_heads, head_dim, qwen2=False):
    """Random weights of a layer's attention, as Qwen3 has them, or as Qwen2."""

    def f32(*shape):
        return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    def norm(size):
        return (1 + 0.3 * rng.normal(size=size)).astype(np.float32)

    rows = dict(query=heads * head_dim, key=kv_heads * head_dim, value=kv_heads * head_dim)
    return dict(
        input_norm=norm(width),
        **{name: 2 * f32(count, width) for name, count in rows.items()},
        **{f"{name}_bias": norm(count) if qwen2 else None for name, count in rows.items()},
        **{f"{name}_norm": None if qwen2 else norm(head_dim) for name in ("query", "key")},
        output=f32(width, heads * head_dim),
    )


def attention_inputs(rng, length, first, width, heads, kv_heads, head_dim, theta=1e4, qwen2=False):
    """Arguments for `length` rows that stand at the positions from `first` on."""
    return dict(
        x=rng.normal(size=(length, width)).astype(np.float32),
        positions=np.arange(first, first + length),
        layer=parameters(rng, width, heads, kv_heads, head_dim, qwen2),
        config=dict(heads=heads, kv_heads=kv_heads, head_dim=head_dim, eps=1e-6, theta=theta),
    )


@qwen_heads.cases
def cases(rng):
    yield "one token", attention_inputs(rng, 1, 0, 6, 2, 2, 4)
    yield "a prompt", attention_inputs(rng, 5, 0, 8, 4, 2, 4)
    yield "another theta", attention_inputs(rng, 4, 0, 8, 2, 1, 6, theta=100.0)
    yield "a token at position 7", attention_inputs(rng, 1, 7, 8, 4, 2, 4)
    yield "as in Qwen2: biases, and no norms of heads", attention_inputs(rng, 3, 2, 8, 4, 2, 6, qwen2=True)
    length, first, width = (int(i) for i in rng.integers(2, 9, size=3))
    yield "some sizes", attention_inputs(rng, length, first, width, 6, 3, 8)


@qwen_heads.use
def use(answer, **inputs):
    query, key, value = answer(**inputs)
    return {"query": query, "key": key, "value": value}


qwen_heads.leaves_alone("x")


def _changed(**replace):
    """The reference on inputs of which some were changed first: name=function(inputs)."""

    def mistaken(x, positions, layer, config):
        inputs = dict(x=x, positions=positions, layer=layer, config=config)
        return qwen_heads.reference(**inputs | {name: change(inputs) for name, change in replace.items()})

    return mistaken


qwen_heads.mistake("positions are counted from 0 for the new tokens, not from where the text stands")(
    _changed(positions=lambda i: np.arange(len(i["x"])))
)
qwen_heads.mistake("query and key are not rotated: rope is missing")(
    _changed(positions=lambda i: np.zeros(len(i["x"]), np.int64))
)
qwen_heads.mistake("the norm of the query is used for the key too")(
    _changed(layer=lambda i: i["layer"] | {"key_norm": i["layer"]["query_norm"]})
)
qwen_heads.mistake("the norms of query and key are forgotten")(
    _changed(layer=lambda i: i["layer"] | dict.fromkeys(("query_norm", "key_norm")))
)
qwen_heads.mistake("the biases of query, key and value, which Qwen2 has, are forgotten")(
    _changed(layer=lambda i: i["layer"] | dict.fromkeys(("query_bias", "key_bias", "value_bias")))
)


def _taken_apart(change):
    """The reference with a change of what the projections give: change(query, key, value, h, inputs)."""

    def mistaken(x, positions, layer, config):
        wide, norm = np.asarray(x, np.float64), np.asarray(layer["input_norm"], np.float64)
        h = ops.rms_norm.reference(wide, norm, config["eps"])
        inputs = dict(x=x, positions=positions, layer=layer, config=config)
        return change(*projected(h, layer, config), inputs)

    return mistaken


@qwen_heads.mistake("x goes into the projections without its norm")
def not_normalised(x, positions, layer, config):
    query, key, value = projected(np.asarray(x, np.float64), layer, config)
    query, key = normalised(query, "query_norm", layer, config), normalised(key, "key_norm", layer, config)
    return turned(query, positions, config), turned(key, positions, config), value


@qwen_heads.mistake("query and key are rotated before their norms; the norms come first")
@_taken_apart
def rotated_first(query, key, value, inputs):
    layer, config = inputs["layer"], inputs["config"]
    query, key = (turned(heads, inputs["positions"], config) for heads in (query, key))
    return normalised(query, "query_norm", layer, config), normalised(key, "key_norm", layer, config), value


@qwen_heads.mistake("the value is rotated too; only query and key are")
def value_rotated(x, positions, layer, config):
    query, key, value = qwen_heads.reference(x, positions, layer, config)
    return query, key, turned(value, positions, config)


@qwen_heads.mistake("the value is normalised as the key is; it has no norm")
def value_normalised(x, positions, layer, config):
    query, key, value = qwen_heads.reference(x, positions, layer, config)
    return query, key, normalised(value, "key_norm", layer, config)


@qwen_heads.mistake(
    "a row [H D] is cut as if its heads were interleaved: reshape(L, D, H); a head is D numbers one behind the other"
)
@_taken_apart
def cut_across(query, key, value, inputs):
    layer, config, positions = inputs["layer"], inputs["config"], inputs["positions"]
    query, key, value = (
        heads.reshape(len(heads), config["head_dim"], -1).transpose(0, 2, 1) for heads in (query, key, value)
    )
    query, key = normalised(query, "query_norm", layer, config), normalised(key, "key_norm", layer, config)
    return turned(query, positions, config), turned(key, positions, config), value


@qwen_heads.mistake(
    "the rows [L, H D] are reshaped to [H, L, D] and turned round, which mixes tokens; reshape(L, H, D) is asked for"
)
@_taken_apart
def reshaped_for_transposed(query, key, value, inputs):
    layer, config, positions = inputs["layer"], inputs["config"], inputs["positions"]
    query, key, value = (
        heads.reshape(heads.shape[1], heads.shape[0], -1).transpose(1, 0, 2) for heads in (query, key, value)
    )
    query, key = normalised(query, "query_norm", layer, config), normalised(key, "key_norm", layer, config)
    return turned(query, positions, config), turned(key, positions, config), value
