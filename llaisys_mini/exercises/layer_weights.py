"""layer_weights: from the names in a checkpoint to the arrays of one layer."""

import zlib

import numpy as np

from llaisys_mini.exercise import exercise

NAMES = {
    "input_norm": "input_layernorm.weight",
    "query": "self_attn.q_proj.weight",
    "key": "self_attn.k_proj.weight",
    "value": "self_attn.v_proj.weight",
    "query_bias": "self_attn.q_proj.bias",
    "key_bias": "self_attn.k_proj.bias",
    "value_bias": "self_attn.v_proj.bias",
    "query_norm": "self_attn.q_norm.weight",
    "key_norm": "self_attn.k_norm.weight",
    "output": "self_attn.o_proj.weight",
    "post_norm": "post_attention_layernorm.weight",
    "gate": "mlp.gate_proj.weight",
    "up": "mlp.up_proj.weight",
    "down": "mlp.down_proj.weight",
}
"""Name in our dictionaries -> name within a layer of a Qwen checkpoint."""

IN_A_LAYER = sorted(NAMES.values())
"""What `use` needs is only which names there are. NAMES, which pairs them, is the answer and is not there when a
learner's is judged."""


@exercise
def layer_weights(take, index):
    """The weights of layer `index` of a Qwen checkpoint: a dictionary with the fourteen entries of the lab's table.

    take: function from a name in the checkpoint, such as "model.layers.0.mlp.up_proj.weight", to its array, or to None
    where the checkpoint has none of that name: Qwen3 has no biases, and Qwen2 no norms of query and key.
    """
    return {name: take(f"model.layers.{index}.{theirs}") for name, theirs in NAMES.items()}


@layer_weights.cases
def cases(rng):
    for index in (0, 3, 11, int(rng.integers(12, 40))):
        yield f"layer {index} of a Qwen3", dict(index=index, lacks=".bias")
    yield "layer 2 of a Qwen2", dict(index=2, lacks="_norm.weight")


@layer_weights.use
def use(answer, index, lacks):
    layers = [f"model.layers.{i}." for i in range(index + 2)]
    known = {layer + name for layer in layers for name in IN_A_LAYER if not name.endswith(lacks)}

    def take(name):
        if name in known:
            return np.array([zlib.crc32(name.encode())])  # another number for each name
        if name.endswith(lacks):
            return None
        raise KeyError(f"the checkpoint has no tensor {name!r}")

    return answer(take, index)


def _renamed(**other):
    def mistaken(take, index):
        names = NAMES | {ours: NAMES[theirs] for ours, theirs in other.items()}
        return {name: take(f"model.layers.{index}.{theirs}") for name, theirs in names.items()}

    return mistaken


layer_weights.mistake("gate and up are swapped")(_renamed(gate="up", up="gate"))
layer_weights.mistake("the two norms of the layer are swapped: input_layernorm comes before attention")(
    _renamed(input_norm="post_norm", post_norm="input_norm")
)
layer_weights.mistake("the norms of query and key are swapped")(_renamed(query_norm="key_norm", key_norm="query_norm"))


@layer_weights.mistake("every layer gets the weights of layer 0")
def always_first(take, index):
    return layer_weights.reference(take, 0)


@layer_weights.mistake("layers are counted from 1")
def from_one(take, index):
    return layer_weights.reference(take, index + 1)


@layer_weights.mistake("the biases, which Qwen2 has, are left out")
def no_biases(take, index):
    return layer_weights.reference(take, index) | dict.fromkeys(("query_bias", "key_bias", "value_bias"))
