"""layer_weights: a table of names."""

from llaisys_mini import answer


@answer("layer_weights")
def layer_weights(take, index):
    ### BEGIN SOLUTION
    names = {
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
    return {ours: take(f"model.layers.{index}.{theirs}.weight") for ours, theirs in names.items()}
    ### END SOLUTION
