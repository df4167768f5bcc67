"""Generation: limits, stop tokens, seeds, reuse of the cache, and what is refused."""

import numpy as np
import pytest

from llaisys_mini import dtypes, load_model
from llaisys_mini.errors import CheckpointError, DeviceError, GenerationError
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.text.sampling import SamplingParams
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


def test_stored_weights_give_the_bits_of_those_converted_to_float32():
    model, stored = load_model("mini"), load_model("mini", "stored")
    assert [each.decoder.embeddings.dtype for each in (model, stored)] == [dtypes.float32, dtypes.bfloat16]
    ids = model.tokenizer.encode("Once upon a time, there was a fox named Dot. Dot had")
    for count in (1, 2, 5, len(ids)):
        assert np.array_equal(stored.logits(ids[:count]), model.logits(ids[:count])), count
    caches = stored.cache(), model.cache()
    for token in ids:
        assert np.array_equal(stored.logits([token], caches[0]), model.logits([token], caches[1]))


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


def test_the_iterator_tells_why_the_text_ended(model):
    tokens = model.generate([7, 8], max_new_tokens=5)
    assert iter(tokens) is tokens
    assert tokens.stop_reason is None
    text = list(tokens)
    assert (len(text), tokens.stop_reason, tokens.stop_id) == (5, "length", None)
    assert list(tokens) == []

    to_the_end = model.generate([7, 8])
    assert len(list(to_the_end)) == 38
    assert (to_the_end.stop_reason, to_the_end.stop_id) == ("length", None)

    stopped = model.generate([7, 8], max_new_tokens=5, stop_ids={60, text[3]})
    assert list(stopped) == text[: text.index(text[3])]
    assert (stopped.stop_reason, stopped.stop_id) == ("stop", text[3])
    with pytest.raises(StopIteration):
        next(stopped)


OWN = {"do_sample": True, "temperature": 0.8, "top_k": 7, "top_p": 0.9, "repetition_penalty": 1.1}


def test_generate_samples_as_the_model_asks_unless_told_otherwise(tmp_path, model):
    samples = load_model(make_checkpoint(tmp_path / "samples", max_position_embeddings=40, generation=OWN))
    rule = {name: value for name, value in OWN.items() if name != "do_sample"}

    def text(of, **given):
        return list(of.generate([7, 8], max_new_tokens=20, **given))

    assert text(samples, seed=3) == text(model, seed=3, **rule)
    assert text(samples, seed=3, top_k=0) == text(model, seed=3, **rule | {"top_k": 0})
    assert text(samples, temperature=0, repetition_penalty=1) == text(model)
    assert text(samples, seed=3, temperature=None) == text(samples, seed=3)
    whole = SamplingParams(temperature=1.5, seed=3)
    assert text(samples, params=whole) == text(model, temperature=1.5, seed=3)
    assert text(samples, params=whole, seed=4) == text(model, temperature=1.5, seed=4)
    with pytest.raises(TypeError, match="temprature"):
        samples.generate([7, 8], temprature=1.0)


def test_parameters_given_as_a_whole_keep_the_models_stop_tokens(tmp_path, model):
    text = list(model.generate([7, 8], max_new_tokens=10))
    stopping = load_model(
        make_checkpoint(tmp_path / "stops", max_position_embeddings=40, generation={"eos_token_id": text[4]})
    )
    greedy = SamplingParams(max_new_tokens=10)
    assert list(stopping.generate([7, 8], params=greedy)) == text[: text.index(text[4])]
    assert list(stopping.generate([7, 8], params=greedy, stop_ids=())) == text


def test_same_seed_same_text(model):
    def text(seed):
        return list(model.generate([5], max_new_tokens=20, temperature=1.0, top_k=30, top_p=0.95, seed=seed))

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_what_an_engine_has_read_is_not_computed_again(model):
    from llaisys_mini.kernels.runtime import observe_calls

    prompt = list(range(1, 19))
    plain = list(model.generate([*prompt, 9], max_new_tokens=5))
    engine = model.engine()
    list(model.generate(prompt, max_new_tokens=3, engine=engine))
    rows = []
    with observe_calls(lambda op, args, out: rows.append(out[0].shape[0]) if op.name == "embedding" else None):
        assert list(model.generate([*prompt, 9], max_new_tokens=5, engine=engine)) == plain
    assert rows[0] == 3, "the first page of 16 is there already"
    assert list(model.generate([*prompt, 9], max_new_tokens=5, engine=engine)) == plain


def test_texts_of_one_engine_may_be_read_in_turn(model):
    engine = model.engine(pages=20)
    both = [model.generate(ids, max_new_tokens=8, engine=engine) for ids in ([7, 8], [5])]
    assert [list(pair) for pair in zip(*both, strict=True)] == [
        list(pair) for pair in zip(*(model.generate(ids, max_new_tokens=8) for ids in ([7, 8], [5])), strict=True)
    ]


def test_a_generation_that_is_closed_gives_its_pages_back(model):
    engine = model.engine()
    tokens = model.generate([7, 8], engine=engine)
    next(tokens)
    tokens.close()
    assert (tokens.stop_reason, list(tokens), engine.cache.pool.in_use) == ("aborted", [], 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(ids=[]), "the prompt is empty"),
        (dict(ids=[1] * 40), "the prompt has 40 tokens, but the model's context holds 40"),
        (dict(ids=[61]), r"token ids must lie in 0\.\.60"),
        (dict(ids=[-1]), r"token ids must lie in 0\.\.60"),
        (dict(ids=[0.5]), "must be a sequence of token ids"),
        (dict(ids="abc"), "must be a sequence of token ids"),
        (dict(ids=[1], max_new_tokens=-1), "max_new_tokens is -1"),
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
def test_a_kernel_that_makes_nan_is_noticed(model, temperature):
    def broken(x, weight, eps, out):
        out[:] = np.nan

    model.logits([1])
    kernels = Runtime(per_operator={"rms_norm": Kernel("rms_norm", "cpu", "broken", broken)})
    with kernels.in_force(), pytest.raises(GenerationError, match=r"The logits hold NaN.*check the kernels"):
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
