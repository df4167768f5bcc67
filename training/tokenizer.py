"""Train the byte-level BPE tokenizer and write the files a Hugging Face folder has beside its weights.

The tokenizer is built as Qwen's is: NFC, Qwen's pre-tokeniser (words with their leading space, single digits,
punctuation), byte-level merges, and the same special tokens. Only the merges are our own, learned from the course's
text. It is trained once and then kept: another tokenizer would make every trained weight meaningless.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from llaisys_mini.training.vocabulary import learn_tokenizer

from .corpus import FIRST_MIXTURE, documents, tables
from .corpus.conversations import END_OF_TEXT, THINK_END, THINK_START, TURN_END, TURN_START

VOCABULARY_SIZE = 2048
CONTEXT_LENGTH = 2048
TRAINING_DOCUMENTS = 60_000
TRAINING_SEED = 7
NAME_REPETITIONS = 3000

SPECIAL_TOKENS = [END_OF_TEXT, TURN_START, TURN_END]
THINK_TOKENS = [THINK_START, THINK_END]

# Prints the same as Qwen3's own template for system, user and assistant turns.
CHAT_TEMPLATE = """\
{%- set state = namespace(last_question=messages | length - 1) -%}
{%- for message in messages -%}
    {%- if message.role == 'user' -%}{%- set state.last_question = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
    {%- if message.role != 'assistant' -%}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
    {%- else -%}
        {%- set answer = message.content -%}
        {%- set thinking = '' -%}
        {%- if message.reasoning_content is string -%}
            {%- set thinking = message.reasoning_content -%}
        {%- elif '</think>' in answer -%}
            {%- set thinking = answer.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') -%}
            {%- set answer = answer.split('</think>')[-1].lstrip('\\n') -%}
        {%- endif -%}
        {{- '<|im_start|>assistant\\n' -}}
        {%- if loop.index0 > state.last_question and (loop.last or thinking) -%}
            {{- '<think>\\n' + thinking.strip('\\n') + '\\n</think>\\n\\n' + answer.lstrip('\\n') -}}
        {%- else -%}
            {{- answer -}}
        {%- endif -%}
        {{- '<|im_end|>\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
    {%- if enable_thinking is defined and enable_thinking is false -%}
        {{- '<think>\\n\\n</think>\\n\\n' -}}
    {%- endif -%}
{%- endif -%}
"""


def _training_texts() -> Iterator[str]:
    """Plain text of many documents, without the special tokens, which are no part of what BPE merges."""
    stream = documents(TRAINING_SEED, lambda document: sum(len(text) for text, _ in document) // 4, FIRST_MIXTURE)
    for _, (_, document) in zip(range(TRAINING_DOCUMENTS), stream, strict=False):
        for text, _ in document:
            for token in SPECIAL_TOKENS + THINK_TOKENS:
                text = text.replace(token, "\n")
            yield text
    # The name at the start of a paragraph is another string than " name" within it. Make both one token each, so that
    # keeping to a name is always the copying of one token.
    for name in tables.GIRL_NAMES + tables.BOY_NAMES:
        yield f"{name}\n" * NAME_REPETITIONS


def train_tokenizer() -> Tokenizer:
    # As in Qwen3, the tokens of thinking are single ones but are not hidden when text is decoded.
    return learn_tokenizer(_training_texts(), VOCABULARY_SIZE, SPECIAL_TOKENS, visible=THINK_TOKENS)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tokenizer_files(folder: Path, tokenizer: Tokenizer) -> None:
    """Write tokenizer.json, tokenizer_config.json and generation_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    added = json.loads(tokenizer.to_str())["added_tokens"]
    _write_json(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": {
                str(token["id"]): {key: value for key, value in token.items() if key != "id"} for token in added
            },
            "bos_token": None,
            "chat_template": CHAT_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": TURN_END,
            "errors": "replace",
            "model_max_length": CONTEXT_LENGTH,
            "pad_token": END_OF_TEXT,
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        },
    )
    _write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": tokenizer.token_to_id(END_OF_TEXT),
            "do_sample": True,
            "eos_token_id": [tokenizer.token_to_id(TURN_END), tokenizer.token_to_id(END_OF_TEXT)],
            "pad_token_id": tokenizer.token_to_id(END_OF_TEXT),
            "temperature": 0.6,
            "top_k": 20,
            "top_p": 0.95,
        },
    )


def load_or_train_tokenizer(folder: Path) -> Tokenizer:
    """Use the tokenizer of the folder where there is one, else train it and write its files."""
    if (folder / "tokenizer.json").exists():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer = train_tokenizer()
    write_tokenizer_files(folder, tokenizer)
    return tokenizer
