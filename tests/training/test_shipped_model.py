"""The shipped model does what its card says, measured anew on a sample."""

import json

import pytest

from llaisys_mini import load_model, paths
from training.corpus import sums
from training.evaluation.asking import Evaluation, Try
from training.evaluation.card import CARD, QUOTED, TABLE, with_table
from training.evaluation.report import evaluate_part, reported

FOLDER = paths.shipped_model()


def test_it_is_small_and_genuine():
    assert (FOLDER / "model.safetensors").stat().st_size < 8 * 2**20
    config = json.loads((FOLDER / "config.json").read_text())
    assert config["model_type"] == "qwen3"
    model = load_model(FOLDER)
    assert model.tokenizer.vocab_size == model.config.vocab_size
    assert model.tokenizer.has_chat_template
    assert len(model.config.stop_ids) == 2


def test_what_was_demanded_is_reached():
    demanded = [result for result in reported(FOLDER) if result.demanded is not None]
    assert len(demanded) >= 20
    assert [result.name for result in demanded if not result.passed] == []


def test_the_card_has_the_table_of_the_evaluation():
    card = (FOLDER / CARD).read_text()
    assert TABLE[0] in card and card == with_table(card, reported(FOLDER))


READ = [
    FOLDER / CARD,
    *(paths.course_root() / name for name in ("README.md", "docs/self-learner.md", "data/README.md")),
]


def test_quoted_figures_are_those_of_the_evaluation():
    shares = {result.name: result.share for result in reported(FOLDER)}
    quoted = [(path.name, *found) for path in READ for found in QUOTED.findall(path.read_text())]
    assert len(quoted) >= 8
    for path, figure, _, name in quoted:
        digits = len(figure.partition(".")[2])
        assert f"{100 * shares[name]:.{digits}f}" == figure, f"{path}: {name}"


@pytest.mark.slow
@pytest.mark.parametrize("part", ["asked stories", "long sums", "talk"])
def test_a_sample_of_the_evaluation_gives_the_same(part):
    """The figures of the card come from 200 tries; 60 are enough to notice that something broke: where half are right,
    0.2 is three standard deviations of their share, and more elsewhere."""
    shares = {result.name: result.share for result in reported(FOLDER)}
    results, _, _ = evaluate_part(FOLDER, part, count=60)
    for result in results:
        assert result.share >= shares[result.name] - 0.2, f"{result.name}: {result.right} of {result.total}"


def test_all_sums_and_differences_within_ten():
    pairs = [(a, b, "+") for a in range(11) for b in range(11 - a)] + [(a, b, "-") for a in range(11) for b in range(a)]
    tries = [Try(sums.small_sum_turn(a, b, sign, f"Can you calculate {a} {sign} {b}?")) for a, b, sign in pairs]
    evaluation = Evaluation(load_model(FOLDER))
    evaluation.ask("sums", tries, 0.95)
    (result,) = evaluation.results
    assert result.passed, result.details["wrong"]
