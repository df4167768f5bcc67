"""GRPO: what it learns from, that it learns, what it writes down, and what can go wrong."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from llaisys_mini import exercises, load_model, paths
from llaisys_mini.cli import main
from llaisys_mini.errors import TrainingError
from llaisys_mini.training import decoder, grpo, grpo_folder, policy, sums
from llaisys_mini.training.grpo import GrpoRecipe, Run
from llaisys_mini.training.policy import Batch, Policy, Text
from llaisys_mini.weights.checkpoint import save_safetensors
from tests.models.random_models import BASE

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = GrpoRecipe(steps=2, questions=2, samples=4, rate=3e-3, longest=4, measured=2, tries=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model with random weights and the shipped model's tokenizer."""
    made = tmp_path_factory.mktemp("model")
    for file in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(paths.shipped_model() / file, made / file)
    ends = json.loads((paths.shipped_model() / "config.json").read_text())["eos_token_id"]
    config = BASE | {"num_hidden_layers": 1, "vocab_size": 2048, "eos_token_id": ends}
    (made / "config.json").write_text(json.dumps(config))
    weights = decoder.initial_weights(policy.ModelConfig.from_dict(config), seed=3)
    save_safetensors(made / "model.safetensors", weights, {"format": "pt"})
    return made


def texts_of(model, rng, questions=3, samples=2):
    asked = [sums.draw(rng, (2, 2), "-") for _ in range(questions)]
    groups = model.write([model.prompt(each.question) for each in asked], samples, rng, longest=6)
    return [text for group in groups for text in group]


def of_odd_length(self, text):
    """A reward that a random model gets for half of its texts."""
    return float(len(text) % 2)


def test_a_sum_is_verified_to_the_letter():
    asked = sums.Sum(503, 67, "-")
    assert asked.question == "What is 503 - 67?"
    right = ["503 - 67 = 436.", "\n503 - 67 = 436.\n", "<think>\nones: ...\n</think>\n\n503 - 67 = 436."]
    wrong = [
        "503 - 67 = 437.",
        "436",
        "503 - 67 = 4361.",
        "",
        "503 - 67 = 436. 503 - 67 = 437.",
        "<think> 503 - 67 = 436.",
    ]
    assert [asked.reward(text) for text in right + wrong] == [1.0] * len(right) + [0.0] * len(wrong)
    assert sums.Sum(5, 7, "+").answer == "5 + 7 = 12."


def test_the_verifier_agrees_with_what_the_model_was_taught():
    from training.corpus.sums import answer_to

    rng = np.random.default_rng(0)
    for digits in ((1, 1), (2, 1), (3, 3)):
        for sign in "+-":
            asked = sums.draw(rng, digits, sign)
            assert asked.reward(answer_to(asked.first, asked.second, sign)) == 1.0
            assert len(str(asked.first)) <= max(digits) and (sign == "+" or asked.first >= asked.second)


def test_a_batch_marks_the_tokens_that_were_written():
    batch = Batch.of([Text([5, 6, 7, 8], 2, ""), Text([5, 9], 1, "")])
    assert batch.ids.T.tolist() == [[5, 6, 7, 8], [5, 9, 0, 0]]
    assert batch.mask.tolist() == [[0, 1, 1], [1, 0, 0]]


def test_log_probabilities_are_those_of_the_model_that_wrote(folder):
    model = Policy(folder)
    texts = texts_of(model, np.random.default_rng(1))
    values = model.logprobs(Batch.of(texts)).values
    engine_side = load_model(folder)
    for found, text in zip(values, texts, strict=True):
        logits = engine_side.logits(text.ids[:-1]).astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = logs[np.arange(len(text.ids) - 1), text.ids[1:]]
        np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-4)


def test_the_gradient_is_the_derivative_of_the_clipped_loss(folder):
    model = Policy(folder)
    batch = Batch.of(texts_of(model, np.random.default_rng(2)))
    advantages = np.array([1.0, -1, 0.5, -0.5, 2, -2])
    old = model.logprobs(batch).values + 0.05

    def at():
        logprobs = model.logprobs(batch)
        return logprobs, *exercises.get("clipped_loss")(logprobs.values, old, advantages, batch.mask, 0.2)

    logprobs, _, slope = at()
    gradients = logprobs.backward(slope)
    length = np.sqrt(sum(np.square(gradient, dtype=np.float64).sum() for gradient in gradients.values()))
    before = {name: array.copy() for name, array in model.weights.items()}
    losses = []
    for sign in (1, -1):
        for name, array in model.weights.items():
            array[...] = before[name] + sign * 3e-3 * gradients[name] / length
        losses.append(at()[1])
    assert (losses[0] - losses[1]) / 6e-3 == pytest.approx(length, rel=5e-3)


def test_the_first_loss_is_0_and_the_model_still_learns(folder, monkeypatch):
    """All texts have as many tokens, so the advantages add up to 0: a loss of 0 says nothing about the gradient."""
    monkeypatch.setattr(sums.Sum, "reward", of_odd_length)
    run = Run(TINY, Policy(folder))
    before = {name: array.copy() for name, array in run.policy.weights.items()}
    step = run.take_step()
    assert step.mixed and abs(step.loss) < 1e-9 and step.length > 0.01
    assert step.last_loss < -1e-6
    assert any(not np.array_equal(before[name], array) for name, array in run.policy.weights.items())


def test_equal_rewards_change_nothing(folder, monkeypatch):
    monkeypatch.setattr(sums.Sum, "reward", lambda self, text: 1.0)
    run = Run(TINY, Policy(folder))
    before = {name: array.copy() for name, array in run.policy.weights.items()}
    step = run.take_step()
    assert (step.reward, step.mixed) == (1.0, 0) and np.isnan(step.loss)
    assert all(np.array_equal(before[name], array) for name, array in run.policy.weights.items())


def test_what_is_rewarded_becomes_likelier(folder, monkeypatch):
    monkeypatch.setattr(sums.Sum, "reward", lambda self, text: float("e" in text))
    run = Run(GrpoRecipe(steps=12, questions=4, samples=32, rate=1e-2, longest=2, seed=5), Policy(folder))
    rewards = [run.take_step().reward for _ in range(run.recipe.steps)]
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3]) + 0.15


def test_the_same_seed_gives_the_same_model(folder, monkeypatch):
    monkeypatch.setattr(sums.Sum, "reward", of_odd_length)
    runs = [Run(TINY, Policy(folder)) for _ in range(2)]
    steps = [[run.take_step() for _ in range(TINY.steps)] for run in runs]
    assert steps[0] == steps[1] and steps[0][0].mixed
    for name, array in runs[0].policy.weights.items():
        assert np.array_equal(array, runs[1].policy.weights[name])


def test_a_learner_s_wrong_loss_is_told(folder, monkeypatch):
    monkeypatch.setattr(sums.Sum, "reward", of_odd_length)
    wrong = {"clipped_loss": lambda *given: (np.nan, np.zeros(given[0].shape))}
    real = exercises.get
    monkeypatch.setattr(grpo.exercises, "get", lambda name: wrong.get(name) or real(name))
    run = Run(TINY, Policy(folder))
    with pytest.raises(TrainingError, match="the loss of step 1 is no finite number"):
        run.take_step()


def test_the_command_writes_a_model_and_its_measurements(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(sums.Sum, "reward", of_odd_length)
    monkeypatch.setattr(grpo, "GrpoRecipe", lambda **given: GrpoRecipe(**(TINY.as_dict() | given)))
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["grpo", "--model", str(folder), "--out", str(out), "--digits", "3"])
    assert result.exit_code == 0, result.output
    assert "sums of 3 and 1 digit:" in result.output and "differences of 3 and 1 digit:" in result.output
    report = json.loads((out / "grpo.json").read_text())
    assert report["recipe"] == TINY.as_dict() | {"digits": 3}
    assert len(report["rewards"]) == len(report["losses"]) == TINY.steps
    assert [len(counts) for right in report["right"].values() for counts in right.values()] == [2] * 4
    assert (out / "reward.png").read_bytes().startswith(b"\x89PNG")
    assert load_model(out).config.vocab_size == 2048
    assert grpo_folder.fingerprint(folder) == report["weights"] != grpo_folder.fingerprint(out)

    again = CliRunner().invoke(main, ["grpo", "--model", str(folder), "--out", str(out)])
    assert again.exit_code == 2 and "exists already; name a new folder" in again.output


def test_a_model_that_is_never_right_has_nothing_to_learn_from(folder, tmp_path):
    with pytest.raises(TrainingError, match="gives no right answer to sums of 2 and 1 digit, in 8 tries"):
        grpo_folder.train(folder, tmp_path / "out", TINY)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_asked_for(folder, tmp_path):
    with pytest.raises(TrainingError, match="at least two texts"):
        GrpoRecipe(samples=1)
    with pytest.raises(TrainingError, match="the sign must be"):
        GrpoRecipe(sign="*")
    mute = tmp_path / "mute"
    shutil.copytree(folder, mute)
    settings = json.loads((mute / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (mute / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(TrainingError, match="no chat template"):
        Policy(mute)


# ---- the recorded training ---------------------------------------------------------------------------------------

RECORDED = json.loads((paths.shipped_model().parent / "grpo.json").read_text())


def test_the_recorded_training_is_that_of_the_command_and_of_the_shipped_model():
    assert RECORDED["recipe"] == GrpoRecipe().as_dict()
    assert RECORDED["weights"] == grpo_folder.fingerprint(paths.shipped_model()), (
        "the model has changed: record it anew"
    )
    assert len(RECORDED["rewards"]) == 50


def test_the_recorded_training_gained_15_points_and_left_the_stories_alone():
    right = RECORDED["right"][RECORDED["trained"]]
    before, after = (grpo_folder.share(right[when], RECORDED["recipe"]) for when in ("before", "after"))
    assert after - before >= 0.15
    losses = RECORDED["held_out_loss"]
    assert losses["after"] == pytest.approx(losses["before"], rel=0.01)
