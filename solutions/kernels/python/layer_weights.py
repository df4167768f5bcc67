"""layer_weights: a table of names."""

from llaisys_mini import answer


@answer("layer_weights")
def layer_weights(take, index):
    ### BEGIN SOLUTION
    names = {
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
    return {ours: take(f"model.layers.{index}.{theirs}") for ours, theirs in names.items()}
    ### END SOLUTION
