"""Generation: limits, stop tokens, seeds, reuse of the cache, and what is refused."""

import numpy as np
import pytest

from llaisys_mini import load_model, operators
from llaisys_mini.errors import CheckpointError, DeviceError, GenerationError
from tests.models.random_models import make_checkpoint


@pytest.fixture
def model(tmp_path):
    return load_model(make_checkpoint(tmp_path, max_position_embeddings=40))


def test_greedy_takes_the_likeliest_token_each_time(model):
    ids = [7, 8]
    for token in model.generate(ids, max_new_tokens=10):
        assert token == model.logits(ids)[-1].argmax()
        ids.append(token)
    assert len(ids) == 12


def test_generation_ends_where_the_context_does(model):
    assert len(list(model.generate([1, 2, 3]))) == 37
    assert len(list(model.generate([1, 2, 3], max_new_tokens=99))) == 37
    assert list(model.generate([1, 2, 3], max_new_tokens=0)) == []


def test_a_stop_token_ends_the_text_and_is_not_yielded(tmp_path, model):
    text = list(model.generate([7, 8], max_new_tokens=10))
    stop = text[4]
    stopping = load_model(
        make_checkpoint(tmp_path / "stops", max_position_embeddings=40, generation={"eos_token_id": [60, stop]})
    )
    assert list(stopping.generate([7, 8], max_new_tokens=10)) == text[: text.index(stop)]


def test_same_seed_same_text(model):
    def text(seed):
        return list(model.generate([5], max_new_tokens=20, temperature=1.0, top_k=30, top_p=0.95, seed=seed))

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_what_a_cache_holds_is_not_computed_again(model):
    from llaisys_mini.contract import observe_calls

    prompt = [1, 2, 3, 4, 5]
    plain = list(model.generate([*prompt, 9], max_new_tokens=5))
    cache = model.cache()
    list(model.generate(prompt, max_new_tokens=3, cache=cache))
    rows = []
    with observe_calls(lambda op, args, out: rows.append(out[0].shape[0]) if op.name == "embedding" else None):
        assert list(model.generate([*prompt, 9], max_new_tokens=5, cache=cache)) == plain
    assert rows[0] == 1, "only the new token is computed; the five before it are in the cache"
    assert list(model.generate([*prompt, 9], max_new_tokens=5, cache=cache)) == plain


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(ids=[]), "the prompt is empty"),
        (dict(ids=[1] * 40), "the prompt has 40 tokens, but the model's context holds 40"),
        (dict(ids=[61]), r"token ids must lie in 0\.\.60"),
        (dict(ids=[-1]), r"token ids must lie in 0\.\.60"),
        (dict(ids=[0.5]), "must be a sequence of token ids"),
        (dict(ids="abc"), "must be a sequence of token ids"),
        (dict(ids=[1], max_new_tokens=-1), "cannot be negative"),
        (dict(ids=[1], temperature=-1), "temperature"),
        (dict(ids=[1], top_p=1.5), "top_p"),
    ],
)
def test_impossible_requests_are_refused_at_once(model, arguments, sentence):
    with pytest.raises(GenerationError, match=sentence):
        model.generate(**arguments)  # before the first token is asked for


def test_logits_beyond_the_context_are_refused(model):
    with pytest.raises(GenerationError, match="41 tokens do not fit the model's context of 40"):
        model.logits([1] * 41)
    cache = model.cache()
    model.logits([1] * 40, cache)
    with pytest.raises(GenerationError, match="41 tokens do not fit"):
        model.logits([1], cache)
    assert cache.length == 40


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_kernel_that_makes_nan_is_noticed(model, monkeypatch, temperature):
    def broken(x, weight, eps, out):
        out[:] = np.nan

    model.logits([1])
    for key in list(operators.rms_norm._chosen):
        monkeypatch.setitem(operators.rms_norm._chosen, key, (broken, []))
    with pytest.raises(GenerationError, match=r"The logits hold NaN.*check the kernels"):
        list(model.generate([1, 2], temperature=temperature, max_new_tokens=3))


def test_unknown_models_and_devices(tmp_path):
    with pytest.raises(CheckpointError, match="is not an existing folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(DeviceError, match="there is no CUDA device here"):
        load_model(tmp_path, device="cuda")


def test_repetition_penalty_is_heeded_when_greedy(model):
    plain = list(model.generate([7, 8], max_new_tokens=30))
    varied = list(model.generate([7, 8], max_new_tokens=30, repetition_penalty=5.0))
    assert len(set(varied)) > len(set(plain))
    assert np.unique(varied).size == len(varied)
