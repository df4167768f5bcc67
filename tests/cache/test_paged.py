"""Several texts in one forward pass: each gets the logits that it gets alone, wherever its pages lie."""

import numpy as np
import pytest

from llaisys_mini import load_model
from llaisys_mini.cache.paged import PagedCache, PagedText
from llaisys_mini.cache.paged_pass import PagedPass, Rows
from llaisys_mini.cache.pool import PagesExhausted
from llaisys_mini.errors import GenerationError
from llaisys_mini.kernels.runtime import observe_calls
from llaisys_mini.models.quantise import quantise
from tests.models.random_models import make_checkpoint

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


def paged(model, pages=60, page_size=4):
    c = model.config
    return PagedCache(
        c.layers,
        c.kv_heads,
        c.head_dim,
        c.max_positions,
        device=model.decoder.device,
        pages=pages,
        page_size=page_size,
    )


def together(model, cache, texts, rows, last_only=False):
    """Logits of one forward pass over the new rows of all texts."""
    for held, ids in zip(texts, rows, strict=True):
        cache.reserve(held, held.length + len(ids))
    step = PagedPass(cache, [Rows(held, len(ids)) for held, ids in zip(texts, rows, strict=True)])
    return model.decoder.forward(np.concatenate(rows), step, last_only).numpy()


def test_texts_of_different_lengths(model):
    texts = [text(seed, length, model) for seed, length in enumerate([3, 17, 1, 40, 8])]
    cache, held = paged(model), [PagedText() for _ in texts]
    np.testing.assert_array_equal(
        together(model, cache, held, texts), np.concatenate([model.logits(ids) for ids in texts])
    )
    assert [one.ids for one in held] == [ids.tolist() for ids in texts]


def test_a_prompt_beside_texts_that_go_on(model):
    old, other, new = (text(seed, length, model) for seed, length in enumerate([30, 12, 9]))
    cache, held = paged(model), [PagedText() for _ in range(3)]
    together(model, cache, [held[0], held[2]], [old[:-1], other[:-1]])
    logits = together(model, cache, held, [old[-1:], new, other[-1:]], last_only=True)
    np.testing.assert_array_equal(logits, np.stack([model.logits(ids)[-1] for ids in (old, new, other)]))
    logits = together(model, cache, held, [old[:1], new[:1], other[:1]], last_only=True)  # one row each
    np.testing.assert_array_equal(logits, np.stack([model.logits([*ids, ids[0]])[-1] for ids in (old, new, other)]))


def test_a_text_alone_reads_its_pages_as_one_array_if_they_follow_each_other(plain):
    def asked(cache, held, ids):
        names = set()
        with observe_calls(lambda operator, arguments, results: names.add(operator.name)):
            logits = together(plain, cache, [held], [ids])
        np.testing.assert_array_equal(logits, plain.logits(ids))
        return names & {"attention", "paged_attention"}

    ids = text(0, 14, plain)
    cache, held = paged(plain), PagedText()
    assert asked(cache, held, ids) == {"attention"}
    scattered, first, second = paged(plain), PagedText(), PagedText()
    scattered.reserve(first, 4)
    scattered.reserve(second, 4)
    scattered.reserve(first, 14)
    assert np.diff(first.pages).max() > 1
    assert asked(scattered, first, ids) == {"paged_attention"}


def test_all_operators_compute_once_for_all_rows(plain):
    rows = {}
    cache, held = paged(plain), [PagedText(), PagedText()]
    with observe_calls(
        lambda op, arguments, results: rows.setdefault(op.name, []).append(len((*results, arguments[0])[0]))
    ):
        together(plain, cache, held, [np.arange(4), np.arange(6)])
    assert set(rows["linear"]) == set(rows["paged_attention"]) == set(rows["store_pages"]) == {10}
    assert len(rows["linear"]) == 7 * plain.config.layers + 1


def test_no_more_pages_are_taken_than_there_are_and_nothing_changes_then(plain):
    cache, held, other = paged(plain, pages=3), PagedText(), PagedText()
    together(plain, cache, [held], [np.arange(5)])
    cache.reserve(other, 4)
    with pytest.raises(PagesExhausted, match="1 pages are wanted, and 0 are left"):
        cache.reserve(held, 9)
    assert (held.length, len(held.pages), cache.pool.available) == (5, 2, 0)
    with pytest.raises(GenerationError, match="text 0 has no pages for 9 positions: reserve them"):
        plain.decoder.forward(np.arange(4), PagedPass(cache, [Rows(held, 4)]))
    np.testing.assert_array_equal(together(plain, cache, [held], [np.arange(5, 8)]), plain.logits(np.arange(8))[5:])


def test_texts_with_a_common_beginning_share_its_full_pages(plain):
    ids = text(0, 22, plain)
    cache, first = paged(plain), PagedText()
    together(plain, cache, [first], [ids])
    cache.publish(first)
    for length, taken_over in ((22, 20), (20, 16), (9, 8), (4, 0), (5, 4)):  # the last id is always computed
        other = PagedText()
        cache.adopt(other, ids[:length].tolist())
        assert (other.length, other.pages) == (taken_over, first.pages[: taken_over // 4])
        logits = together(plain, cache, [other], [ids[taken_over:length]], last_only=True)
        np.testing.assert_array_equal(logits[-1], plain.logits(ids[:length])[-1])
        assert not set(other.pages[taken_over // 4 :]) & set(first.pages), "own rows go into own pages"
        cache.free(other)
    changed = ids.copy()
    changed[2] += 1
    other = PagedText()
    cache.adopt(other, changed.tolist())
    assert other.length == 0, "a page is known by all ids before it"


def test_pages_outlive_their_text_until_their_place_is_needed(plain):
    ids = text(0, 12, plain)
    cache, first = paged(plain, pages=5), PagedText()
    together(plain, cache, [first], [ids])
    cache.publish(first)
    cache.free(first)
    assert cache.pool.in_use == 0
    again = PagedText()
    cache.adopt(again, [*ids.tolist(), 1])
    assert again.length == 12
    cache.free(again)
    long = PagedText()
    other = text(1, 17, plain)
    np.testing.assert_array_equal(together(plain, cache, [long], [other]), plain.logits(other))
    cache.free(long)
    late = PagedText()
    cache.adopt(late, [*ids.tolist(), 1])
    np.testing.assert_array_equal(
        together(plain, cache, [late], [[*ids.tolist(), 1][late.length :]], last_only=True)[-1],
        plain.logits([*ids, 1])[-1],
    )


def test_what_was_guessed_wrongly_is_forgotten(plain):
    ids = text(0, 20, plain)
    cache, held = paged(plain), PagedText()
    together(plain, cache, [held], [ids])
    cache.truncate(held, 7)
    assert (held.ids, len(held.pages)) == (ids[:7].tolist(), 2)
    np.testing.assert_array_equal(together(plain, cache, [held], [ids[7:11]]), plain.logits(ids[:11])[7:])
    cache.publish(held)
    with pytest.raises(GenerationError, match="pages that other texts may share cannot be shortened"):
        cache.truncate(held, 7)


def test_a_pass_that_fails_half_way_extends_no_text(plain):
    cache, held = paged(plain), [PagedText(), PagedText()]
    ids = text(0, 10, plain)
    together(plain, cache, held[:1], [ids[:4]])
    calls = []

    def fail_in_the_second_layer(operator, arguments, results):
        calls.append(operator.name)
        if calls.count("swiglu") == 2:
            raise RuntimeError("a kernel fails")

    with pytest.raises(RuntimeError), observe_calls(fail_in_the_second_layer):
        together(plain, cache, held, [ids[4:6], ids[:3]])
    assert [one.length for one in held] == [4, 0]
    np.testing.assert_array_equal(
        together(plain, cache, held, [ids[4:], ids]), np.concatenate([plain.logits(ids)[4:], plain.logits(ids)])
    )


def test_memory_is_taken_as_pages_are_used(plain):
    cache, held = paged(plain, pages=5000), PagedText()
    before = cache.nbytes
    ids = text(0, 40, plain)
    first = together(plain, cache, [held], [ids[:30]])
    assert before < 3 * cache.nbytes and cache.nbytes < 40 * before
    second = together(plain, cache, [held], [ids[30:]])  # what lies in the pages was copied as they grew
    np.testing.assert_array_equal(np.concatenate([first, second]), plain.logits(ids))


@pytest.mark.parametrize("counts", [[], [0], [1, 0]])
def test_what_is_no_pass_is_refused(plain, counts):
    with pytest.raises(GenerationError, match="a pass needs a text, and each text a row"):
        PagedPass(paged(plain), [Rows(PagedText(), count) for count in counts])


def test_a_text_has_its_rows_side_by_side(plain):
    cache, held = paged(plain), PagedText()
    with pytest.raises(GenerationError, match="the same one was given twice"):
        PagedPass(cache, [Rows(held, 1), Rows(held, 1)])
    cache.reserve(held, 3)
    with pytest.raises(GenerationError, match="2 ids were given for 3 rows"):
        plain.decoder.forward(np.arange(2), PagedPass(cache, [Rows(held, 3)]))
    assert held.length == 0


@pytest.mark.slow
def test_several_texts_on_a_device(tmp_path):
    from llaisys_mini import cuda

    folder = make_checkpoint(tmp_path)
    host = load_model(folder)
    texts = [text(0, 3, host), text(1, 5, host)]
    expected = [host.logits(ids)[-1] for ids in texts]
    with cuda.sanitized():
        there = load_model(folder, device="cuda")
        logits = together(there, paged(there), [PagedText(), PagedText()], texts, last_only=True)
    np.testing.assert_allclose(logits, expected, atol=2e-5, rtol=0)
