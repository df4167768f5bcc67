"""`--method gptq` and `awq`: the folder is read as any other, the model loses less, and AWQ's factors change nothing
but the rounding."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from llaisys_mini import load_model
from llaisys_mini.cli import main
from llaisys_mini.errors import CheckpointError, ConfigError
from llaisys_mini.layers.quantised import QuantisedLinear
from llaisys_mini.models import calibrated
from llaisys_mini.models import quantise as writing
from llaisys_mini.models.quantise import quantise
from llaisys_mini.weights.checkpoint import Checkpoint, save_safetensors
from llaisys_mini.weights.quantisation import DTYPES
from tests.models.random_models import make_checkpoint

SIZES = dict(hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2, head_dim=16)
VARIETIES = {
    "qwen3": {},
    "qwen2, biases": dict(model_type="qwen2", tie_word_embeddings=False),
    "bfloat16, untied": dict(tie_word_embeddings=False, dtype="bfloat16"),
    "rows that no group fits": dict(intermediate_size=40),
}
both_methods = pytest.mark.parametrize("method", ["gptq", "awq"])


def texts(count=6, length=60, seed=0):
    return np.random.default_rng(seed).integers(0, 61, size=(count, length)).tolist()


def change_of_logits(folder, out):
    ids = texts(1, seed=9)[0]
    before = load_model(folder).logits(ids)
    return float(np.square(load_model(out).logits(ids) - before).mean())


@both_methods
@pytest.mark.parametrize("changes", VARIETIES.values(), ids=VARIETIES)
def test_the_folder_is_read_and_computes_with_whole_numbers(tmp_path, method, changes):
    import ml_dtypes

    if changes.get("dtype") == "bfloat16":
        changes = changes | {"dtype": ml_dtypes.bfloat16}
    folder = make_checkpoint(tmp_path / "model", **SIZES | changes)
    before, after = quantise(folder, tmp_path / "out", "int8", method=method, texts=texts())
    assert after < before
    assert json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]["method"] == method
    layer = load_model(tmp_path / "out").decoder.layers[0]
    assert isinstance(layer.attention.query, QuantisedLinear)
    # Eight bits move the logits by so little that a factor in a wrong place would show.
    rounded = tmp_path / "rtn"
    quantise(folder, rounded, "int8")
    assert change_of_logits(folder, tmp_path / "out") < 3 * change_of_logits(folder, rounded)


def with_outliers(folder):
    """Channels 3 and 40 of all norms 30 times as large, and the columns that read them as much smaller."""
    weights = {name: np.array(tensor.numpy()) for name, tensor in Checkpoint.open(folder).items()}
    for name, array in weights.items():
        if name.endswith("layernorm.weight"):
            array[[3, 40]] *= 30
        elif name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight", "gate_proj.weight", "up_proj.weight")):
            array[:, [3, 40]] /= 30
    save_safetensors(folder / "model.safetensors", weights)
    return folder


@both_methods
def test_outliers_cost_less_than_with_rounding_to_the_nearest(tmp_path, method):
    folder = with_outliers(make_checkpoint(tmp_path / "model", **SIZES))
    quantise(folder, tmp_path / "rtn", "int4")
    quantise(folder, tmp_path / "out", "int4", method=method, texts=texts(20))
    assert change_of_logits(folder, tmp_path / "out") < 0.8 * change_of_logits(folder, tmp_path / "rtn")


@pytest.mark.parametrize("model_type", ["qwen3", "qwen2"])
def test_awqs_factors_alone_change_nothing(tmp_path, monkeypatch, model_type):
    """Without rounding, whatever the factors are."""
    folder = make_checkpoint(tmp_path / "model", **SIZES | dict(model_type=model_type))
    model, rng = load_model(folder), np.random.default_rng(0)

    def any_factors(weight, gram, mean_sizes, round_weight):
        per_head = np.exp(rng.normal(size=16))
        # Those of o_proj have to be alike for heads that share a value head, as the real ones are.
        return (
            np.tile(per_head, 4)
            if len(mean_sizes) == 64 and weight.shape[0] == 64
            else np.exp(rng.normal(size=len(mean_sizes)))
        )

    monkeypatch.setattr(calibrated, "awq_scale", any_factors)
    monkeypatch.setattr(calibrated, "_rounded", lambda w, how: (np.zeros(w.shape), np.ones((len(w), 1)), w))
    ids, blocks = texts(1)[0], []

    def keep(block, number, inputs, how, real=calibrated._by_awq):
        changed, arrays = real(block, number, inputs, how)
        blocks.append(changed)
        return changed, arrays

    monkeypatch.setattr(calibrated, "_by_awq", keep)
    list(calibrated.quantised_blocks(model.decoder, texts(2), DTYPES["int8"], "awq"))
    from llaisys_mini.models.projections import with_layers

    changed = with_layers(model.decoder, blocks).forward(np.array(ids), model.cache()).numpy()
    np.testing.assert_allclose(changed, model.logits(ids), atol=2e-4)


@both_methods
def test_dead_channels_and_short_texts_are_survived(tmp_path, method):
    folder = make_checkpoint(tmp_path / "model", **SIZES)
    weights = {name: np.array(tensor.numpy()) for name, tensor in Checkpoint.open(folder).items()}
    for name, array in weights.items():
        if name.endswith("layernorm.weight"):
            array[[0, 7, 63]] = 0
    save_safetensors(folder / "model.safetensors", weights)
    quantise(folder, tmp_path / "out", "int4", method=method, texts=[[1, 2, 3]] * 50)
    assert np.isfinite(load_model(tmp_path / "out").logits([1, 2, 3, 4])).all()


@both_methods
def test_what_is_refused_leaves_nothing_behind(tmp_path, method, monkeypatch):
    folder = make_checkpoint(tmp_path / "model", **SIZES)
    with pytest.raises(ConfigError, match="3 tokens to calibrate on are too few; give at least 128"):
        quantise(folder, tmp_path / "out", "int4", method=method, texts=[[1, 2, 3]])
    with pytest.raises(ConfigError, match="method 'best' is not one of rtn, gptq, awq"):
        quantise(folder, tmp_path / "out", "int4", method="best")

    def fails(*_):
        raise CheckpointError("no space left")

    monkeypatch.setattr(writing, "save_safetensors", fails)
    with pytest.raises(CheckpointError, match="no space left"):
        quantise(folder, tmp_path / "out", "int4", method=method, texts=texts())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


# ---- the command -------------------------------------------------------------------------------------------------


def test_the_command_takes_a_calibration_text_and_says_what_is_wrong(tmp_path):
    (tmp_path / "text.txt").write_text("Once upon a time, there was a fox named Dot.\n<|endoftext|>\n" * 20)
    arguments = ["quantize", "mini", "--dtype", "int4", "--out", str(tmp_path / "out")]

    def run(*more):
        return CliRunner().invoke(main, [*arguments, *more])

    refused = run("--calibration", str(tmp_path / "text.txt"))
    assert refused.exit_code == 2 and "--calibration is for --method gptq and awq" in refused.stderr
    absent = run("--method", "awq", "--calibration", str(tmp_path / "absent.txt"))
    assert absent.exit_code == 2 and "name another file with --calibration" in absent.stderr
    assert not (tmp_path / "out").exists()
    done = run("--method", "gptq", "--calibration", str(tmp_path / "text.txt"))
    assert done.exit_code == 0, done.stderr
    assert "weights 3.7 MB -> 1.6 MB" in done.stdout
    assert "is not one of 'rtn', 'gptq', 'awq'" in run("--method", "gptq2").stderr


def test_a_model_writes_the_same_texts_again():
    from llaisys_mini.engine import calibration

    calibration_texts = calibration.calibration_texts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "TEXTS", 2)
        patch.setattr(calibration, "LONGEST", 20)
        first, second = calibration_texts("mini"), calibration_texts("mini")
    assert first == second
    assert first[0] != first[1]
    assert all(4 < len(ids) <= 20 for ids in first)
