"""Text to token ids and back, the layout of a conversation, and text that appears while it is being generated.

The byte-pair encoding itself is the `tokenizers` library reading the checkpoint's tokenizer.json. What a conversation
looks like to the model is a template that comes with the checkpoint, see chat_template.py.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers

from llaisys_mini.errors import TokenizerError

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"  # what decoding puts where bytes are no UTF-8
_SPECIAL_ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class Tokenizer:
    """A checkpoint's tokenizer and chat template. Make one with `Tokenizer.open(folder)`."""

    def __init__(
        self,
        bpe: tokenizers.Tokenizer,
        chat_template: str | None = None,
        special_tokens: Mapping[str, str] | None = None,
        where: str = "this tokenizer",
    ):
        """bpe: the library's tokenizer; chat_template: Jinja source; special_tokens: e.g. {"eos_token": "<|im_end|>"},
        visible to the template; where: what error messages call this tokenizer."""
        self._bpe = bpe
        self._chat_template = chat_template
        self._special_tokens = dict(special_tokens or {})
        self._where = where
        bpe.no_truncation()  # some tokenizer.json files carry the settings of the training run
        bpe.no_padding()
        added = bpe.get_added_tokens_decoder()
        self.special_ids = frozenset(token_id for token_id, token in added.items() if token.special)
        """Ids of control tokens such as `<|im_end|>`, which `decode` leaves out unless asked."""

    @classmethod
    def open(cls, folder: Path | str) -> "Tokenizer":
        """Read tokenizer.json and, where present, tokenizer_config.json and chat_template.jinja of a checkpoint folder.

        Raises TokenizerError where tokenizer.json is missing or one of the files is broken.
        """
        folder = Path(folder)
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise TokenizerError(f"{path} does not exist. Give a checkpoint folder with a tokenizer in it.")
        try:
            bpe = tokenizers.Tokenizer.from_str(_read_text(path))
        except TokenizerError:
            raise
        except Exception as problem:  # the library raises bare Exceptions
            raise TokenizerError(f"{path} is not a tokenizer ({problem}). Download it again.") from None
        settings = _read_settings(folder / "tokenizer_config.json")
        return cls(bpe, _find_template(folder, settings), _find_special_tokens(settings), str(folder))

    @classmethod
    def open_if_present(cls, folder: Path | str) -> "Tokenizer | None":
        """`open(folder)`, or None where the folder has no tokenizer.json: the model then reads and writes ids."""
        return cls.open(folder) if (Path(folder) / "tokenizer.json").is_file() else None

    @cached_property
    def vocab_size(self) -> int:
        """One more than the largest token id. A model's own vocab_size may be larger: it is often padded."""
        return max(self._bpe.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`. Nothing is added in front or behind; control tokens spelled out in `text` become
        their ids, since that is how a rendered chat reaches the model. Raises TokenizerError for what is no text."""
        try:
            return self._bpe.encode(text, add_special_tokens=False).ids
        except (TypeError, ValueError):
            what = "it holds half of a surrogate pair" if isinstance(text, str) else f"it is a {type(text).__name__}"
            raise TokenizerError(f"This text cannot be encoded: {what}. Give a valid Unicode string.") from None

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """The text of `ids`. Bytes that are no UTF-8 become U+FFFD; ids that no token has become nothing.

        Raises TokenizerError for what cannot be an id.
        """
        try:
            return self._bpe.decode([int(token_id) for token_id in ids], skip_special_tokens=skip_special_tokens)
        except (OverflowError, TypeError, ValueError) as problem:
            raise TokenizerError(f"These token ids cannot be decoded: {problem}. Give integers of 0 or more.") from None

    def has_token(self, token_id: int) -> bool:
        """Whether some token has this id."""
        return 0 <= token_id < 2**32 and self._bpe.id_to_token(int(token_id)) is not None

    @property
    def has_chat_template(self) -> bool:
        return self._chat_template is not None

    def render_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        enable_thinking: bool | None = None,
    ) -> str:
        """A conversation as the one text the model was trained on.

        messages: each {"role": "system" | "user" | "assistant", "content": text, ...}.
        add_generation_prompt: end with the opening of the assistant's turn, so that the model answers.
        enable_thinking: passed on to the template unless None (Qwen3: False writes an empty <think> block).
        Raises TokenizerError where there is no template, a message is malformed, or the template fails.
        """
        if self._chat_template is None:
            raise TokenizerError(
                f"{self._where} has no chat template, so it is not a chat model. Give it plain text to continue."
            )
        from llaisys_mini.text.chat_template import render  # Jinja is not imported for plain text

        variables = {**self._special_tokens, "add_generation_prompt": add_generation_prompt}
        if enable_thinking is not None:
            variables["enable_thinking"] = enable_thinking
        return render(self._chat_template, messages, variables, self._where)


class TextStream:
    """Turns ids that arrive one by one into text that appears piece by piece.

    One character may span several tokens, and a token may end in the middle of a character, so the newest bytes are
    held back until they are complete. All pieces together equal `tokenizer.decode` of all the ids.

    Only a short window is decoded at each step: the tokens that are not complete yet, and before them the last
    complete ones, because some decoders drop the space in front of the first token they see.
    """

    _LONGEST_WAIT = 8  # tokens; a UTF-8 character has 4 bytes, so a longer wait means bytes that are no UTF-8 at all

    def __init__(self, tokenizer: Tokenizer, skip_special_tokens: bool = True):
        self._tokenizer = tokenizer
        self._unseen = tokenizer.special_ids if skip_special_tokens else frozenset()
        self._context: list[int] = []  # the last tokens that were complete
        self._waiting: list[int] = []  # the tokens since then
        self._given = 0  # characters of the waiting tokens' text that were already handed out

    def feed(self, token_id: int) -> str:
        """Take in one id; returns the text that has become certain, often one token's, sometimes none."""
        if token_id in self._unseen or not self._tokenizer.has_token(token_id):
            return ""
        self._waiting.append(token_id)
        start = len(self._decode(self._context))
        text = self._decode(self._context + self._waiting)[start:]
        certain = text.rstrip(_UNREADABLE)
        new = certain[self._given :]
        self._given += len(new)
        if text and certain == text:
            self._context, self._waiting, self._given = self._waiting, [], 0
        elif len(self._waiting) > self._LONGEST_WAIT:
            new += self._give_up_on_oldest()
        return new

    def finish(self) -> str:
        """The text still held back, with U+FFFD for a character that never became complete. The stream starts anew."""
        start = len(self._decode(self._context))
        rest = self._decode(self._context + self._waiting)[start + self._given :]
        self._context, self._waiting, self._given = [], [], 0
        return rest

    def _give_up_on_oldest(self) -> str:
        """Hand out all but the last few waiting tokens, cut where no character is split.

        Without this a model that emits broken bytes for ever would make each step slower than the one before.
        A cut splits no character if both sides, decoded apart, give the same text as decoded together.
        """
        start = len(self._decode(self._context))
        text = self._decode(self._context + self._waiting)[start:]
        for size_of_rest in range(1, 5):
            done, rest = self._waiting[:-size_of_rest], self._waiting[-size_of_rest:]
            done_text = self._decode(self._context + done)[start:]
            if done_text + self._decode(rest) == text:
                new = done_text[self._given :]
                self._context, self._waiting, self._given = done, rest, max(0, self._given - len(done_text))
                return new
        return ""

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False)


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


def _find_special_tokens(settings: Mapping[str, Any]) -> dict[str, str]:
    """The named control tokens of tokenizer_config.json, each written as a text or as {"content": text, ...}."""
    found = {}
    for role in _SPECIAL_ROLES:
        token = settings.get(role)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str):
            found[role] = token
    return found


def _read_settings(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        settings = json.loads(_read_text(path))
    except (ValueError, RecursionError) as problem:
        raise TokenizerError(f"{path} is not valid JSON ({problem}). Download it again or correct it.") from None
    if not isinstance(settings, dict):
        raise TokenizerError(f"{path} must hold a JSON object. Download it again.")
    return settings


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise TokenizerError(f"{path} is not UTF-8 text. Download it again.") from None
    except OSError as problem:
        raise TokenizerError(f"{path} cannot be read: {problem.strerror}.") from None
