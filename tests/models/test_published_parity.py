"""Checkpoints in the exact form of three published models equal the transformers library: ids, logits, greedy text."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
import safetensors.torch  # noqa: E402 - only where torch is installed

from llaisys_mini import load_model  # noqa: E402
from llaisys_mini.text.tokenizer import Tokenizer  # noqa: E402
from tests.models.published import MODELS, Published  # noqa: E402
from tests.models.published_files import shrunk_config, write_descriptions  # noqa: E402

pytestmark = pytest.mark.filterwarnings("error::llaisys_mini.errors.CheckpointWarning")
TEXTS = ["The capital of France is", "", "你好，世界 hello", "a <think>b</think> c", " spaces\n\n and 12345"]
CONVERSATION = [
    {"role": "user", "content": "What is 2+2?"},
    {"role": "assistant", "content": "<think>\neasy\n</think>\n\n4"},
    {"role": "user", "content": "你好"},
]
TORCH = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
models = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def write_weights(model: Published, config, folder, dtype: str, spread: float) -> None:
    """Random weights under the published names. Norms and biases too: at 1 and 0 a mistake with them would not show."""
    torch.manual_seed(0)
    config.dtype = TORCH[dtype]
    theirs = transformers.AutoModelForCausalLM.from_config(config, dtype=TORCH[dtype])
    weights = {}
    with torch.no_grad():
        for name, values in theirs.state_dict().items():
            weights[name] = values.normal_(1.0 if "norm" in name else 0.0, spread).clone().contiguous()
    if config.tie_word_embeddings:
        del weights["lm_head.weight"]
        if model.stores_head:
            weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


def published_folder(model: Published, folder, dtype: str):
    write_descriptions(model, folder)
    (folder / "config.json").write_text(json.dumps(shrunk_config(model) | {"torch_dtype": dtype}))
    write_weights(model, transformers.AutoConfig.from_pretrained(folder), folder, dtype, spread=0.2)
    return folder


class StoredIn(transformers.DynamicCache):
    """A cache that keeps 16 bits of each number, as ours does with a 16-bit dtype; the model computes in float32."""

    dtype = torch.float32

    def update(self, key_states, value_states, *arguments, **options):
        keys, values = (states.to(self.dtype).float() for states in (key_states, value_states))
        return super().update(keys, values, *arguments, **options)


def logits_of(theirs, ids, dtype="float32") -> np.ndarray:
    cache = StoredIn()
    cache.dtype = TORCH[dtype]
    with torch.no_grad():
        return theirs(input_ids=torch.tensor([list(ids)]), past_key_values=cache).logits[0].numpy()


def in_float32(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@models
@pytest.mark.parametrize("dtype", TORCH)
def test_logits_and_greedy_text(tmp_path, model, dtype):
    """The file in float32, bfloat16 or float16, computed in float32 by both."""
    folder = published_folder(model, tmp_path, dtype)
    ours, theirs = load_model(folder), in_float32(folder)
    ids = np.random.default_rng(1).integers(0, 300, size=90)
    expected = logits_of(theirs, ids)
    assert expected.std() > 0.5
    assert np.abs(ours.logits(ids) - expected).max() < 1e-4 * expected.std()
    new = list(ours.generate(ids[:12], 64, temperature=0, repetition_penalty=1, stop_ids=()))
    chosen = logits_of(theirs, [*ids[:12], *new])[11:-1].argmax(axis=1)
    assert new == chosen.tolist()


@models
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_and_cache_of_16_bits(tmp_path, model, dtype):
    folder = published_folder(model, tmp_path, dtype)
    ours, theirs = load_model(folder, dtype), in_float32(folder)
    assert ours.cache().dtype.name == ours.decoder.embeddings.dtype.name == dtype
    ids = np.random.default_rng(1).integers(0, 300, size=90)
    expected = logits_of(theirs, ids, dtype)
    # A key that lies between two numbers of 16 bits may be rounded up by one and down by the other.
    assert np.abs(ours.logits(ids) - expected).max() < 0.01 * expected.std()
    whole = logits_of(theirs, ids)
    assert np.abs(ours.logits(ids) - expected).mean() < 0.2 * np.abs(whole - expected).mean()
    new = list(ours.generate(ids[:12], 64, temperature=0, repetition_penalty=1, stop_ids=()))
    scores = logits_of(theirs, [*ids[:12], *new], dtype)[11:-1]
    assert (scores.max(axis=1) - scores[np.arange(64), new]).max() < 0.02 * expected.std()


@models
def test_ids_of_texts_and_chats(tmp_path, model):
    write_descriptions(model, tmp_path)
    ours, theirs = Tokenizer.open(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert ours.encode(text) == theirs(text)["input_ids"]
        assert ours.decode(ours.encode(text)) == theirs.decode(theirs(text)["input_ids"], skip_special_tokens=True)
    for options in ({}, {"enable_thinking": False}):
        expected = theirs.apply_chat_template(CONVERSATION, add_generation_prompt=True, **options)["input_ids"]
        rendered = ours.render_chat(CONVERSATION, **options)
        assert ours.encode(rendered, add_special_tokens=False) == expected
    if model.begin is not None:
        (begin,) = ours.ids_of([model.begin])
        assert ours.encode("")[0] == begin
        assert ours.encode(rendered, add_special_tokens=False).count(begin) == 1


@pytest.mark.long
@models
def test_in_full_size(tmp_path, model):
    """The published config as it is. Takes about 10 GB of memory and of disk, and some minutes for each model."""
    (tmp_path / "config.json").write_text(json.dumps(model.config))
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    write_weights(model, config, tmp_path, "bfloat16", spread=0.05)
    ours, theirs = load_model(tmp_path), in_float32(tmp_path)
    ids = np.random.default_rng(1).integers(0, 151_000, size=64)
    expected = logits_of(theirs, ids)
    assert np.abs(ours.logits(ids) - expected).max() < 1e-3 * expected.std()
    new = list(ours.generate(ids, 16, temperature=0, repetition_penalty=1, stop_ids=()))
    scores = logits_of(theirs, [*ids, *new])[63:-1]
    assert (scores.max(axis=1) - scores[np.arange(16), new]).max() < 1e-3 * expected.std()
