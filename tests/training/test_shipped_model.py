"""The shipped model does what its card says, measured anew on a sample; and the training text keeps its own rules."""

import json

import pytest

from llaisys_mini import load_model, paths
from training.corpus import sums
from training.corpus.stories import write_story
from training.corpus.writing import Writer
from training.evaluate import Evaluation, check_story, evaluate_part

FOLDER = paths.shipped_model()


def test_it_is_small_and_genuine():
    assert (FOLDER / "model.safetensors").stat().st_size < 6 * 2**20
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
    demanded = [r for r in checks if r["demanded"] is not None]
    assert len(demanded) >= 6
    missed = {r["name"] for r in demanded if r["share"] < r["demanded"]}
    assert missed <= KNOWN_TO_MISS


def test_stories_of_the_training_text_pass_the_story_check():
    writer = Writer(5)
    for _ in range(300):
        story = write_story(writer)
        assert check_story(story.text, True, story.hero.name, story.hero.kind, story.thing).problems == []


@pytest.mark.slow
@pytest.mark.parametrize("part", ["asked stories", "talk"])
def test_a_sample_of_the_evaluation_gives_the_same(part):
    """The figures of the card come from 200 stories; 15 are enough to notice that something broke."""
    for result in evaluate_part(FOLDER, part, count=15).results:
        assert result.required is None or result.share >= 0.8, f"{result.name}: {result.right} of {result.total}"


def test_all_sums_and_differences_within_ten():
    pairs = [(a, b, "+") for a in range(11) for b in range(11 - a)] + [(a, b, "-") for a in range(11) for b in range(a)]
    turns = [sums.small_sum_turn(a, b, sign, sums.HELD_OUT_SMALL_WORDINGS[0]) for a, b, sign in pairs]
    evaluation = Evaluation(load_model(FOLDER), FOLDER)
    evaluation.ask_turns("sums", turns, 0.95)
    (result,) = evaluation.results
    assert result.passed, result.details["wrong"]
