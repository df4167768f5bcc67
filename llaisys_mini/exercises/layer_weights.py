"""layer_weights: from the names in a checkpoint to the arrays of one layer."""

import zlib

import numpy as np

from llaisys_mini.exercise import exercise

NAMES = {
    "input_norm": "input_layernorm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "query_norm": "self_attn.q_norm",
    "key_norm": "self_attn.k_norm",
    "output": "self_attn.o_proj",
    "post_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
"""Name in our dictionaries -> name within a layer of a Qwen3 checkpoint."""

IN_A_LAYER = sorted(NAMES.values())
"""What `use` needs is only which names there are. NAMES, which pairs them, is the answer and is not there when a
learner's is judged."""


@exercise
def layer_weights(take, index):
    """The weights of layer `index` of a Qwen3 checkpoint: a dictionary with the eleven entries of the lab's table.

    take: function from a name in the checkpoint, such as "model.layers.0.mlp.up_proj.weight", to its array.
    """
    return {name: take(f"model.layers.{index}.{theirs}.weight") for name, theirs in NAMES.items()}


@layer_weights.cases
def cases(rng):
    for index in (0, 3, 11, int(rng.integers(12, 40))):
        yield f"layer {index}", dict(index=index)


@layer_weights.use
def use(answer, index):
    known = {f"model.layers.{i}.{name}.weight" for i in range(index + 2) for name in IN_A_LAYER}

    def take(name):
        if name not in known:
            raise KeyError(f"the checkpoint has no tensor {name!r}")
        return np.array([zlib.crc32(name.encode())])  # another number for each name

    return answer(take, index)


def _renamed(**other):
    def mistaken(take, index):
        names = NAMES | {ours: NAMES[theirs] for ours, theirs in other.items()}
        return {name: take(f"model.layers.{index}.{theirs}.weight") for name, theirs in names.items()}

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
