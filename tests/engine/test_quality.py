"""The comparison of a quantised model with its original: the figures against their definitions, and the report."""

import math
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from llaisys_mini import load_model
from llaisys_mini.cli import main
from llaisys_mini.engine.quality import compare_models
from llaisys_mini.errors import GenerationError
from llaisys_mini.models.quantise import quantise
from llaisys_mini.paths import held_out_text, shipped_model

TEXT = "Once upon a time, there lived a mole named Gus.\n<|endoftext|>\nMia was a frog. Gus said, I am sorry.\n"


@pytest.fixture(scope="module")
def original():
    return load_model("mini")


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "int8"
    quantise("mini", folder, "int8")
    return folder


def test_a_model_equals_itself(original):
    same = compare_models(original, original, TEXT, greedy_tokens=30)
    assert same.perplexity == same.original_perplexity
    assert same.logits_max == same.logits_rms == 0
    assert same.same_greedy == 1


def test_the_figures_are_what_they_are_called(original, quantised):
    other = load_model(quantised)
    found = compare_models(original, other, TEXT, greedy_tokens=20)
    documents = [original.tokenizer.encode(part.strip()) for part in TEXT.split("<|endoftext|>")]
    losses, changes = [], []
    for ids in documents:
        logits = other.logits(ids).astype(float)
        changes.append(logits - original.logits(ids))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        losses += [-math.log(probabilities[i, ids[i + 1]]) for i in range(len(ids) - 1)]
    assert found.tokens == len(losses)
    assert found.perplexity == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)
    assert found.logits_max == pytest.approx(max(np.abs(change).max() for change in changes))
    assert found.logits_rms == pytest.approx(math.sqrt(np.square(np.concatenate(changes)).mean()))
    assert 0 < found.logits_rms < 0.1 * found.logits_std
    assert found.greedy_tokens == 20


def test_eight_bits_cost_next_to_nothing(original, quantised):
    found = compare_models(original, load_model(quantised), held_out_text().read_text()[:6000])
    assert found.greedy_tokens == 200
    assert found.same_greedy >= 0.98
    assert found.perplexity == pytest.approx(found.original_perplexity, rel=0.01)


def test_a_text_without_tokens_is_refused(original):
    with pytest.raises(GenerationError, match="too short"):
        compare_models(original, original, "<|endoftext|>\n")


def test_the_report_is_one_table(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    shutil.copytree(shipped_model(), tmp_path / "model")
    arguments = ["quantise", str(tmp_path / "model"), "--dtype", "int4", "--report", "--out"]
    result = CliRunner().invoke(main, [*arguments, str(tmp_path / "out"), "--text", str(tmp_path / "text.txt")])
    assert result.exit_code == 0, result.stderr
    for word in ("perplexity", "rms change / their spread", "same greedy token", "int4", "text.txt"):
        assert word in result.stdout
    missing = CliRunner().invoke(main, [*arguments, str(tmp_path / "out2"), "--text", str(tmp_path / "absent.txt")])
    assert missing.exit_code == 2
    assert "absent.txt cannot be read" in missing.stderr
