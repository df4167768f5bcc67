"""The evaluation finds everything right in right answers, and everything wrong in wrong ones."""

import json

import numpy as np
import pytest

from llaisys_mini import load_model, paths
from llaisys_mini.text.sampling import SamplingParams
from training.corpus.conversations import Turn
from training.corpus.stories import write_story
from training.corpus.writing import Writer
from training.evaluation.abilities import ABILITIES
from training.evaluation.asking import Evaluation
from training.evaluation.conversations import random_conversations
from training.evaluation.generating import Completion, Job, complete, run
from training.evaluation.judging import judge
from training.evaluation.losses import held_out_losses
from training.evaluation.report import PARTS, evaluate

FOLDER = paths.shipped_model()


@pytest.fixture(scope="module")
def model():
    return load_model(FOLDER)


class Oracle(Evaluation):
    """Gives the right answers, or one wrong answer to everything."""

    def __init__(self, model, wrong=None):
        super().__init__(model)
        self.wrong = wrong

    def run(self, asks):
        asks = list(asks)
        while asks:
            ask = asks.pop()
            assert ask.messages[-1]["content"] == ask.turn.question
            following = ask.then(Completion(self.wrong or f"<think>\n\n</think>\n\n{ask.turn.answer}", True, 1))
            asks += [following] if following else []


@pytest.mark.parametrize("part", [name for name in ABILITIES if name != "plain stories"])
def test_right_answers_are_right_and_wrong_ones_wrong(part, model):
    oracle = Oracle(model)
    ABILITIES[part](oracle, 25)
    assert oracle.results
    for result in oracle.results:
        assert result.total > 0 and result.right == result.total, (result.name, result.details)
    liar = Oracle(model, wrong="The answer is forty-two.")
    ABILITIES[part](liar, 25)
    for result in liar.results:
        if "not refused" not in result.name and ":" not in result.name:
            assert result.right == 0, result.name


@pytest.mark.parametrize("held_out", [False, True])
def test_conversations_of_right_answers_are_right(model, held_out):
    oracle = Oracle(model)
    random_conversations(oracle, "conversations", 60, held_out=held_out)
    whole, single = oracle.results
    assert (whole.right, whole.total) == (60, 60)
    assert (single.right, single.total) == (360, 360)
    counted = [each for row in single.details["by_kind_before_and_kind"].values() for each in row.values()]
    assert sum(int(each.split()[-1]) for each in counted) == 360
    liar = Oracle(model, wrong="The answer is forty-two.")
    random_conversations(liar, "conversations", 20)
    assert [result.right for result in liar.results] == [0, 0]


def test_a_story_is_judged_by_what_was_wished_for():
    story, other = write_story(Writer(1)), write_story(Writer(2), avoid=write_story(Writer(1)).words)
    turn = Turn("story", "Tell me a story.", story.text, story=story, wish=("H", "thing"))
    assert judge(turn, Completion(story.text, True, 1)).right
    assert not judge(turn, Completion(other.text, True, 1)).right
    assert not judge(turn, Completion(story.text, False, 1)).right
    assert judge(Turn("story", "Tell me a story.", "", story=story), Completion(other.text, True, 1)).right


def test_many_prompts_at_once_are_completed_as_one_by_one(model):
    prompts = ["Once upon a time", "Once upon a time, there was a little fox", "One day", "The kite was"]
    params = [SamplingParams(max_new_tokens=30)] * 3 + [SamplingParams(temperature=0.8, seed=3, max_new_tokens=30)]
    together = complete(model, prompts, params)
    for prompt, own, completion in zip(prompts, params, together, strict=True):
        alone = list(model.generate(model.tokenizer.encode(prompt), params=own))
        assert model.tokenizer.decode(alone) == completion.text
        assert completion.ended == (len(alone) < 30)


def test_a_conversation_that_goes_on_from_its_cache_is_answered_as_from_the_beginning(model):
    first = "<|im_start|>user\nTell me a story about a fox.<|im_end|>\n<|im_start|>assistant\n"
    params, said = SamplingParams(max_new_tokens=40), []

    def second(completion):
        said.append(completion.text)
        prompt = (
            f"{first}{completion.said}<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"
        )
        prompts.append(prompt)
        return Job(prompt, params, lambda answer: said.append(answer.text))

    prompts = [first]
    run(model, [Job(first, params, second)])
    assert said == [completion.text for completion in complete(model, prompts, params)]


def test_a_prompt_that_fills_the_context_gets_no_answer(model):
    completion, short = complete(model, ["fox " * model.config.max_positions, "The"], SamplingParams(max_new_tokens=2))
    assert completion.text == "" and not completion.ended and not completion.well_formed
    assert short.tokens <= 2 and (short.text or short.ended)


def test_losses_are_those_of_the_logits(model):
    losses = held_out_losses(model, 4)
    assert set(losses) == {"same templates, other seed", "by template"}
    assert all(np.isfinite(loss) and loss > 0 for loss in losses.values())


def test_the_report_has_every_check(tmp_path, capsys):
    output = tmp_path / "evaluation.json"
    results = evaluate(FOLDER, count=1, parts=["plain stories"], output=output)
    report = json.loads(output.read_text())
    assert [check["name"] for check in report["checks"]] == [result.name for result in results]
    assert {"loss", "seconds", "sampling_of_stories"} <= set(report)
    printed = capsys.readouterr().out
    assert all(f"| {result.name} |" in printed for result in results)
    assert "plain stories" in PARTS
