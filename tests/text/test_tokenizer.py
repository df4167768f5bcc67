"""Text to ids and back, chat templates, and text that appears piece by piece without ever showing half a character."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors
from tokenizers import Tokenizer as LibraryTokenizer

from llaisys_mini.errors import CheckpointWarning, TokenizerError
from llaisys_mini.text.tokenizer import TextStream, Tokenizer

CHATML = (
    "{%- for message in messages %}\n"
    "    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n"
    "    {{- '<|im_start|>assistant\\n' }}\n"
    "    {%- if enable_thinking is defined and enable_thinking is false %}\n"
    "        {{- '<think>\\n\\n</think>\\n\\n' }}\n"
    "    {%- endif %}\n"
    "{%- endif %}"
)
HELLO = [{"role": "user", "content": "Hello"}]


def byte_level() -> LibraryTokenizer:
    """A byte-level BPE of Qwen's kind: 256 bytes, a few merges that end inside characters, control tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {character: number for number, character in enumerate(alphabet)}
    merges = [("h", "e"), ("l", "l"), ("Ġ", "he"), ("Ġ", "ð"), ("ð", "Ł"), ("â", "Ĥ"), ("Ġ", "âĤ")]
    for left, right in merges:
        vocab[left + right] = len(vocab)
    library = LibraryTokenizer(models.BPE(vocab=vocab, merges=merges))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([AddedToken(name, special=True) for name in ("<|im_start|>", "<|im_end|>")])
    library.add_tokens(["<think>", "</think>"])
    return library


def space_stripping() -> LibraryTokenizer:
    """A tokenizer of the sentencepiece kind, whose decoder drops the space in front of the text."""
    words = ["<unk>", "▁", "▁once", "▁there", "▁was", "a", "▁a", ".", *(f"<0x{byte:02X}>" for byte in range(256))]
    library = LibraryTokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[]))
    library.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    library.add_special_tokens([AddedToken("<|im_end|>", special=True)])
    return library


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(byte_level(), CHATML)


@pytest.fixture
def folder(tmp_path):
    byte_level().save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def settings_file(folder, **settings) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


# ---- encoding and decoding -----------------------------------------------------------------------------------


@given(text=st.text())
def test_text_survives_the_round_trip(tokenizer, text):
    ids = tokenizer.encode(text)
    assert all(0 <= token_id < tokenizer.vocab_size for token_id in ids)
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_nothing_is_added_and_control_tokens_are_recognised(tokenizer):
    assert tokenizer.encode("") == []
    (control,) = tokenizer.encode("<|im_end|>")
    assert control in tokenizer.special_ids
    assert tokenizer.decode([control]) == ""
    assert tokenizer.decode([control], skip_special_tokens=False) == "<|im_end|>"


def test_thinking_marks_are_text(tokenizer):
    (think,) = tokenizer.encode("<think>")
    assert think not in tokenizer.special_ids
    assert tokenizer.decode([think]) == "<think>"


def test_vocab_size_counts_to_the_largest_id(tokenizer):
    assert tokenizer.vocab_size == 256 + 7 + 4
    assert tokenizer.has_token(tokenizer.vocab_size - 1)
    assert not tokenizer.has_token(tokenizer.vocab_size)
    assert not tokenizer.has_token(-1)
    assert not tokenizer.has_token(2**70)


def test_ids_of_a_padded_vocabulary_decode_to_nothing(tokenizer):
    assert tokenizer.decode([*tokenizer.encode("hello"), 151_000]) == "hello"


@pytest.mark.parametrize("ids", [[-1], [2**40], ["a"], [None]])
def test_what_cannot_be_an_id_is_refused(tokenizer, ids):
    with pytest.raises(TokenizerError, match="cannot be decoded"):
        tokenizer.decode(ids)


@pytest.mark.parametrize(("text", "says"), [("\ud83d", "surrogate"), (None, "NoneType"), (b"bytes", "bytes")])
def test_what_is_no_text_is_refused(tokenizer, text, says):
    with pytest.raises(TokenizerError, match=says):
        tokenizer.encode(text)


# ---- files ---------------------------------------------------------------------------------------------------


def test_open_reads_tokenizer_and_template(folder):
    settings_file(folder, chat_template=CHATML, eos_token="<|im_end|>")
    tokenizer = Tokenizer.open(str(folder))
    assert tokenizer.has_chat_template
    assert tokenizer.decode(tokenizer.encode("hello")) == "hello"


def test_a_tokenizer_without_settings_has_no_template(folder):
    tokenizer = Tokenizer.open(folder)
    assert not tokenizer.has_chat_template
    with pytest.raises(TokenizerError, match="no chat template"):
        tokenizer.render_chat(HELLO)


def test_a_missing_tokenizer_is_an_error_only_for_open(tmp_path):
    assert Tokenizer.open_if_present(tmp_path) is None
    with pytest.raises(TokenizerError, match=r"tokenizer\.json does not exist"):
        Tokenizer.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]", b'{"model": {"type": "None"}}'])
def test_a_broken_tokenizer_is_refused(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        Tokenizer.open_if_present(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b"[" * 50_000, b'{"chat_template": 3}', b'{"chat_template": [3]}']
)
def test_broken_settings_are_refused(folder, content):
    (folder / "tokenizer_config.json").write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json"):
        Tokenizer.open(folder)


def test_training_time_truncation_and_padding_are_switched_off(tmp_path):
    library = byte_level()
    library.enable_truncation(4)
    library.enable_padding(length=8)
    library.save(str(tmp_path / "tokenizer.json"))
    assert len(Tokenizer.open(tmp_path).encode("abcdef")) == 6
    assert len(Tokenizer.open(tmp_path).encode("a")) == 1


def test_a_template_file_wins_over_the_settings(folder):
    settings_file(folder, chat_template="from settings")
    (folder / "chat_template.jinja").write_text("from file")
    assert Tokenizer.open(folder).render_chat(HELLO) == "from file"


def test_of_named_templates_the_default_is_taken(folder):
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]
    settings_file(folder, chat_template=named)
    assert Tokenizer.open(folder).render_chat(HELLO) == "plain"
    settings_file(folder, chat_template=named[:1])
    with pytest.raises(TokenizerError, match='"default"'):
        Tokenizer.open(folder)


def test_the_template_sees_the_named_control_tokens(folder):
    settings_file(folder, chat_template="{{ bos_token }}{{ eos_token }}{{ unk_token }}", bos_token=None,
                  eos_token={"__type": "AddedToken", "content": "<|im_end|>", "lstrip": False})  # fmt: skip
    assert Tokenizer.open(folder).render_chat(HELLO) == "<|im_end|>"


# ---- begin tokens and added tokens ---------------------------------------------------------------------------


@pytest.fixture
def with_begin(folder):
    library = byte_level()
    library.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", library.token_to_id("<|im_start|>"))]
    )
    library.save(str(folder / "tokenizer.json"))
    settings_file(folder, chat_template="{{ '<|im_start|>' + messages[0].content }}")
    return Tokenizer.open(folder)


def test_a_begin_token_is_added_to_a_text_but_not_to_a_chat(with_begin):
    begin, *rest = with_begin.encode("hello")
    assert with_begin.token(begin) == "<|im_start|>"
    assert with_begin.decode(rest) == "hello"
    assert with_begin.encode("") == [begin]
    rendered = with_begin.render_chat(HELLO)
    assert with_begin.encode(rendered, add_special_tokens=False).count(begin) == 1


def test_tokens_of_the_settings_are_added(folder):
    before = Tokenizer.open(folder).vocab_size
    settings_file(
        folder,
        added_tokens_decoder={str(before): {"content": "<|x|>", "special": True}},
        additional_special_tokens=["<|y|>", {"content": "<|z|>"}],
        pad_token="<|pad|>",
        image_token="<|image|>",
    )
    tokenizer = Tokenizer.open(folder)
    spelled = ("<|x|>", "<|pad|>", "<|image|>", "<|y|>", "<|z|>")
    assert [tokenizer.encode(text) for text in spelled] == [[before + i] for i in range(5)]
    assert tokenizer.special_ids >= set(range(before, before + 5))
    assert tokenizer.decode(tokenizer.encode("a<|y|>b")) == "ab"


def test_older_files_count_unless_the_settings_list_tokens(folder):
    before = Tokenizer.open(folder).vocab_size
    (folder / "added_tokens.json").write_text(json.dumps({"<tool>": before, "<|end|>": before + 1}))
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": "<|end|>"}}))
    tokenizer = Tokenizer.open(folder)
    assert tokenizer.encode("<tool><|end|>") == [before, before + 1]
    assert tokenizer.special_ids >= {before + 1} and before not in tokenizer.special_ids
    assert tokenizer.end_ids == {before + 1}
    settings_file(folder, added_tokens_decoder={})
    assert len(Tokenizer.open(folder).encode("<tool>")) > 1


def test_an_id_that_the_encoding_cannot_give_is_named(folder):
    settings_file(folder, added_tokens_decoder={"5000": {"content": "<far>"}})
    with pytest.warns(CheckpointWarning, match="'<far>' the id 5000, but tokenizer.json leads to 267"):
        assert Tokenizer.open(folder).encode("<far>") == [267]


@pytest.mark.parametrize(
    "listed", [3, {"a": {"content": "x"}}, {"1": "x"}, {"1": {"what": "x"}}, {"1": {"content": 3}}]
)
def test_broken_lists_of_tokens_are_refused(folder, listed):
    settings_file(folder, added_tokens_decoder=listed)
    with pytest.raises(TokenizerError, match="the added tokens cannot be read"):
        Tokenizer.open(folder)


@pytest.mark.parametrize("name", ["added_tokens.json", "special_tokens_map.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff"])
def test_broken_older_files_are_refused(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(TokenizerError, match=name):
        Tokenizer.open(folder)


# ---- the end of a turn ---------------------------------------------------------------------------------------


def ends(template: str | None, **special) -> set[str]:
    tokenizer = Tokenizer(byte_level(), template, special)
    return {tokenizer.token(token_id) for token_id in tokenizer.end_ids}


def test_the_end_of_a_turn_is_read_off_the_template():
    assert ends(CHATML) == {"<|im_end|>"}
    assert ends(CHATML, eos_token="<|im_start|>") == {"<|im_end|>", "<|im_start|>"}
    assert ends("{% for m in messages %}{{ m.content }}\n<|im_start|>{% endfor %}") == {"<|im_start|>"}
    assert ends(None, eos_token="<|im_end|>") == {"<|im_end|>"}


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
        "{% for m in messages %}{{ m.content }} says {{ m.role }}<|im_end|>{% endfor %}",
        "{{ messages[0].content }}",
        "{{ raise_exception('give tools') }}",
        None,
    ],
)
def test_a_template_may_not_tell_how_a_turn_ends(template):
    assert ends(template) == set()


# ---- chat ----------------------------------------------------------------------------------------------------


def test_a_conversation_is_rendered(tokenizer):
    messages = [{"role": "system", "content": "Be kind."}, *HELLO]
    opened = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
    assert tokenizer.render_chat(messages) == opened + "<|im_start|>assistant\n"
    assert tokenizer.render_chat(messages, add_generation_prompt=False) == opened


def test_enable_thinking_reaches_the_template_only_if_given(tokenizer):
    silent = "<think>\n\n</think>\n\n"
    assert tokenizer.render_chat(HELLO, enable_thinking=False).endswith(silent)
    assert not tokenizer.render_chat(HELLO, enable_thinking=True).endswith(silent)
    assert not tokenizer.render_chat(HELLO).endswith(silent)


def render(source: str, messages=HELLO) -> str:
    return Tokenizer(byte_level(), source, where="model").render_chat(messages)


def test_the_dialect_of_chat_templates():
    assert render("{{ messages[0] | tojson }}") == '{"role": "user", "content": "Hello"}'
    assert render("{{ '<é>' | tojson }}") == '"<é>"'
    assert render("{{ [1, 2] | tojson(indent=1) }}") == "[\n 1,\n 2\n]"
    assert render("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}") == "01"
    assert render("{% generation %}{{ messages[0].content }}{% endgeneration %}") == "Hello"
    assert render("  {% if true %}\nyes\n  {% endif %}\n") == "yes\n"
    assert len(render("{{ strftime_now('%Y-%m-%d') }}")) == 10
    assert render("{{ tools is none }} {{ '<b>' }}") == "True <b>"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{{ messages[7].content }}", "failed on these messages"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages[0].__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("\n{% if %}", "not valid Jinja: .*line 2"),
        ("{% unknown %}", "not valid Jinja"),
        ("{% include 'secret' %}", "failed on these messages"),
    ],
)
def test_a_failing_template_is_explained(source, says):
    with pytest.raises(TokenizerError, match=says):
        render(source)


@pytest.mark.parametrize(
    "message",
    ["hello", {"role": "user"}, {"content": "x"}, {"role": "user", "content": None}, {"role": 1, "content": "x"},
     {"role": "user", "content": "x", "extra": object()}],
)  # fmt: skip
def test_malformed_messages_are_refused(tokenizer, message):
    with pytest.raises(TokenizerError, match=r"Message 2 must look like|no plain data"):
        tokenizer.render_chat([*HELLO, message])


def test_the_callers_messages_are_not_touched(tokenizer):
    messages = [{"role": "user", "content": "Hello"}]
    tokenizer.render_chat(messages)
    assert messages == HELLO


# ---- streaming -----------------------------------------------------------------------------------------------


def stream(tokenizer: Tokenizer, ids, skip_special_tokens=True) -> list[str]:
    running = TextStream(tokenizer, skip_special_tokens)
    return [running.feed(token_id) for token_id in ids] + [running.finish()]


def test_control_tokens_can_be_shown_all_the_same(folder):
    settings_file(folder, additional_special_tokens=["<think>", "</think>"])
    tokenizer = Tokenizer.open(folder)
    running = TextStream(tokenizer, shown=("<think>", "</think>", "<absent>"))
    ids = tokenizer.encode("<think>a</think><|im_end|>b")
    assert tokenizer.decode(ids) == "ab"
    assert "".join(map(running.feed, ids)) + running.finish() == "<think>a</think>b"


def test_half_a_character_is_held_back(tokenizer):
    ids = tokenizer.encode("a€ b")
    pieces = stream(tokenizer, ids)
    assert "".join(pieces) == "a€ b"
    assert pieces[0] == "a"
    assert all("\ufffd" not in piece for piece in pieces)
    assert "" in pieces


def test_what_comes_before_half_a_character_is_shown_at_once(tokenizer):
    running = TextStream(tokenizer)
    space_and_half = tokenizer.encode(" €")
    assert len(space_and_half) == 2
    assert running.feed(space_and_half[0]) == " "
    assert running.feed(space_and_half[1]) == "€"


@given(text=st.text())
def test_pieces_of_text_never_hold_half_a_character(tokenizer, text):
    pieces = stream(tokenizer, tokenizer.encode(text), skip_special_tokens=False)
    assert "".join(pieces) == text
    assert "\ufffd" in text or not any("\ufffd" in piece for piece in pieces)


@given(ids=st.lists(st.integers(0, 300), max_size=60), skip=st.booleans())
def test_pieces_of_any_ids_add_up_to_decode(tokenizer, ids, skip):
    """Random tokens are mostly broken UTF-8, with control tokens and ids without a token in between."""
    assert "".join(stream(tokenizer, ids, skip)) == tokenizer.decode(ids, skip_special_tokens=skip)


@pytest.mark.parametrize("good", ["😀", " €", "a"])
@pytest.mark.parametrize("bad_bytes", range(4, 14))
def test_a_character_after_a_run_of_broken_bytes_is_whole(tokenizer, good, bad_bytes):
    """The stream must give up on the broken bytes at some point, but not in the middle of the good ones."""
    stray = tokenizer._bpe.token_to_id("Ł")  # a byte that only continues a character
    for good_ids in (tokenizer.encode(good), single_bytes(tokenizer, good)):
        pieces = stream(tokenizer, [stray] * bad_bytes + good_ids)
        assert "".join(pieces) == "\ufffd" * bad_bytes + good


def single_bytes(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text's bytes, one token each, as if no merge existed."""
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    return [tokenizer._bpe.token_to_id(character) for piece, _ in pieces for character in piece]


def test_an_unfinished_character_comes_out_at_the_end(tokenizer):
    ids = tokenizer.encode("a€")[:-1]
    assert stream(tokenizer, ids)[-1] == "\ufffd"
    assert "".join(stream(tokenizer, ids)) == tokenizer.decode(ids)


def test_a_stream_can_be_used_again_after_finish(tokenizer):
    running = TextStream(tokenizer)
    for _ in range(2):
        ids = tokenizer.encode("hello")
        assert "".join(running.feed(token_id) for token_id in ids) + running.finish() == "hello"


@given(words=st.lists(st.sampled_from(["▁once", "▁there", "▁was", "▁", "a", "▁a", ".", "<|im_end|>"]), max_size=20))
def test_a_decoder_that_drops_the_leading_space(words):
    library = space_stripping()
    tokenizer = Tokenizer(library)
    ids = [library.token_to_id(word) for word in words]
    assert "".join(stream(tokenizer, ids)) == tokenizer.decode(ids)


def test_characters_spelled_as_single_bytes():
    library = space_stripping()
    tokenizer = Tokenizer(library)
    euro = [library.token_to_id(f"<0x{byte:02X}>") for byte in "€".encode()]
    ids = [library.token_to_id("▁was"), *euro, *euro, library.token_to_id("▁there")]
    assert stream(tokenizer, ids) == ["was", "", "", "€", "", "", "€", " there", ""]


@pytest.mark.parametrize("kind", ["text", "broken bytes", "control tokens", "no such id"])
def test_the_work_per_token_does_not_grow(kind, monkeypatch):
    tokenizer = Tokenizer(byte_level())
    (broken,) = [token_id for token_id in range(256) if tokenizer._bpe.id_to_token(token_id) == "ð"]
    token_id = {"text": tokenizer.encode("a")[0], "broken bytes": broken,
                "control tokens": min(tokenizer.special_ids), "no such id": 5000}[kind]  # fmt: skip
    longest = 0
    decode = Tokenizer.decode

    def counting(self, ids, skip_special_tokens=True):
        nonlocal longest
        longest = max(longest, len(ids))
        return decode(self, ids, skip_special_tokens)

    ids = [token_id] * 500
    expected = tokenizer.decode(ids)
    monkeypatch.setattr(Tokenizer, "decode", counting)
    assert "".join(stream(tokenizer, ids)) == expected
    assert longest <= 24
