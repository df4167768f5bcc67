"""Text to token ids and back, the layout of a conversation, and text that appears while it is being generated.

The byte-pair encoding itself is the `tokenizers` library reading the checkpoint's tokenizer.json. What a conversation
looks like to the model is a template that comes with the checkpoint, see chat_template.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers

from llaisys_mini.errors import TokenizerError
from llaisys_mini.text import tokenizer_files

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"  # what decoding puts where bytes are no UTF-8

# How byte-level vocabularies spell bytes: printable ones as themselves, the others as the letters from U+0100 on, in
# order. Source: GPT-2 (Radford et al. 2019).
_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_BYTES = {chr(byte): byte for byte in _PRINTABLE} | {chr(0x100 + n): byte for n, byte in enumerate(_OTHERS)}


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
        """Read the files of a checkpoint folder that tell of its tokenizer (text/tokenizer_files.py lists them).

        Raises TokenizerError where tokenizer.json is missing or one of the files is broken.
        """
        found = tokenizer_files.read(Path(folder))
        return cls(found.bpe, found.chat_template, found.special_tokens, str(folder))

    @classmethod
    def open_if_present(cls, folder: Path | str) -> "Tokenizer | None":
        """`open(folder)`, or None where the folder has no tokenizer.json: the model then reads and writes ids."""
        return cls.open(folder) if (Path(folder) / "tokenizer.json").is_file() else None

    @cached_property
    def vocab_size(self) -> int:
        """One more than the largest token id. A model's own vocab_size may be larger: it is often padded."""
        return max(self._bpe.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Token ids of `text`, with the begin token in front that some tokenizers add (DeepSeek-R1-Distill; not Qwen),
        as the transformers library has it: what is added stands in the `post_processor` of tokenizer.json.

        Control tokens spelled out in `text` become their ids, since that is how a rendered chat reaches the model.
        add_special_tokens: False for such a chat, since its template has written all that belongs there.
        Raises TokenizerError for what is no text.
        """
        try:
            return self._bpe.encode(text, add_special_tokens=add_special_tokens).ids
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

    def ids_of(self, tokens: Iterable[str]) -> frozenset[int]:
        """The ids of those of `tokens` that the vocabulary has."""
        ids = (self._bpe.token_to_id(token) for token in tokens)
        return frozenset(token_id for token_id in ids if token_id is not None)

    def token(self, token_id: int) -> str | None:
        """The token with this id as the vocabulary spells it; None if there is none."""
        return self._bpe.id_to_token(int(token_id)) if self.has_token(token_id) else None

    def bytes_of(self, token_id: int) -> bytes:
        """The bytes that a token stands for, which need not be whole characters."""
        text = self.decode([token_id], skip_special_tokens=False)
        token = self.token(token_id) or ""
        if _UNREADABLE in text and all(letter in _BYTES for letter in token):
            return bytes(_BYTES[letter] for letter in token)
        return text.encode()

    def to_json(self) -> str:
        """The contents of tokenizer.json, for libraries that read it."""
        return self._bpe.to_str()

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """Ids of the tokens that end the model's turn in a chat: the one that the chat template writes after an answer,
        and the tokenizer's `eos_token`. Empty where neither is known."""
        tokens = (self._special_tokens.get("eos_token"), self._after_an_answer())
        return self.ids_of(token for token in tokens if token is not None)

    def _after_an_answer(self) -> str | None:
        """The token that the template writes between an answer and the next question, if it writes one."""
        if self._chat_template is None:
            return None
        question, answer = {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me-and-nobody-else."}
        try:
            text = self.render_chat([question, answer, question], add_generation_prompt=False)
        except TokenizerError:  # a template that wants something else, such as tools
            return None
        _, _, after = text.rpartition(str(answer["content"]))
        tokens = [token.content for token in self._bpe.get_added_tokens_decoder().values()]
        starts = [token for token in tokens if after.lstrip().startswith(token)]
        return max(starts, key=len, default=None)

    @property
    def has_chat_template(self) -> bool:
        """Whether `render_chat` can be called: base models have no template."""
        return self._chat_template is not None

    def render_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        enable_thinking: bool | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> str:
        """A conversation as the one text the model was trained on.

        messages: each {"role": "system" | "user" | "assistant", "content": text, ...}.
        add_generation_prompt: end with the opening of the assistant's turn, so that the model answers.
        enable_thinking: passed on to the template unless None (Qwen3: False writes an empty <think> block).
        tools: what the model may call, as JSON schemas in OpenAI's form; templates that know of none leave them out.
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
        if tools is not None:
            variables["tools"] = [dict(tool) for tool in tools]
        return render(self._chat_template, messages, variables, self._where)


class TextStream:
    """Turns ids that arrive one by one into text that appears piece by piece.

    One character may span several tokens, and a token may end in the middle of a character, so the newest bytes are
    held back until they are complete. All pieces together equal `tokenizer.decode` of all the ids.

    Only a short window is decoded at each step: the tokens that are not complete yet, and before them the last
    complete ones, because some decoders drop the space in front of the first token they see.
    """

    _LONGEST_WAIT = 8  # tokens; a UTF-8 character has 4 bytes, so a longer wait means bytes that are no UTF-8 at all

    def __init__(self, tokenizer: Tokenizer, skip_special_tokens: bool = True, shown: Iterable[str] = ()):
        """skip_special_tokens: leave out control tokens, but those of `shown`."""
        self._tokenizer = tokenizer
        self._unseen = tokenizer.special_ids - tokenizer.ids_of(shown) if skip_special_tokens else frozenset()
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
