"""GPTQ, AWQ and compressed-tensors folders: the model computes with the weights that the published forms define."""

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from llaisys_mini import load_model, use_kernels, verify_calls
from llaisys_mini.cli import main
from llaisys_mini.errors import CheckpointError, ConfigError
from llaisys_mini.layers.quantised import QuantisedLinear
from llaisys_mini.models.quantise import quantise
from llaisys_mini.paths import shipped_model
from llaisys_mini.weights.checkpoint import Checkpoint, save_safetensors
from tests.weights.published.forms import FORMS, compressed_form, gptq_form
from tests.weights.published.packers import change_settings, change_tensors, write_folders

IDS = np.random.default_rng(0).integers(0, 61, size=19)
UP = "model.layers.1.mlp.up_proj"
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def linears(model):
    for layer in model.decoder.layers:
        attention, mlp = layer.attention, layer.mlp
        yield from (attention.query, attention.key, attention.value, attention.output, mlp.gate, mlp.up, mlp.down)


def kinds(model):
    return {one.weight.dtype.name.replace("uint8", "int4") for one in linears(model)}


def assert_same_model(quantised, plain, **load):
    ours, truth = load_model(quantised, **load), load_model(plain)
    expected = truth.logits(IDS)
    np.testing.assert_allclose(ours.logits(IDS), expected, atol=3e-5 * max(1, expected.std()), rtol=0)
    return ours


# ---- the right numbers -----------------------------------------------------------------------------------------------


@every_form
def test_the_model_is_that_of_the_real_weights(tmp_path, form):
    quantised, plain = write_folders(tmp_path, form)
    model = assert_same_model(quantised, plain)
    assert kinds(model) == {form.kept}
    with use_kernels("reference"):
        assert_same_model(quantised, plain)


@pytest.mark.parametrize("form", [gptq_form(4, 64), compressed_form(4, 128)], ids=["gptq, 64", "pack-quantized, 128"])
def test_groups_of_more_than_32(tmp_path, form):
    sizes = dict(hidden_size=128, intermediate_size=256, num_attention_heads=8)
    assert kinds(assert_same_model(*write_folders(tmp_path, form, **sizes))) == {"int4"}


VARIETIES = {
    "qwen2": dict(model_type="qwen2"),
    "untied, biases": dict(attention_bias=True, tie_word_embeddings=False),
}


@pytest.mark.parametrize("name", ["gptq, 4 bits, groups of 32", "awq, groups of 32", "gptq, 4 bits, act-order"])
@pytest.mark.parametrize("changes", VARIETIES.values(), ids=VARIETIES)
def test_families(tmp_path, name, changes):
    assert_same_model(*write_folders(tmp_path, FORMS[name], **changes))


@pytest.mark.parametrize("form", [gptq_form(4, 32, config=dict(lm_head=True)), compressed_form(8, None, kept="int8")])
def test_a_head_may_be_quantised_too(tmp_path, form):
    folders = write_folders(tmp_path, form, lambda _: False, vocab_size=64, tie_word_embeddings=False)
    assert isinstance(assert_same_model(*folders).decoder.head, QuantisedLinear)


@every_form
def test_modules_that_were_left_out_stay_floats(tmp_path, form):
    folders = write_folders(tmp_path, form, lambda name: name == "lm_head" or "layers.0" in name or "o_proj" in name)
    model = assert_same_model(*folders)
    kept = [isinstance(one, QuantisedLinear) for one in linears(model)]
    assert kept == [False] * 7 + [form.kept != "float32"] * 3 + [False] + [form.kept != "float32"] * 3


def test_greedy_text_and_every_operator_call(tmp_path):
    quantised, plain = write_folders(tmp_path, FORMS["awq, groups of 32"])
    model = load_model(quantised)
    assert list(model.generate(IDS[:5].tolist(), 30)) == list(load_model(plain).generate(IDS[:5].tolist(), 30))
    with verify_calls(model) as report:
        model.logits([1, 2, 3, 4, 5])
        model.logits([7])
    assert report.first is None, report.first


def test_shards(tmp_path):
    """A projection's tensors may lie in different files."""
    quantised, plain = write_folders(tmp_path, FORMS["gptq, 4 bits, zero points"])
    tensors = {name: tensor.numpy().copy() for name, tensor in Checkpoint.open(quantised).items()}
    (quantised / "model.safetensors").unlink()
    weight_map = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(tensors)}
    for file in set(weight_map.values()):
        save_safetensors(quantised / file, {name: tensors[name] for name in tensors if weight_map[name] == file})
    (quantised / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert_same_model(quantised, plain)


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("dtype", ["auto", "float32", "float16", "bfloat16"])
def test_what_no_operator_can_express_becomes_floats(tmp_path, monkeypatch, dtype, small):
    """In the dtype that was asked for; else float32 for small models, and what the scales have for large ones."""
    quantised, plain = write_folders(tmp_path, FORMS["gptq, 4 bits, act-order"])
    if not small:
        monkeypatch.setattr("llaisys_mini.engine.generate._SMALL", 0)
    expected = dtype if dtype != "auto" else "float32" if small else "float16"
    for ours, truth in zip(linears(load_model(quantised, dtype)), linears(load_model(plain, "float32")), strict=True):
        assert ours.weight.dtype.name == expected
        np.testing.assert_array_equal(ours.weight.numpy(), truth.weight.numpy().astype(ours.weight.dtype))


# ---- what published files do besides ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [7, 8])
def test_symmetric_zero_points_are_the_middle_however_they_are_stored(tmp_path, stored):
    quantised, plain = write_folders(tmp_path, FORMS["gptq, 4 bits, groups of 32"])

    def change(tensors):
        for name in tensors:
            if name.endswith("qzeros"):
                tensors[name][:] = int(f"{stored}" * 8, 16) - (1 << 32 if stored == 8 else 0)

    change_tensors(quantised, change)
    assert_same_model(quantised, plain)


def test_zero_points_of_zero_in_the_first_version(tmp_path):
    """GPTQModel subtracts 1 from whole words, so a zero point of 0 borrows from its neighbour."""
    form = gptq_form(4, 32, version=2, middle=False)
    quantised, plain = write_folders(tmp_path, form)

    def change(tensors):
        for name in tensors:
            if name.endswith("qzeros"):
                tensors[name] = (tensors[name].view(np.uint32) - np.uint32(0x11111111)).view(np.int32)

    change_tensors(quantised, change)
    change_settings(quantised, checkpoint_format="gptq", meta={"quantizer": ["gptqmodel:1.7.4"]})
    assert_same_model(quantised, plain)
    change_settings(quantised, meta={"quantizer": ["optimum:1.24"]})
    with pytest.raises(CheckpointError, match=r"qzeros' holds 15, a zero point of 0 minus 1"):
        load_model(quantised)


def test_a_bias_of_zeros_has_no_place(tmp_path):
    quantised, plain = write_folders(tmp_path, FORMS["gptq, 4 bits, groups of 32"])
    change_tensors(quantised, lambda tensors: tensors.update({f"{UP}.bias": np.zeros(96, np.float16)}))
    assert_same_model(quantised, plain)
    change_tensors(quantised, lambda tensors: tensors.update({f"{UP}.bias": np.full(96, 0.5, np.float16)}))
    with pytest.raises(CheckpointError, match=re.escape(f"model.safetensors: tensor '{UP}.bias' is not zero")):
        load_model(quantised)


def test_the_early_name_in_the_config(tmp_path):
    quantised, plain = write_folders(tmp_path, FORMS["pack-quantized, 4 bits, groups of 32"])
    config = json.loads((quantised / "config.json").read_text())
    config["compression_config"] = config.pop("quantization_config")
    (quantised / "config.json").write_text(json.dumps(config))
    assert_same_model(quantised, plain)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_last_word_that_is_partly_filled(tmp_path, bits):
    form = compressed_form(bits, None, kept="int8", symmetric=bits == 8)
    sizes = dict(hidden_size=37, intermediate_size=41, head_dim=18)
    assert_same_model(*write_folders(tmp_path, form, **sizes))


# ---- the commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gptq, 4 bits, groups of 32", "weights: GPTQ, 4 bits, groups of 32; projections kept: 14 as int4"),
        ("awq, one scale per row", "weights: AWQ, 4 bits, one scale per row; projections kept: 14 as int8"),
        (
            "gptq, 4 bits, act-order",
            "weights: GPTQ, 4 bits, groups of 32; projections kept: 14 as float32 (int8 cannot express "
            "their groups or zero points)",
        ),
    ],
)
def test_generate_says_how_the_weights_are_kept(tmp_path, name, said):
    folder, _ = write_folders(tmp_path, FORMS[name], vocab_size=shipped_vocabulary())
    shutil.copy(shipped_model() / "tokenizer.json", folder)
    result = CliRunner().invoke(main, ["generate", "Once", "--model", str(folder), "--max-new-tokens", "2"])
    assert result.exit_code == 0, result.stderr
    assert said in result.stderr.splitlines()
    assert "weights:" not in result.stdout


def shipped_vocabulary():
    return json.loads((shipped_model() / "config.json").read_text())["vocab_size"]


def test_it_is_not_quantised_again(tmp_path):
    folder, _ = write_folders(tmp_path, FORMS["awq, groups of 32"])
    with pytest.raises(ConfigError, match="is quantised already"):
        quantise(folder, tmp_path / "again", "int4")
    assert not (tmp_path / "again").exists()
