"""Chat templates rendered, and texts encoded and decoded, exactly as the transformers library does it."""

import json

import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors  # noqa: E402
from tokenizers import Tokenizer as LibraryTokenizer  # noqa: E402

from llaisys_mini.paths import shipped_model  # noqa: E402
from llaisys_mini.text.tokenizer import Tokenizer  # noqa: E402
from tests.models.published import QWEN2_5_1_5B  # noqa: E402
from tests.models.published_files import write_tokenizer  # noqa: E402

# What published Qwen and DeepSeek templates do, one habit each.
TEMPLATES = {
    "plain": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}",
    "system by default": (
        "{%- if messages[0]['role'] == 'system' %}\n    {{- '[' + messages[0]['content'] + ']' }}\n"
        "{%- else %}\n    {{- '[You are helpful.]' }}\n{%- endif %}"
    ),
    "backwards with a namespace": (
        "{%- set ns = namespace(last=0, open=true) %}\n{%- for m in messages[::-1] %}\n"
        "    {%- set index = (messages|length - 1) - loop.index0 %}\n"
        "    {%- if ns.open and m.role == 'user' and not m.content.startswith('<t>') %}\n"
        "        {%- set ns.open = false %}\n        {%- set ns.last = index %}\n"
        "    {%- endif %}\n{%- endfor %}{{ ns.last }}"
    ),
    "thinking": (
        "{%- for m in messages %}{%- if m.role == 'assistant' %}"
        "{%- set text = m.content.split('</think>')[-1].lstrip('\\n') %}"
        "{%- if m.reasoning_content is string %}{{- '<think>' + m.reasoning_content.strip('\\n') + '</think>' }}"
        "{%- endif %}{{- text }}{%- endif %}{%- endfor %}"
    ),
    "control tokens": "{{ bos_token }}{{ eos_token }}{{ pad_token if pad_token is defined else 'none' }}",
    "tools": "{%- if tools %}{% for t in tools %}{{ t | tojson }}{% endfor %}{%- else %}none{%- endif %}",
    "json": "{{ messages[-1] | tojson }}{{ messages[0] | tojson(indent=2) }}{{ '<é\u2028' | tojson }}",
    "spaces": "  {% if true %}  \n  a  {% endif %}\n\n\t{%- for m in messages %} {{ m.role }} {% endfor -%}  \n z\n",
    "prompt": (
        "{{ 'answer:' if add_generation_prompt }}{{ '(silent)' if enable_thinking is defined and not enable_thinking }}"
    ),
    "break": "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
    "marked for training": "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
}
CONVERSATIONS = {
    "question": [{"role": "user", "content": "Who are you?"}],
    "with system": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "<t>é &amp; 'q'</t>"}],
    "long": [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "<think>\neasy\n</think>\n\n4", "reasoning_content": "\neasy\n"},
        {"role": "user", "content": "  and 3+3?\n"},
        {"role": "assistant", "content": "6"},
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint's tokenizer files, which both libraries open."""
    folder = tmp_path_factory.mktemp("tokenizer")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("h", "e"), ("l", "l"), ("Ġ", "ð"), ("ð", "Ł")]
    vocab = {piece: number for number, piece in enumerate([*alphabet, *(left + right for left, right in merges)])}
    library = LibraryTokenizer(models.BPE(vocab=vocab, merges=merges))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([AddedToken(name, special=True) for name in ("<|im_start|>", "<|im_end|>", "<|bos|>")])
    library.add_tokens(["<think>", "</think>"])
    library.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": {"__type": "AddedToken", "content": "<|bos|>", "special": True},
        "eos_token": "<|im_end|>",
        "chat_template": TEMPLATES["plain"],
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module")
def theirs(folder):
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("options", [{}, {"enable_thinking": False}, {"add_generation_prompt": False}], ids=str)
def test_rendered_chat(folder, theirs, template, messages, options, tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "chat_template.jinja").write_text(template)
    options = {"add_generation_prompt": True} | options
    expected = theirs.apply_chat_template(messages, chat_template=template, tokenize=False, **options)
    assert Tokenizer.open(tmp_path).render_chat(messages, **options) == expected


@pytest.mark.parametrize(
    "text", ["", "hello", " hello  the\n", "€uro 😀😀", "<think>a</think><|im_end|>b", "a\u0301 \u00e1", "'s don't . ,"]
)
def test_ids_and_text(folder, theirs, text):
    ours = Tokenizer.open(folder)
    ids = ours.encode(text)
    assert ids == theirs.encode(text, add_special_tokens=False)
    for skip in (True, False):
        assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(ids, skip_special_tokens=skip)


BEGIN = processors.TemplateProcessing(single="<|bos|> $A", pair="$A $B", special_tokens=[("<|bos|>", 262)])
AROUND = processors.TemplateProcessing(
    single="<|bos|> $A <|im_end|>", pair="$A $B", special_tokens=[("<|bos|>", 262), ("<|im_end|>", 261)]
)


@pytest.mark.parametrize("kind", ["PreTrainedTokenizerFast", "Qwen2Tokenizer", "LlamaTokenizerFast"])
@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
@pytest.mark.parametrize("processor", [None, BEGIN, AROUND], ids=["none", "begin", "around"])
@pytest.mark.parametrize("adds_begin", [None, True, False])
def test_what_is_put_around_a_text(folder, tmp_path, kind, family, processor, adds_begin):
    settings = json.loads((folder / "tokenizer_config.json").read_text()) | {"tokenizer_class": kind}
    library = LibraryTokenizer.from_file(str(folder / "tokenizer.json"))
    assert library.token_to_id("<|bos|>") == 262 and library.token_to_id("<|im_end|>") == 261
    if processor is not None:
        library.post_processor = processor
    ours, theirs = both(tmp_path, library, settings | {"add_bos_token": adds_begin}, family)
    for text in ("hello", "", "<|bos|>hello"):
        assert ours.encode(text) == theirs(text)["input_ids"]
        assert ours.encode(text, add_special_tokens=False) == theirs(text, add_special_tokens=False)["input_ids"]


def both(folder, library, settings, family="qwen3", **files):
    """Our tokenizer and theirs of a folder with these files."""
    library.save(str(folder / "tokenizer.json"))
    files = {"tokenizer_config": settings, "config": {"model_type": family}} | files
    for name, content in files.items():
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content))
    return Tokenizer.open(folder), transformers.AutoTokenizer.from_pretrained(folder)


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False} | flags


# Beside a tokenizer in Qwen's form whose own tokens end with </tool_call>, 279. `list`: what is added to the list of
# tokenizer_config.json; without it the files are older and have none.
ADDED = {
    "the settings list them": dict(list={"280": token("<|x|>", special=True), "281": token("<y>", special=False)}),
    "in another order": dict(list={"281": token("<y>", special=False), "280": token("<|x|>", special=True)}),
    "nothing new": dict(list={}),
    "further control tokens": dict(list={}, settings={"additional_special_tokens": ["<|x|>", "<|im_end|>", "<|z|>"]}),
    "under their later name": dict(list={}, settings={"extra_special_tokens": ["<|x|>", "<|z|>"]}),
    "with names": dict(list={}, settings={"extra_special_tokens": {"image_token": "<|x|>"}, "video_token": "<|z|>"}),
    "roles that only the settings know": dict(list={}, settings={"pad_token": "<|pad|>", "unk_token": "<|unk|>"}),
    "no list": dict(settings={"pad_token": "<|pad|>"}),
    "added_tokens.json": dict(added_tokens={"<|x|>": 280, "<y>": 281}),
    "added_tokens.json, in another order": dict(added_tokens={"<y>": 281, "<|x|>": 280}),
    "special_tokens_map.json": dict(special_tokens_map={"eos_token": "<|x|>", "pad_token": token("<|z|>")}),
    "special_tokens_map.json with a second list": dict(special_tokens_map={"additional_special_tokens": ["<|x|>"]}),
    "special_tokens_map.json with the only list": dict(
        without="additional_special_tokens", special_tokens_map={"additional_special_tokens": ["<|x|>", "<|z|>"]}
    ),
    "both older files": dict(
        added_tokens={"<|x|>": 280, "<y>": 281}, special_tokens_map={"eos_token": "<|x|>", "pad_token": "<|im_end|>"}
    ),
    "older files beside a list": dict(
        list={"280": token("<|x|>", special=True)}, added_tokens={"<y>": 281}, special_tokens_map={"pad_token": "<|z|>"}
    ),
    "a known token becomes a control token": dict(list={}, settings={"pad_token": "<tool_call>"}),
    "control tokens are spelled out": dict(list={}, settings={"split_special_tokens": True}),
}


@pytest.mark.parametrize("kind", ["PreTrainedTokenizerFast", "Qwen2Tokenizer"])
@pytest.mark.parametrize("files", ADDED.values(), ids=ADDED)
def test_tokens_that_tokenizer_json_does_not_know(tmp_path, files, kind):
    write_tokenizer(QWEN2_5_1_5B, tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text()) | {"tokenizer_class": kind}
    known = settings.pop("added_tokens_decoder")
    if "list" in files:
        settings["added_tokens_decoder"] = known | files["list"]
    settings.pop(files.get("without"), None)
    older = {name: files[name] for name in ("added_tokens", "special_tokens_map") if name in files}
    library = LibraryTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    ours, theirs = both(tmp_path, library, settings | files.get("settings", {}), **older)
    for text in ("a<|x|>b<y>c<|z|>", "<|pad|> <|unk|>", "<tool_call>a</tool_call><|im_end|> hello<|endoftext|>"):
        ids = ours.encode(text)
        assert ids == theirs(text)["input_ids"]
        assert ours.decode(ids, skip_special_tokens=False) == theirs.decode(ids)
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    assert ours.special_ids >= set(theirs.all_special_ids)


def test_the_shipped_model(tmp_path):
    folder = shipped_model()
    if not (folder / "tokenizer.json").is_file():
        pytest.skip("the shipped model is not here")
    ours, theirs = Tokenizer.open(folder), transformers.AutoTokenizer.from_pretrained(folder)
    for messages in CONVERSATIONS.values():
        for options in ({}, {"enable_thinking": False}, {"enable_thinking": True}):
            expected = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **options)
            rendered = ours.render_chat(messages, **options)
            assert rendered == expected
            ids = ours.encode(rendered)
            assert ids == theirs.encode(rendered, add_special_tokens=False)
            assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
