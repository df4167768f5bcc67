"""Writes folders in the form of published models, in the sizes of the tests: all but the weights.

The tokenizers have the published control tokens, in their order, after a small vocabulary.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tests.models.published import Published

_FIRST_CONTROL = 151643  # id of the first control token of all three; below it is the vocabulary that shrinks
_QWEN_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def shrunk_config(model: Published) -> dict[str, Any]:
    """The published config.json with the sizes of the tests, and ids that fit them."""
    config = model.config | model.shrunk
    return config | {key: _shrunk_ids(config[key]) for key in ("bos_token_id", "eos_token_id")}


def write_descriptions(model: Published, folder: Path) -> Path:
    """Everything but the weights, in the sizes of the tests."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {key: _shrunk_ids(value) for key, value in model.generation.items() if key.endswith("token_id")}
    _write(folder / "config.json", shrunk_config(model))
    _write(folder / "generation_config.json", model.generation | ids)
    write_tokenizer(model, folder)
    return folder


def write_tokenizer(model: Published, folder: Path) -> None:
    bpe, control = _byte_pairs(), {_shrunk_id(number): token for number, token in model.control.items()}
    for number in range(bpe.get_vocab_size(), max(control) + 1):  # the ids between the published ones are taken too
        content, special = control.get(number, (f"<|unused_{number}|>", True))
        add = bpe.add_special_tokens if special else bpe.add_tokens
        add([AddedToken(content, special=special, normalized=False)])
    if model.begin is not None:
        bpe.post_processor = processors.TemplateProcessing(
            single=f"{model.begin} $A",
            pair=f"{model.begin} $A {model.begin}:1 $B:1",
            special_tokens=[(model.begin, bpe.token_to_id(model.begin))],
        )
    bpe.save(str(folder / "tokenizer.json"))
    listed = {
        str(number): {
            "content": token.content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": token.special,
        }
        for number, token in bpe.get_added_tokens_decoder().items()
    }
    tokens = {"added_tokens_decoder": listed} if model.lists_tokens else {}
    _write(folder / "tokenizer_config.json", model.settings | tokens | {"chat_template": model.template})


def _byte_pairs() -> Tokenizer:
    """A byte-level encoding as Qwen's, with few merges."""
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("h", "e"), ("l", "l"), ("Ġ", "t"), ("Ġt", "he"), ("i", "n"), ("ä", "½"), ("ä½", "ł"), ("Ġ", "a")]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, *(a + b for a, b in merges)])}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    bpe.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(_QWEN_PIECES), behavior="isolated")
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.ByteLevel(trim_offsets=False)
    return bpe


def _shrunk_id(number: int) -> int:
    return number - _FIRST_CONTROL + _byte_pairs().get_vocab_size()


def _shrunk_ids(ids: int | list[int]) -> int | list[int]:
    return [_shrunk_id(one) for one in ids] if isinstance(ids, list) else _shrunk_id(ids)


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
