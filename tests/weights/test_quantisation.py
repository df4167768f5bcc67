"""Quantised checkpoints: what is rounded and how, what is written, and that the model computes with exactly that."""

import json
import warnings

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

from llaisys_mini import load_model, use_kernels, verify_calls
from llaisys_mini.cli import main
from llaisys_mini.errors import CheckpointError, ConfigError
from llaisys_mini.layers.linear import Linear
from llaisys_mini.layers.quantised import QuantisedLinear
from llaisys_mini.models import quantise as writing
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.models.quantise import quantise
from llaisys_mini.operators.linear_int4 import packed, unpacked
from llaisys_mini.operators.linear_int8 import dequantised
from llaisys_mini.weights import quantisation
from llaisys_mini.weights.checkpoint import Checkpoint, save_safetensors
from llaisys_mini.weights.quantisation import DTYPES, Quantisation, round_weights
from tests.models.random_models import make_checkpoint

BF16 = ml_dtypes.bfloat16
SIZES = dict(hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2, head_dim=16)
PER_ROW = Quantisation(8, None)
all_kinds = pytest.mark.parametrize("how", [*DTYPES.values(), PER_ROW], ids=["int8", "int4", "int8 per row"])
both_dtypes = pytest.mark.parametrize("dtype", ["int8", "int4"])


def real(stored, scales):
    """The weights that stored numbers and scales stand for, float64."""
    numbers = stored if stored.dtype == np.int8 else unpacked(stored.astype(np.int64))
    return dequantised(numbers.astype(np.float64), scales.astype(np.float64))


def random_weight(rows=5, width=96, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=(rows, width))).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    return make_checkpoint(tmp_path / "model", **SIZES)


# ---- rounding ------------------------------------------------------------------------------------------------


@all_kinds
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_every_weight_moves_by_at_most_about_half_a_step(how, scale):
    weight = random_weight(scale=scale)
    stored, scales = round_weights(weight, how)
    groups = weight.reshape(5, scales.shape[1], -1)
    assert scales.dtype == BF16
    assert groups.shape[1] == (1 if how.group_size is None else 3)
    error = np.abs(real(stored, scales) - weight).reshape(groups.shape).max(axis=2)
    step = np.abs(groups).max(axis=2) / (127 if how.bits == 8 else 7)
    # Half a step, and the largest weight of a group may be clipped: by what a bfloat16 scale lacks, or for int4 by one
    # step, where that makes the others finer.
    assert (error <= step * (0.5 + 127 * 2**-9 if how.bits == 8 else 1.2)).all()


def test_int4_is_at_least_as_good_as_the_plain_rule():
    weight = random_weight(40, 320)
    stored, scales = round_weights(weight, DTYPES["int4"])
    groups = weight.reshape(-1, 32)
    plain = np.abs(groups).max(axis=1, keepdims=True) / 7
    of_plain_rule = np.square(np.rint(groups / plain) * plain - groups).sum()
    assert np.square(real(stored, scales) - weight).sum() < 0.9 * of_plain_rule


@all_kinds
def test_groups_of_zeros_and_of_one_outlier(how):
    weight = np.zeros((3, 64), np.float32)
    weight[1, 5] = -3.0
    weight[2] = 1e-42  # smaller than any scale can express
    stored, scales = round_weights(weight, how)
    np.testing.assert_allclose(real(stored, scales)[:2], weight[:2], rtol=2**-8)
    assert np.abs(real(stored, scales)[2]).max() <= 2e-42


@pytest.mark.parametrize("dtype", [np.float32, np.float16, BF16])
def test_storage_dtypes_and_blocks_change_nothing(dtype, monkeypatch):
    weight = random_weight().astype(dtype)
    for how in DTYPES.values():
        whole = round_weights(weight, how)
        monkeypatch.setattr(quantisation, "_BLOCK", 200)
        for a, b in zip(whole, round_weights(weight.astype(np.float32), how), strict=True):
            np.testing.assert_array_equal(a, b)


def test_packing_two_numbers_into_a_byte_and_back():
    numbers = np.random.default_rng(0).integers(-8, 8, size=(3, 96))
    stored = packed(numbers)
    assert (stored.dtype, stored.shape) == (np.uint8, (3, 48))
    np.testing.assert_array_equal(unpacked(stored.astype(int)), numbers)
    assert stored[0, 1] == (numbers[0, 1] + 8) + 16 * (numbers[0, 17] + 8)


# ---- writing and reading back --------------------------------------------------------------------------------


def dequantised_copy(source, folder):
    """The checkpoint `source` with real weights in the place of quantised ones, float32."""
    config = json.loads((source / "config.json").read_text())
    del config["quantization_config"]
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    checkpoint = Checkpoint.open(source)
    arrays = {name: tensor.numpy() for name, tensor in checkpoint.items() if not name.endswith(".scales")}
    for name in arrays:
        scales = checkpoint.get(name.removesuffix("weight") + "scales")
        if scales is not None:
            arrays[name] = real(arrays[name], scales.numpy()).astype(np.float32)
    save_safetensors(folder / "model.safetensors", arrays)
    return folder


VARIETIES = {
    "qwen3": {},
    "untied, biases": dict(attention_bias=True, tie_word_embeddings=False),
    "qwen2, float16": dict(model_type="qwen2", dtype=np.float16),
    "qwen2, untied, bfloat16": dict(model_type="qwen2", tie_word_embeddings=False, dtype=BF16),
}


@pytest.mark.parametrize("how", ["int8", "int4", "int8 per row"])
@pytest.mark.parametrize("changes", VARIETIES.values(), ids=VARIETIES)
def test_the_model_computes_with_exactly_the_rounded_weights(tmp_path, changes, how):
    source = make_checkpoint(tmp_path / "model", **SIZES | changes)
    out = tmp_path / "quantised"
    before, after = quantise(source, out, how.split()[0], per_row=how.endswith("row"))
    assert after < before
    model, rounded = load_model(out), load_model(dequantised_copy(out, tmp_path / "rounded"))
    assert isinstance(model.decoder.layers[0].mlp.down, QuantisedLinear)
    assert isinstance(model.decoder.head, QuantisedLinear)  # tied or not: the head is read whole for every token
    ids = np.random.default_rng(0).integers(0, 61, size=19)
    np.testing.assert_allclose(model.logits(ids), rounded.logits(ids), atol=3e-5, rtol=0)
    with use_kernels("reference"):
        np.testing.assert_allclose(model.logits(ids), rounded.logits(ids), atol=3e-5, rtol=0)
    prompt = ids[:5].tolist()
    assert list(model.generate(prompt, 30)) == list(rounded.generate(prompt, 30))


@pytest.mark.parametrize("changes", [{}, dict(hidden_size=40)], ids=["groups fit", "groups do not fit the head"])
@pytest.mark.parametrize("head", ["other", "alone"])
def test_a_tied_checkpoint_with_a_head_of_its_own_keeps_it(tmp_path, head, changes):
    source = make_checkpoint(tmp_path / "model", **SIZES | changes)
    weights = {name: np.array(tensor.numpy()) for name, tensor in Checkpoint.open(source).items()}
    embeddings = weights["model.embed_tokens.weight"]
    if head == "alone":
        weights["lm_head.weight"] = weights.pop("model.embed_tokens.weight")
    else:
        weights["lm_head.weight"] = np.random.default_rng(3).normal(size=embeddings.shape).astype(np.float32)
    save_safetensors(source / "model.safetensors", weights)
    quantise(source, tmp_path / "out", "int8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load_model(tmp_path / "out")
    np.testing.assert_array_equal(model.decoder.embeddings.numpy(), embeddings)
    stored = model.decoder.head
    if changes:
        assert isinstance(stored, Linear)
        np.testing.assert_array_equal(stored.weight.numpy(), weights["lm_head.weight"])
    else:
        numbers, scales = round_weights(weights["lm_head.weight"], DTYPES["int8"])
        np.testing.assert_array_equal(stored.weight.numpy(), numbers)
        np.testing.assert_array_equal(stored.scales.numpy(), scales)


@both_dtypes
def test_every_operator_call_agrees_with_its_contract(folder, tmp_path, dtype):
    quantise(folder, tmp_path / "out", dtype)
    model = load_model(tmp_path / "out")
    with verify_calls(model) as report:
        model.logits([1, 2, 3, 4, 5])
        model.logits([7])
    assert report.first is None, report.first


def test_the_same_greedy_tokens_as_the_original(folder, tmp_path):
    """Eight bits move the logits of a random model by so little that its greedy choices stay."""
    quantise(folder, tmp_path / "out", "int8")
    original, rounded = load_model(folder), load_model(tmp_path / "out")
    ids = np.random.default_rng(1).integers(0, 61, size=200)
    same = original.logits(ids).argmax(axis=1) == rounded.logits(ids).argmax(axis=1)
    assert same.mean() >= 0.97


@both_dtypes
def test_weights_lie_in_the_file(folder, tmp_path, dtype):
    quantise(folder, tmp_path / "out", dtype)
    checkpoint = Checkpoint.open(tmp_path / "out")
    first = checkpoint["model.layers.0.mlp.up_proj.weight"].numpy()
    assert np.shares_memory(first, checkpoint["model.layers.0.mlp.up_proj.weight"].numpy())
    assert first.dtype == (np.int8 if dtype == "int8" else np.uint8)
    original = Checkpoint.open(folder)
    for name in ("model.embed_tokens.weight", "model.norm.weight", "model.layers.1.self_attn.q_norm.weight"):
        np.testing.assert_array_equal(checkpoint[name].numpy(), original[name].numpy())


def test_rows_that_no_group_fits_stay_as_they_are(tmp_path):
    source = make_checkpoint(tmp_path / "model", **SIZES | dict(intermediate_size=40))
    quantise(source, tmp_path / "out", "int4")
    layer = load_model(tmp_path / "out").decoder.layers[0]
    assert isinstance(layer.mlp.down, Linear)
    assert isinstance(layer.mlp.up, QuantisedLinear)


def test_large_models_become_several_files(folder, tmp_path, monkeypatch):
    quantise(folder, tmp_path / "one", "int8")
    monkeypatch.setattr(writing, "_SHARD", 20_000)
    quantise(folder, tmp_path / "many", "int8")
    files = sorted(path.name for path in (tmp_path / "many").glob("*.safetensors"))
    assert len(files) > 2
    assert files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    one, many = load_model(tmp_path / "one"), load_model(tmp_path / "many")
    np.testing.assert_array_equal(one.logits([1, 2, 3]), many.logits([1, 2, 3]))


def test_what_else_belongs_to_a_model_is_copied(folder, tmp_path):
    (folder / "generation_config.json").write_text('{"temperature": 0.5}')
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "added_tokens.json").write_text("{}")
    (folder / "notes.txt").write_text("private")
    quantise(str(folder), str(tmp_path / "out"), "int8")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "config.json",
        "model.safetensors",
        "generation_config.json",
        "chat_template.jinja",
        "added_tokens.json",
    }
    assert ModelConfig.from_folder(tmp_path / "out").generation == {"temperature": 0.5}


# ---- what is refused -----------------------------------------------------------------------------------------


def test_mistakes_get_one_sentence_and_leave_nothing_behind(folder, tmp_path, monkeypatch):
    def refused(error, sentence, *arguments, **options):
        before = sorted(path.name for path in tmp_path.iterdir())
        with pytest.raises(error, match=sentence) as caught:
            quantise(*arguments, **options)
        assert "\n" not in str(caught.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == before

    out = tmp_path / "out"
    refused(ConfigError, "dtype 'int3' is not one of int8, int4", folder, out, "int3")
    refused(ConfigError, "too coarse for int4", folder, out, "int4", per_row=True)
    refused(CheckpointError, "exists already", folder, folder, "int8")
    refused(CheckpointError, "cannot be written: No such file", folder, tmp_path / "absent" / "out", "int8")
    refused(CheckpointError, "not an existing folder", "no/such/model", out, "int8")

    weights = {name: tensor.numpy() for name, tensor in Checkpoint.open(folder).items()}
    broken = weights["model.layers.2.mlp.gate_proj.weight"].copy()
    broken[3, 3] = np.nan
    save_safetensors(folder / "model.safetensors", weights | {"model.layers.2.mlp.gate_proj.weight": broken})
    refused(CheckpointError, r"'model\.layers\.2\.mlp\.gate_proj\.weight' holds numbers", folder, out, "int8")

    def fails(*_):
        raise CheckpointError("no space left")

    monkeypatch.setattr(writing, "save_safetensors", fails)
    refused(CheckpointError, "no space left", make_checkpoint(folder, **SIZES), out, "int8")


def test_a_quantised_model_is_not_quantised_again(folder, tmp_path):
    quantise(folder, tmp_path / "out", "int8")
    with pytest.raises(ConfigError, match="is quantised already"):
        quantise(tmp_path / "out", tmp_path / "again", "int4")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"quant_method": "hqq", "bits": 4}, "`quantization_config` is .*hqq.*, but only the `quant_method`"),
        ({"quant_method": "llaisys_mini", "bits": 3}, "`bits` is 3, but only 4 and 8"),
        ({"quant_method": "llaisys_mini"}, "`bits` is missing"),
        ({"quant_method": "llaisys_mini", "bits": 4, "group_size": 64}, "`group_size` is 64, but 4 bits come in"),
        ({"quant_method": "llaisys_mini", "bits": 8, "group_size": 0}, "`group_size` is 0"),
        ("int8", "but only the `quant_method`"),
    ],
)
def test_other_quantisations_are_refused_by_name(folder, settings, sentence):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": settings}))
    with pytest.raises(ConfigError, match=sentence):
        load_model(folder)


def test_weights_that_do_not_fit_the_config_are_refused(folder, tmp_path):
    out = tmp_path / "out"
    quantise(folder, out, "int8")
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(config | {"quantization_config": DTYPES["int4"].to_dict()}))
    with pytest.raises(CheckpointError, match="is stored as I8, not as U8"):
        load_model(out)
    (out / "config.json").write_text(json.dumps(config | {"quantization_config": PER_ROW.to_dict()}))
    with pytest.raises(CheckpointError, match=r"scales' has shape \[64, 2\], but config\.json asks for \[64, 1\]"):
        load_model(out)
    del config["quantization_config"]
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="is stored as I8, but only F32, F16 and BF16"):
        load_model(out)


# ---- the command ---------------------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote(folder, tmp_path):
    arguments = ["quantise", str(folder), "--dtype", "int4", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    assert "weights 0.4 MB -> 0.1 MB" in result.stdout
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 2
    assert again.stderr.startswith("llaisys-mini: ")
    assert again.stderr.strip().count("\n") == 0
