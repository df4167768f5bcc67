"""Three published models as their files describe them: config, generation settings, control tokens, chat template.

The configs are the published ones. `shrunk` says what the tests change: width, layers and vocabulary shrink, and the
relations that matter stay: heads per key head, whether heads are wider than hidden / heads, what is tied, which ids
are control tokens. The chat templates lay out a conversation as the published ones do, and are written anew.
"""

from dataclasses import dataclass
from typing import Any

QWEN3_TEMPLATE = """
{%- for message in messages -%}
    {%- set content = message.content -%}
    {%- if message.role == 'assistant' and '</think>' in content -%}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') -%}
    {%- endif -%}
    {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
    {%- if enable_thinking is defined and enable_thinking is false -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}
{%- endif -%}
"""
QWEN3_THINKING_TEMPLATE = QWEN3_TEMPLATE.replace(
    "{{- '<|im_start|>assistant\\n' -}}\n", "{{- '<|im_start|>assistant\\n<think>\\n' -}}\n"
)
"""As Qwen3-Thinking-2507: it opens the thoughts itself."""
QWEN2_TEMPLATE = """
{%- if messages[0].role != 'system' -%}{{- '<|im_start|>system\\nYou help.<|im_end|>\\n' -}}{%- endif -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
DEEPSEEK_TEMPLATE = """
{%- set ns = namespace(system='') -%}
{%- for message in messages -%}{%- if message.role == 'system' -%}{%- set ns.system = message.content -%}{%- endif -%}
{%- endfor -%}
{{- bos_token + ns.system -}}
{%- for message in messages -%}
    {%- if message.role == 'user' -%}{{- '<｜User｜>' + message.content -}}{%- endif -%}
    {%- if message.role == 'assistant' and message.content is not none -%}
        {{- '<｜Assistant｜>' + message.content.split('</think>')[-1] + '<｜end▁of▁sentence｜>' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<｜Assistant｜><think>\\n' -}}{%- endif -%}
"""


@dataclass(frozen=True)
class Published:
    """One model. config, generation: its two files; shrunk: what the tests change in the config.

    control: control tokens by their published id, and whether they are special.
    settings: tokenizer_config.json but for the tokens; lists_tokens: whether that file lists them.
    begin: the token that tokenizer.json puts in front of a text.
    stores_head: whether the file of a tied model holds the head all the same.
    """

    config: dict[str, Any]
    generation: dict[str, Any]
    shrunk: dict[str, Any]
    control: dict[int, tuple[str, bool]]
    template: str
    settings: dict[str, Any]
    lists_tokens: bool = True
    begin: str | None = None
    stores_head: bool = False


QWEN_CONTROL = {151643: ("<|endoftext|>", True), 151644: ("<|im_start|>", True), 151645: ("<|im_end|>", True)}
QWEN_SETTINGS = {
    "add_bos_token": False,
    "add_prefix_space": False,
    "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
    "bos_token": None,
    "clean_up_tokenization_spaces": False,
    "eos_token": "<|im_end|>",
    "errors": "replace",
    "model_max_length": 131072,
    "pad_token": "<|endoftext|>",
    "split_special_tokens": False,
    "tokenizer_class": "Qwen2Tokenizer",
    "unk_token": None,
}
QWEN3_0_6B = Published(
    config={
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "head_dim": 128,
        "hidden_act": "silu",
        "hidden_size": 1024,
        "initializer_range": 0.02,
        "intermediate_size": 3072,
        "max_position_embeddings": 40960,
        "max_window_layers": 28,
        "model_type": "qwen3",
        "num_attention_heads": 16,
        "num_hidden_layers": 28,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.0",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": 151936,
    },
    generation={
        "bos_token_id": 151643,
        "do_sample": True,
        "eos_token_id": [151645, 151643],
        "pad_token_id": 151643,
        "temperature": 0.6,
        "top_k": 20,
        "top_p": 0.95,
        "transformers_version": "4.51.0",
    },
    shrunk={"hidden_size": 32, "head_dim": 16, "intermediate_size": 96, "num_attention_heads": 4}
    | {"num_hidden_layers": 3, "num_key_value_heads": 2, "vocab_size": 320},
    control=QWEN_CONTROL | {151667: ("<think>", False), 151668: ("</think>", False)},
    template=QWEN3_TEMPLATE,
    settings=QWEN_SETTINGS,
    stores_head=True,
)
QWEN2_5_1_5B = Published(
    config={
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "hidden_act": "silu",
        "hidden_size": 1536,
        "initializer_range": 0.02,
        "intermediate_size": 8960,
        "max_position_embeddings": 32768,
        "max_window_layers": 21,
        "model_type": "qwen2",
        "num_attention_heads": 12,
        "num_hidden_layers": 28,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.43.1",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": 151936,
    },
    generation={
        "bos_token_id": 151643,
        "pad_token_id": 151643,
        "do_sample": True,
        "eos_token_id": [151645, 151643],
        "repetition_penalty": 1.1,
        "temperature": 0.7,
        "top_p": 0.8,
        "top_k": 20,
        "transformers_version": "4.37.0",
    },
    shrunk={"hidden_size": 48, "intermediate_size": 280, "num_attention_heads": 6, "num_hidden_layers": 3}
    | {"num_key_value_heads": 1, "vocab_size": 320},
    control=QWEN_CONTROL | {151657: ("<tool_call>", False), 151658: ("</tool_call>", False)},
    template=QWEN2_TEMPLATE,
    settings=QWEN_SETTINGS,
)


def _named(content: str) -> dict[str, Any]:
    return {
        "__type": "AddedToken",
        "content": content,
        "lstrip": False,
        "normalized": True,
        "rstrip": False,
        "single_word": False,
    }


DEEPSEEK_1_5B = Published(
    config=QWEN2_5_1_5B.config
    | {
        "eos_token_id": 151643,
        "max_position_embeddings": 131072,
        "rope_theta": 10000,
        "sliding_window": 4096,
        "tie_word_embeddings": False,
        "transformers_version": "4.44.0",
        "use_mrope": False,
    },
    generation={
        "_from_model_config": True,
        "bos_token_id": 151646,
        "eos_token_id": 151643,
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "transformers_version": "4.39.3",
    },
    shrunk=QWEN2_5_1_5B.shrunk,
    control={
        151643: ("<｜end▁of▁sentence｜>", True),
        151644: ("<｜User｜>", False),
        151645: ("<｜Assistant｜>", False),
        151646: ("<｜begin▁of▁sentence｜>", True),
        151647: ("<|EOT|>", False),
        151648: ("<think>", False),
        151649: ("</think>", False),
    },
    template=DEEPSEEK_TEMPLATE,
    settings={
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": _named("<｜begin▁of▁sentence｜>"),
        "clean_up_tokenization_spaces": False,
        "eos_token": _named("<｜end▁of▁sentence｜>"),
        "legacy": True,
        "model_max_length": 16384,
        "pad_token": _named("<｜end▁of▁sentence｜>"),
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizerFast",
        "unk_token": None,
    },
    lists_tokens=False,
    begin="<｜begin▁of▁sentence｜>",
)
MODELS = {
    "Qwen3-0.6B": QWEN3_0_6B,
    "Qwen2.5-1.5B-Instruct": QWEN2_5_1_5B,
    "DeepSeek-R1-Distill-Qwen-1.5B": DEEPSEEK_1_5B,
}
