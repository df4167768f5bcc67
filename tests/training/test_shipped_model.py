"""The shipped model does what its card says, measured anew on a sample."""

import json

import pytest

from llaisys_mini import load_model, paths
from training.corpus import sums
from training.evaluation.asking import Evaluation, Try
from training.evaluation.report import evaluate_part

FOLDER = paths.shipped_model()


def test_it_is_small_and_genuine():
    assert (FOLDER / "model.safetensors").stat().st_size < 8 * 2**20
    config = json.loads((FOLDER / "config.json").read_text())
    assert config["model_type"] == "qwen3"
    model = load_model(FOLDER)
    assert model.tokenizer.vocab_size == model.config.vocab_size
    assert model.tokenizer.has_chat_template
    assert len(model.config.stop_ids) == 2


# The card says so under "Limits": each of these two kinds alone misses 90 %; all small questions together do not.
KNOWN_TO_MISS = {"questions about the story just told", "reading a short text, in held-out wordings"}


def test_the_card_reports_what_was_demanded():
    checks = json.loads((FOLDER / "evaluation.json").read_text())["checks"]
    demanded = [check for check in checks if check["demanded"] is not None]
    assert len(demanded) >= 6
    missed = {check["name"] for check in demanded if check["share"] < check["demanded"]}
    assert missed <= KNOWN_TO_MISS


@pytest.mark.slow
@pytest.mark.parametrize("part", ["asked stories", "long sums", "talk"])
def test_a_sample_of_the_evaluation_gives_the_same(part):
    """The figures of the card come from 200 tries; 15 are enough to notice that something broke."""
    reported = {check["name"]: check for check in json.loads((FOLDER / "evaluation.json").read_text())["checks"]}
    results, _, _ = evaluate_part(FOLDER, part, count=15)
    compared = [result for result in results if result.name in reported]
    if not compared:
        pytest.skip("evaluation.json comes from an earlier form of the evaluation")
    for result in compared:
        assert result.share >= reported[result.name]["share"] - 0.2, f"{result.name}: {result.right} of {result.total}"


def test_all_sums_and_differences_within_ten():
    pairs = [(a, b, "+") for a in range(11) for b in range(11 - a)] + [(a, b, "-") for a in range(11) for b in range(a)]
    tries = [Try(sums.small_sum_turn(a, b, sign, f"Can you calculate {a} {sign} {b}?")) for a, b, sign in pairs]
    evaluation = Evaluation(load_model(FOLDER))
    evaluation.ask("sums", tries, 0.95)
    (result,) = evaluation.results
    assert result.passed, result.details["wrong"]
