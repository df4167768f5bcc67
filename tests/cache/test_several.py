"""Several texts in one forward pass: each gets the logits that it gets alone, and none is harmed by another's end."""

import numpy as np
import pytest

from llaisys_mini import load_model
from llaisys_mini.cache.several import SeveralTexts
from llaisys_mini.errors import GenerationError
from llaisys_mini.kernels.runtime import observe_calls
from llaisys_mini.models.quantise import quantise
from tests.models.random_models import make_checkpoint

TOLERANCE = 0  # the same bits in any company
"""0 demands the same bits, as soon as a row's sums do not depend on how many rows come with it."""

SIZES = dict(hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2, head_dim=16)
KINDS = {
    "qwen3": {},
    "qwen2, biases": dict(model_type="qwen2"),
    "biases, untied": dict(attention_bias=True, tie_word_embeddings=False),
    "sliding windows": dict(use_sliding_window=True, sliding_window=5, max_window_layers=1),
    "yarn": dict(
        max_position_embeddings=256,
        rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64),
    ),
    "int8": {},
    "int4": {},
}


@pytest.fixture(params=KINDS.items(), ids=KINDS)
def model(request, tmp_path):
    kind, changes = request.param
    folder = make_checkpoint(tmp_path / "model", **SIZES | changes)
    if kind in ("int8", "int4"):
        quantise(folder, tmp_path / "quantised", kind)
        folder = tmp_path / "quantised"
    return load_model(folder)


@pytest.fixture
def plain(tmp_path):
    return load_model(make_checkpoint(tmp_path, max_position_embeddings=40))


def text(seed, length, model):
    return np.random.default_rng(seed).integers(0, model.config.vocab_size, size=length)


def together(model, caches, rows, last_only=False):
    """Logits of one forward pass over the new rows of all texts."""
    cache = SeveralTexts(caches, [len(ids) for ids in rows])
    return model.decoder.forward(np.concatenate(rows), cache, last_only).numpy()


def assert_same(actual, expected):
    np.testing.assert_allclose(actual, expected, atol=TOLERANCE, rtol=0)


def test_texts_of_different_lengths(model):
    texts = [text(seed, length, model) for seed, length in enumerate([3, 17, 1, 40, 8])]
    caches = [model.cache() for _ in texts]
    assert_same(together(model, caches, texts), np.concatenate([model.logits(ids) for ids in texts]))
    assert [cache.ids for cache in caches] == [ids.tolist() for ids in texts]


def test_a_prompt_beside_texts_that_go_on(model):
    old, other, new = (text(seed, length, model) for seed, length in enumerate([30, 12, 9]))
    caches = [model.cache() for _ in range(3)]
    model.logits(old[:-1], caches[0])
    model.logits(other[:-1], caches[2])
    logits = together(model, caches, [old[-1:], new, other[-1:]], last_only=True)
    assert_same(logits, np.stack([model.logits(ids)[-1] for ids in (old, new, other)]))
    logits = together(model, caches, [old[:1], new[:1], other[:1]], last_only=True)  # one row each
    assert_same(logits, np.stack([model.logits([*ids, ids[0]])[-1] for ids in (old, new, other)]))


def test_greedy_texts_side_by_side_are_those_written_alone(plain):
    prompts = [text(seed, length, plain).tolist() for seed, length in enumerate([2, 5, 11])]
    alone = [list(plain.generate(prompt, 12)) for prompt in prompts]
    caches = [plain.cache() for _ in prompts]
    rows, written = [np.array(prompt) for prompt in prompts], []
    for _ in range(12):
        chosen = together(plain, caches, rows, last_only=True).argmax(axis=1)
        written.append(chosen.tolist())
        rows = [np.array([token]) for token in chosen]
    assert [list(tokens) for tokens in zip(*written, strict=True)] == alone


def test_all_but_attention_is_computed_once_for_all_rows(plain):
    rows = {}
    with observe_calls(lambda operator, arguments, results: rows.setdefault(operator.name, []).append(len(results[0]))):
        together(plain, [plain.cache(), plain.cache()], [np.arange(4), np.arange(6)])
    assert set(rows["linear"]) == {10}
    assert set(rows["attention"]) == {4, 6}
    assert len(rows["linear"]) == 7 * plain.config.layers + 1


def test_a_text_at_its_end_is_named_and_the_others_are_unharmed(plain):
    full, other = plain.cache(), plain.cache()
    ids = text(0, 40, plain)
    plain.logits(ids, full)
    plain.logits(ids[:6], other)
    allocated = other.nbytes
    with pytest.raises(GenerationError, match=r"^text 1: 41 tokens do not fit the model's context of 40$"):
        together(plain, [other, full], [ids[6:9], ids[:1]])
    assert (other.length, full.length, other.nbytes) == (6, 40, allocated)
    assert_same(plain.logits(ids[6:9], other), plain.logits(ids[:9])[6:])


def test_a_pass_that_fails_half_way_extends_no_text(plain):
    caches = [plain.cache(), plain.cache()]
    ids = text(0, 10, plain)
    plain.logits(ids[:4], caches[0])
    calls = []

    def fail_in_the_second_layer(operator, arguments, results):
        calls.append(operator.name)
        if calls.count("swiglu") == 2:
            raise RuntimeError("a kernel fails")

    with pytest.raises(RuntimeError), observe_calls(fail_in_the_second_layer):
        together(plain, caches, [ids[4:6], ids[:3]])
    assert [cache.length for cache in caches] == [4, 0]
    assert_same(
        together(plain, caches, [ids[4:], ids]),
        np.concatenate([plain.logits(ids)[4:], plain.logits(ids)]),
    )


@pytest.mark.parametrize(
    ("texts", "counts", "sentence"),
    [(0, [], "at least one row"), (2, [1], "at least one row"), (2, [1, 0], "at least one row")],
)
def test_what_is_no_pass_is_refused(plain, texts, counts, sentence):
    with pytest.raises(GenerationError, match=sentence):
        SeveralTexts([plain.cache() for _ in range(texts)], counts)


def test_a_cache_belongs_to_one_text(plain):
    cache = plain.cache()
    with pytest.raises(GenerationError, match="the same one was given twice"):
        SeveralTexts([cache, cache], [1, 1])
    with pytest.raises(GenerationError, match="2 ids were given for 3 rows"):
        plain.decoder.forward(np.arange(2), SeveralTexts([cache], [3]))
    assert cache.length == 0


@pytest.mark.slow
def test_several_texts_on_a_device(tmp_path):
    from llaisys_mini import cuda

    folder = make_checkpoint(tmp_path)
    host = load_model(folder)
    texts = [text(0, 3, host), text(1, 5, host)]
    expected = [host.logits(ids)[-1] for ids in texts]
    with cuda.sanitized():
        there = load_model(folder, device="cuda")
        logits = together(there, [there.cache(), there.cache()], texts, last_only=True)
    np.testing.assert_allclose(logits, expected, atol=2e-5, rtol=0)
