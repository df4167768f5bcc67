"""The decoder: caching changes nothing, all storage dtypes work, the course's kernels agree with the reference."""

import json
import threading

import ml_dtypes
import numpy as np
import pytest

from llaisys_mini import load_model, observe_calls, use_kernels, verify_calls
from llaisys_mini.errors import CheckpointError, CheckpointWarning, ConfigError, GenerationError
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.weights.checkpoint import Checkpoint, save_safetensors
from tests.models.random_models import VARIETIES, make_checkpoint

varieties = pytest.mark.parametrize("changes", VARIETIES.values(), ids=VARIETIES)


def ids_for(model, length, seed=0):
    return np.random.default_rng(seed).integers(0, model.config.vocab_size, size=length)


@pytest.fixture
def model(tmp_path):
    return load_model(make_checkpoint(tmp_path))


@varieties
@pytest.mark.parametrize("length", [1, 2, 17])
def test_cache_on_equals_cache_off(tmp_path, changes, length):
    model = load_model(make_checkpoint(tmp_path, **changes))
    ids = ids_for(model, length + 6)
    whole = model.logits(ids)
    assert whole.dtype == np.float32
    assert whole.shape == (length + 6, model.config.vocab_size)
    cache = model.cache()
    parts = [model.logits(ids[:length], cache)]  # prefill(n), then decode one by one
    parts += [model.logits([token], cache) for token in ids[length:]]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=2e-5, rtol=0)
    assert cache.length == length + 6
    assert cache.ids == ids.tolist()


def test_prefill_and_decode_for_a_long_prompt(model):
    ids = ids_for(model, 301)
    cache = model.cache()
    prefilled = model.logits(ids[:300], cache)
    np.testing.assert_allclose(prefilled, model.logits(ids[:300]), atol=2e-5, rtol=0)
    np.testing.assert_allclose(model.logits(ids[300:], cache), model.logits(ids)[300:], atol=2e-5, rtol=0)


@varieties
def test_a_block_in_the_middle_of_a_text(tmp_path, changes):
    model = load_model(make_checkpoint(tmp_path, **changes))
    ids = ids_for(model, 20)
    cache = model.cache()
    parts = [model.logits(ids[:7], cache), model.logits(ids[7:15], cache), model.logits(ids[15:], cache)]
    np.testing.assert_allclose(np.concatenate(parts), model.logits(ids), atol=2e-5, rtol=0)


@varieties
def test_the_reference_gives_the_same_logits(tmp_path, changes):
    model = load_model(make_checkpoint(tmp_path, **changes))
    ids = ids_for(model, 19)
    fast = model.logits(ids)
    with use_kernels("reference"):
        np.testing.assert_allclose(fast, model.logits(ids), atol=2e-5, rtol=0)


@varieties
def test_every_operator_call_agrees_with_its_contract(tmp_path, changes):
    model = load_model(make_checkpoint(tmp_path, **changes))
    with verify_calls(model) as report:
        model.logits(ids_for(model, 12))
    assert report.first is None, report.first
    assert report.calls > 3 * 12
    assert "agree with the reference" in str(report)


def test_the_first_diverging_layer_and_operator_are_named(model):
    right = answering_kernel("swiglu")
    calls = []

    def wrong_in_the_second_layer(gate, up, out):
        right.function(gate, up, out)
        calls.append(None)
        if len(calls) == 2:
            out[5] += 0.5

    wrong = Kernel("swiglu", "cpu", "wrong", wrong_in_the_second_layer)
    with Runtime(per_operator={"swiglu": wrong}).in_force(), verify_calls(model) as report:
        model.logits([1, 2, 3])
    assert "swiglu is wrong" in report.first
    assert "layer 1" in report.first
    assert "first at [0, 5]" in report.first


def test_each_thread_knows_its_own_place(model):
    """One thread stands still in layer 1; meanwhile another goes all the way."""
    seen, is_there, may_go_on = [], threading.Event(), threading.Event()

    def stand_still(operator, arguments, results):
        if model.decoder.place == "layer 1" and not is_there.is_set():
            is_there.set()
            assert may_go_on.wait(60)
        seen.append(model.decoder.place)

    def observed():
        with observe_calls(stand_still):
            model.logits([1, 2, 3])

    thread = threading.Thread(target=observed)
    thread.start()
    assert is_there.wait(60)
    model.decoder.forward(np.array([4]), model.cache())
    assert model.decoder.place == "head"
    may_go_on.set()
    thread.join()
    assert seen[-1] == "head"
    assert list(dict.fromkeys(seen)) == ["embedding", "layer 0", "layer 1", "layer 2", "head"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_storage_dtypes(tmp_path, dtype):
    folder = make_checkpoint(tmp_path)
    exact, stored = load_model(folder, "float32"), load_model(folder, dtype)
    ids = ids_for(exact, 30)
    assert stored.decoder.embeddings.dtype.name == dtype
    assert stored.cache().dtype.name == dtype
    difference = np.abs(exact.logits(ids) - stored.logits(ids)).max()
    assert difference <= {"float32": 0, "float16": 0.03, "bfloat16": 0.2}[dtype]


def test_a_folder_without_a_tokenizer_works_on_ids(model):
    assert model.tokenizer is None
    assert len(list(model.generate([3, 1, 4], max_new_tokens=5))) == 5


def test_sharded_checkpoints_load_the_same(tmp_path):
    single = make_checkpoint(tmp_path / "single", dtype=ml_dtypes.bfloat16)
    weights = {name: tensor.numpy() for name, tensor in Checkpoint.open(single).items()}
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    (sharded / "config.json").write_text((single / "config.json").read_text())
    names = sorted(weights)
    files = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save_safetensors(sharded / file, {n: weights[n] for n in names if files[n] == file})
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    ids = [5, 6, 7]
    np.testing.assert_array_equal(load_model(single).logits(ids), load_model(sharded).logits(ids))


def rewritten(folder, **changes):
    """The checkpoint with other tensors: `changes` by the last word of their name but one; None takes one away."""
    weights = {name: np.array(tensor.numpy()) for name, tensor in Checkpoint.open(folder).items()}
    names = {"head": "lm_head.weight", "embeddings": "model.embed_tokens.weight", "bias": "model.norm.bias"}
    weights |= {names[part]: values for part, values in changes.items()}
    save_safetensors(folder / "model.safetensors", {name: w for name, w in weights.items() if w is not None})
    return folder


def embeddings_of(folder):
    return np.array(Checkpoint.open(folder)["model.embed_tokens.weight"].numpy())


def test_a_head_of_its_own_wins_over_a_config_that_says_tied(tmp_path):
    head = np.random.default_rng(5).normal(size=(61, 24)).astype(np.float32)
    untied = load_model(rewritten(make_checkpoint(tmp_path / "untied", tie_word_embeddings=False), head=head))
    folder = rewritten(make_checkpoint(tmp_path / "tied"), head=head)
    with pytest.warns(CheckpointWarning, match=r"`tie_word_embeddings`, but .* `lm_head\.weight` of other numbers"):
        tied = load_model(folder)
    np.testing.assert_array_equal(tied.logits([1, 2]), untied.logits([1, 2]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_an_equal_head_is_not_kept_twice(tmp_path, dtype):
    """As Qwen3-0.6B is published. The head may be stored in more bits."""
    folder = make_checkpoint(tmp_path, dtype=dtype)
    before = load_model(folder).logits([1, 2])
    model = load_model(rewritten(folder, head=embeddings_of(folder).astype(np.float32)))
    assert model.decoder.head.weight is model.decoder.embeddings
    np.testing.assert_array_equal(model.logits([1, 2]), before)


@pytest.mark.filterwarnings("error")
def test_a_tied_matrix_may_have_the_name_of_the_head(tmp_path):
    folder = make_checkpoint(tmp_path)
    before = load_model(folder).logits([1, 2])
    rewritten(folder, head=embeddings_of(folder), embeddings=None)
    np.testing.assert_array_equal(load_model(folder).logits([1, 2]), before)


def test_tensors_that_nobody_asks_for_are_named(tmp_path):
    folder = rewritten(make_checkpoint(tmp_path), bias=np.ones(24, np.float32))
    with pytest.warns(CheckpointWarning, match=r"does not ask for: 1, the first is 'model\.norm\.bias'"):
        load_model(folder)


def test_wrong_checkpoints_are_refused_in_one_sentence(tmp_path):
    folder = make_checkpoint(tmp_path)
    config = json.loads((folder / "config.json").read_text())

    def with_config(**changes):
        (folder / "config.json").write_text(json.dumps(config | changes))

    with_config(intermediate_size=41)
    with pytest.raises(CheckpointError, match=r"shape \[40, 24\], but config.json asks for \[41, 24\]"):
        load_model(folder)
    with_config(num_hidden_layers=4)
    with pytest.raises(CheckpointError, match=r"no tensor 'model\.layers\.3"):
        load_model(folder)
    with_config(model_type="llama")
    with pytest.raises(ConfigError, match="llama"):
        load_model(folder)
    with_config()
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError):
        load_model(folder)
    with pytest.raises(GenerationError, match="dtype 'int3' is not one of auto"):
        load_model(folder, dtype="int3")


def test_the_cache_grows_and_forgets(model):
    cache = model.cache()
    ids = ids_for(model, 200)
    for start in range(0, 200, 40):
        model.logits(ids[start : start + 40], cache)
    assert cache.length == 200
    cache.truncate(10)
    after = model.logits(ids[10:12], cache)
    np.testing.assert_allclose(after, model.logits(ids[:12])[10:], atol=2e-5, rtol=0)
