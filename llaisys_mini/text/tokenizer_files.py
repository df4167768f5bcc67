"""The files of a checkpoint that tell of its tokenizer, read as the transformers library reads them.

    tokenizer.json           the byte-pair encoding, its control tokens, and what is put around a text
    tokenizer_config.json    named control tokens, the chat template, more tokens (`added_tokens_decoder`)
    chat_template.jinja      the chat template; wins over the one of tokenizer_config.json
    special_tokens_map.json, added_tokens.json
                             named and further tokens, of older checkpoints; read unless tokenizer_config.json lists
                             its own in `added_tokens_decoder`

A token that only a later file knows is added to the encoding: unless it were, it would be spelled out in letters.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken

from llaisys_mini.errors import TokenizerError, warn_about_checkpoint

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)

_ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_FURTHER = ("extra_special_tokens", "additional_special_tokens")  # the later and the earlier name of one list


@dataclass(frozen=True)
class TokenizerFiles:
    """bpe: the library's tokenizer with all tokens; chat_template: Jinja source; special_tokens: text by role."""

    bpe: tokenizers.Tokenizer
    chat_template: str | None
    special_tokens: dict[str, str]


def read(folder: Path) -> TokenizerFiles:
    """Everything that `folder` says. Raises TokenizerError where tokenizer.json is missing or a file is broken."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise TokenizerError(f"{path} does not exist. Give a checkpoint folder with a tokenizer in it.")
    try:
        bpe = tokenizers.Tokenizer.from_str(_read_text(path))
    except TokenizerError:
        raise
    except Exception as problem:  # the library raises bare Exceptions
        raise TokenizerError(f"{path} is not a tokenizer ({problem}). Download it again.") from None
    settings = dict(_read_object(folder / "tokenizer_config.json"))
    if "added_tokens_decoder" not in settings:
        older = _read_object(folder / "special_tokens_map.json")
        has_list = any(name in settings for name in _FURTHER)  # then the older one does not count
        settings |= {key: value for key, value in older.items() if not (has_list and key in _FURTHER)}
    named = {role: token for role in _ROLES if (token := _content(settings.get(role))) is not None}
    further = _further_tokens(settings)
    _add(bpe, _listed_tokens(folder, settings, {*named.values(), *further}), [*named.values(), *further])
    bpe.encode_special_tokens = settings.get("split_special_tokens") is True
    return TokenizerFiles(bpe, _find_template(folder, settings), named)


def _add(bpe: tokenizers.Tokenizer, listed: Mapping[int, AddedToken], special: list[str]) -> None:
    """Add the tokens that the encoding does not know. It numbers new ones itself, from its largest id on."""
    bpe.add_tokens([listed[token_id] for token_id in sorted(listed)])
    bpe.add_special_tokens([AddedToken(text, special=True) for text in special])
    for token_id, token in listed.items():
        given = bpe.token_to_id(token.content)
        if given != token_id:
            warn_about_checkpoint(
                f"the tokenizer's files give {token.content!r:.80} the id {token_id}, but tokenizer.json leads to "
                f"{given}, which is used."
            )


def _listed_tokens(folder: Path, settings: Mapping[str, Any], special: set[str]) -> dict[int, AddedToken]:
    """Tokens that come with their id: `added_tokens_decoder` of tokenizer_config.json, else added_tokens.json."""
    try:
        if "added_tokens_decoder" in settings:
            listed = settings["added_tokens_decoder"] or {}
            return {int(number): AddedToken(**_flags(token)) for number, token in listed.items()}
        older = _read_object(folder / "added_tokens.json")
        return {
            int(number): AddedToken(text, normalized=text not in special, special=text in special)
            for text, number in older.items()
        }
    except (AttributeError, TypeError, ValueError) as problem:
        raise TokenizerError(
            f"{folder}: the added tokens cannot be read ({problem}). Download its files again."
        ) from None


def _flags(token: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an AddedToken, without the mark that some files add."""
    if _content(token) is None:
        raise ValueError("one has no text as its `content`")
    return {name: value for name, value in token.items() if name != "__type"}


def _further_tokens(settings: Mapping[str, Any]) -> list[str]:
    """Control tokens without one of the usual roles: lists or dicts of them, and keys such as `image_token`."""
    found: Any = next((settings[name] for name in _FURTHER if settings.get(name)), [])
    tokens = [value for key, value in settings.items() if key.endswith("_token") and key not in _ROLES]
    tokens += found.values() if isinstance(found, Mapping) else found if isinstance(found, list) else []
    return [text for token in tokens if (text := _content(token)) is not None]


def _content(token: Any) -> str | None:
    """The text of a token that is written as a text or as {"content": text, ...}; None for anything else."""
    token = token.get("content") if isinstance(token, Mapping) else token
    return token if isinstance(token, str) and token else None


def _find_template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The source: chat_template.jinja, else `chat_template` of tokenizer_config.json, a text or several named texts."""
    if (folder / "chat_template.jinja").is_file():
        return _read_text(folder / "chat_template.jinja")
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = [one for one in template if isinstance(one, dict)]
        template = next((one.get("template") for one in named if one.get("name") == "default"), template)
    if template is None or isinstance(template, str):
        return template
    raise TokenizerError(
        f"{folder / 'tokenizer_config.json'}: `chat_template` must be a text, or a list of named texts "
        'of which one has the name "default".'
    )


def _read_object(path: Path) -> Mapping[str, Any]:
    """The JSON object of a file; empty where there is no file."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(_read_text(path))
    except (ValueError, RecursionError) as problem:
        raise TokenizerError(f"{path} is not valid JSON ({problem}). Download it again or correct it.") from None
    if not isinstance(found, dict):
        raise TokenizerError(f"{path} must hold a JSON object. Download it again.")
    return found


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise TokenizerError(f"{path} is not UTF-8 text. Download it again.") from None
    except OSError as problem:
        raise TokenizerError(f"{path} cannot be read: {problem.strerror}.") from None
