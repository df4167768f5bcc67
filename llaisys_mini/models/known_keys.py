"""Every key that a Qwen2 or Qwen3 config.json may hold, and what becomes of it.

    READ            decides the model's numbers, or when a text ends; models/config.py and models/rope.py read it
    WITHOUT_EFFECT  concerns training, saving, speed or other tasks; the numbers are the same whatever it says
    REFUSED         asks for another computation than the decoder's, unless it has one of the values beside it

The keys are those of Qwen2Config, Qwen3Config and their base class in the transformers library (5.23), those that
earlier versions wrote, and names that other families of models have for what this decoder does not do.
A key that stands nowhere here is ignored with a warning: transformers ignores it too, but its author meant something.
"""

from typing import Any

READ = frozenset(
    """
    model_type architectures auto_map quantization_config compression_config
    vocab_size hidden_size intermediate_size num_hidden_layers max_position_embeddings
    num_attention_heads num_key_value_heads head_dim attention_bias hidden_act rms_norm_eps tie_word_embeddings
    rope_theta rope_parameters rope_scaling original_max_position_embeddings partial_rotary_factor
    use_sliding_window sliding_window max_window_layers layer_types
    bos_token_id eos_token_id pad_token_id
    """.split()
)

WITHOUT_EFFECT = frozenset(
    """
    dtype torch_dtype transformers_version _name_or_path name_or_path _commit_hash model_max_length
    use_cache use_bfloat16 torchscript pretraining_tp chunk_size_feed_forward gradient_checkpointing
    attn_implementation _attn_implementation _attn_implementation_autoset _attn_implementation_internal
    _experts_implementation _experts_implementation_internal experts_implementation use_flash_attn
    initializer_range attention_dropout hidden_dropout resid_pdrop embd_pdrop attn_pdrop tf_legacy_loss
    output_attentions output_hidden_states tie_last_hidden_states return_dict return_dict_in_generate output_scores
    id2label label2id num_labels problem_type finetuning_task task_specific_params classifier_dropout
    tokenizer_class prefix decoder_start_token_id sep_token_id is_decoder tie_encoder_decoder
    cross_attention_hidden_size unsloth_version unsloth_fixed keys_to_ignore_at_inference
    max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p
    min_p typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids
    num_return_sequences forced_bos_token_id forced_eos_token_id remove_invalid_values epsilon_cutoff eta_cutoff
    exponential_decay_length_penalty suppress_tokens begin_suppress_tokens encoder_repetition_penalty
    num_assistant_tokens num_assistant_tokens_schedule assistant_confidence_threshold assistant_lookbehind
    target_lookbehind
    """.split()
)
"""The last six lines are settings of generation, which generation_config.json holds; in config.json transformers
passes over them."""

ONLY_DENSE = "mixture-of-experts models are not supported; choose a dense Qwen2, Qwen2.5 or Qwen3 checkpoint"
ONLY_TEXT = "models for images or audio are not supported; choose a text-only checkpoint"
_ONLY_CAUSAL = "only decoders that look back and predict the next token are supported"
_NO_BIAS = "biases other than those of query, key and value are not supported"
_NO_SCALE = "scaled embeddings, residuals, scores or logits are not supported"
_PLAIN_ATTENTION = "only plain causal attention, whole or in a sliding window, is supported"
_SAME_LAYERS = "layers that differ from each other in more than their window are not supported"

_NOT_SET: tuple[Any, ...] = (None, False, 0, [], {})
_ONE = (None, 1)

REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "partial_rotary_factor": (_ONE, "rotating only a part of each head is not supported"),
    "is_causal": ((None, True), _ONLY_CAUSAL),
    "hidden_activation": ((None, "silu", "swish"), 'only "silu" is supported'),
    **dict.fromkeys(
        ("num_experts", "num_local_experts", "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size"),
        (_NOT_SET, ONLY_DENSE),
    ),
    **dict.fromkeys(
        ("vision_config", "audio_config", "text_config", "thinker_config", "use_mrope"), (_NOT_SET, ONLY_TEXT)
    ),
    **dict.fromkeys(
        ("is_encoder_decoder", "add_cross_attention", "use_bidirectional_attention"), (_NOT_SET, _ONLY_CAUSAL)
    ),
    **dict.fromkeys(("mlp_bias", "use_bias", "add_bias_linear", "lm_head_bias", "o_proj_bias"), (_NOT_SET, _NO_BIAS)),
    **dict.fromkeys(
        ("embedding_multiplier", "residual_multiplier", "logits_scaling", "logit_scale", "scale_emb"),
        (_ONE, _NO_SCALE),
    ),
    **dict.fromkeys(
        ("attention_multiplier", "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping"),
        (_NOT_SET, _NO_SCALE),
    ),
    **dict.fromkeys(
        ("use_attention_sinks", "attention_sinks", "attention_chunk_size", "use_logn_attn", "alibi"),
        (_NOT_SET, _PLAIN_ATTENTION),
    ),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank", "rope_interleave"), (_NOT_SET, _PLAIN_ATTENTION)),
    "use_dynamic_ntk": (_NOT_SET, "frequencies that change with the length of the text are not supported"),
    **dict.fromkeys(
        ("per_layer_config", "pruned_heads", "num_kv_shared_layers", "no_rope_layers", "no_rope_layer_interval"),
        (_NOT_SET, _SAME_LAYERS),
    ),
    **dict.fromkeys(
        ("sandwich_norm", "use_post_norm", "use_parallel_residual"),
        (_NOT_SET, "norms are supported before attention and before the feed-forward block only"),
    ),
}
"""Key: the values under which it changes nothing, and why all others are refused. `1 == 1.0 == True` in Python, so
`_ONE` takes 1.0 as well, and `_NOT_SET` takes 0.0."""

GENERATION_IGNORED: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("num_beams", "num_beam_groups", "typical_p", "encoder_repetition_penalty"), _ONE),
    **dict.fromkeys(
        (
            *("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "sequence_bias"),
            *("suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id"),
            *("epsilon_cutoff", "eta_cutoff", "penalty_alpha", "exponential_decay_length_penalty"),
            *("min_length", "min_new_tokens", "guidance_scale", "stop_strings", "top_h"),
        ),
        _NOT_SET,
    ),
}
"""Keys of generation_config.json that change which text is written and are not supported: the values under which they
change nothing. With any other they are ignored with a warning: the numbers of the model stay right."""
